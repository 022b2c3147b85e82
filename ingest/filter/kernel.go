package filter

import (
	"fmt"
	"math"
	"slices"

	"golang.org/x/net/bpf"
)

const (
	// keep is how much of a matching packet is kept: all of it.
	keep = 0x40000
	// maxProgram is BPF_MAXINSNS, the longest program that Linux takes.
	maxProgram = 4096
)

// assemble makes classic BPF of a program. Conditional jumps reach 255 places only,
// so each is followed by two long ones.
func (p *program) assemble() ([]bpf.RawInstruction, error) {
	var code []bpf.Instruction
	starts := make([]int, 0, len(p.branches)+2) // of each branch and answer
	jumps := make(map[int]label)
	jump := func(l label) {
		jumps[len(code)] = l
		code = append(code, bpf.Jump{})
	}
	if p.notes() {
		code = append(code, noTunnel...)
	}
	if p.afterPF {
		code = append(code, notePF...)
	}
	for i := range p.branches {
		b := &p.branches[i]
		starts = append(starts, len(code))
		switch {
		case b.notes:
			code = append(code, b.note()...)
			jump(b.yes)
			continue
		case b.yes != b.no:
			code = append(code, b.load()...)
			code = append(code, bpf.JumpIf{Cond: b.cond, Val: b.val, SkipFalse: 1})
			jump(b.yes)
		}
		jump(b.no)
	}
	starts = append(starts, len(code), len(code)+1)
	code = append(code, bpf.RetConstant{Val: keep}, bpf.RetConstant{Val: 0})
	if len(code) > maxProgram {
		return nil, fmt.Errorf("filter: too long: %d instructions, and the kernel takes %d", len(code), maxProgram)
	}
	for at, l := range jumps {
		code[at] = bpf.Jump{Skip: uint32(starts[p.places[l]] - at - 1)}
	}
	return bpf.Assemble(code)
}

// load brings the value of the test into the accumulator.
func (b *branch) load() []bpf.Instruction {
	var code []bpf.Instruction
	switch b.base {
	case link, network, transport4:
		code = b.loadFrame()
	case inTunnel:
		code = append(code, bpf.LoadScratch{Dst: bpf.RegA, N: etherSlot})
	case length:
		code = append(code, bpf.LoadExtension{Num: bpf.ExtLen})
	case tagPresent:
		code = append(code, bpf.LoadExtension{Num: bpf.ExtVLANTagPresent})
	case tag:
		code = append(code, bpf.LoadExtension{Num: bpf.ExtVLANTag})
	}
	if b.mask != 0 && b.mask != math.MaxUint32 {
		code = append(code, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: b.mask})
	}
	return code
}

// loadFrame brings a value of the frame into the accumulator.
func (b *branch) loadFrame() []bpf.Instruction {
	load := bpf.LoadIndirect{Off: b.off, Size: b.size}
	switch {
	case b.mark != startMark && b.base == transport4: // the length of the IPv4 header is added to its place
		return append(b.behindIPv4(), load)
	case b.base == transport4:
		return []bpf.Instruction{bpf.LoadMemShift{Off: b.header}, load}
	case b.mark != startMark:
		return []bpf.Instruction{bpf.LoadScratch{Dst: bpf.RegX, N: int(b.mark - etherMark)}, load}
	}
	return []bpf.Instruction{bpf.LoadAbsolute{Off: b.off, Size: b.size}}
}

// behindIPv4 brings the place of the payload and the length of the IPv4 header there into X.
func (b *branch) behindIPv4() []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadScratch{Dst: bpf.RegX, N: payloadSlot}, bpf.LoadIndirect{Off: b.header, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf}, bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: 2}, bpf.ALUOpX{Op: bpf.ALUOpAdd}, bpf.TAX{},
	}
}

// notes reports whether the program notes a tunnel.
func (p *program) notes() bool {
	return slices.ContainsFunc(p.branches, func(b branch) bool { return b.notes })
}

// note returns the instructions that note the tunnel.
func (b *branch) note() []bpf.Instruction {
	at := []bpf.Instruction{bpf.LoadConstant{Dst: bpf.RegX, Val: b.off}}
	switch {
	case b.base == transport4 && b.mark == payloadMark:
		at = append(b.behindIPv4(), bpf.TXA{}, bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: b.off}, bpf.TAX{})
	case b.mark == payloadMark:
		at = []bpf.Instruction{bpf.LoadScratch{Dst: bpf.RegA, N: payloadSlot}, bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: b.off}, bpf.TAX{}}
	case b.base == transport4:
		at = []bpf.Instruction{bpf.LoadMemShift{Off: b.header}, bpf.TXA{}, bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: b.off}, bpf.TAX{}}
	}
	return append(at, noteTunnel...)
}
