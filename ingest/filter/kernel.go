package filter

import (
	"fmt"
	"math"

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
	for i := range p.branches {
		b := &p.branches[i]
		starts = append(starts, len(code))
		if b.yes != b.no {
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
	case link, network:
		code = append(code, bpf.LoadAbsolute{Off: b.off, Size: b.size})
	case transport4:
		code = append(code, bpf.LoadMemShift{Off: b.header}, bpf.LoadIndirect{Off: b.off, Size: b.size})
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
