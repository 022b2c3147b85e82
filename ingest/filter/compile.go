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

// A label is a place in the program that is not known yet.
type label int

// A compiler turns nodes into instructions. Conditional jumps reach 255 places
// only, so each is followed by two long ones.
type compiler struct {
	layout
	stripped bool // the kernel took the outermost VLAN tag out of the frame
	shift    uint32
	program  []bpf.Instruction
	places   []int         // of each label
	jumps    map[int]label // long jumps to be set
}

func (c *compiler) label() label {
	c.places = append(c.places, -1)
	return label(len(c.places) - 1)
}

func (c *compiler) place(l label) { c.places[l] = len(c.program) }

func (c *compiler) add(in ...bpf.Instruction) { c.program = append(c.program, in...) }

func (c *compiler) jump(l label) {
	c.jumps[len(c.program)] = l
	c.add(bpf.Jump{})
}

// compile makes the program for frames as they are in a capture.
func compile(root node, l layout) ([]bpf.Instruction, error) {
	return compileBoth(root, l, false)
}

// compileLive makes the program for a socket. Where the kernel took a VLAN tag out
// of the frame, it says so beside it.
func compileLive(root node, l layout) ([]bpf.Instruction, error) {
	return compileBoth(root, l, l.tags && speaksOfTags(root))
}

func compileBoth(root node, l layout, live bool) ([]bpf.Instruction, error) {
	c := compiler{layout: l, jumps: make(map[int]label)}
	yes, no := c.label(), c.label()
	if live {
		inFrame, beside := c.label(), c.label()
		c.add(bpf.LoadExtension{Num: bpf.ExtVLANTagPresent}, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0, SkipFalse: 1})
		c.jump(beside)
		c.jump(inFrame)
		c.place(beside)
		c.stripped = true
		root.emit(&c, yes, no)
		c.stripped = false
		c.place(inFrame)
	}
	root.emit(&c, yes, no)
	c.place(yes)
	c.add(bpf.RetConstant{Val: keep})
	c.place(no)
	c.add(bpf.RetConstant{Val: 0})
	if len(c.program) > maxProgram {
		return nil, fmt.Errorf("filter: too long: %d instructions, and the kernel takes %d", len(c.program), maxProgram)
	}
	for at, l := range c.jumps {
		c.program[at] = bpf.Jump{Skip: uint32(c.places[l] - at - 1)}
	}
	return c.program, nil
}

func (n and) emit(c *compiler, yes, no label) {
	next := c.label()
	n.x.emit(c, next, no)
	c.place(next)
	n.y.emit(c, yes, no)
}

func (n or) emit(c *compiler, yes, no label) {
	next := c.label()
	n.x.emit(c, yes, next)
	c.place(next)
	n.y.emit(c, yes, no)
}

func (n not) emit(c *compiler, yes, no label) { n.x.emit(c, no, yes) }

func (all) emit(c *compiler, yes, _ label) { c.jump(yes) }

func (n carries) emit(c *compiler, yes, no label) { c.carries(int(n)).emit(c, yes, no) }

func (t test) emit(c *compiler, yes, no label) {
	switch t.base {
	case link:
		c.add(bpf.LoadAbsolute{Off: c.shift + t.off, Size: t.size})
	case network:
		c.add(bpf.LoadAbsolute{Off: c.shift + c.payload + t.off, Size: t.size})
	case transport4:
		c.add(bpf.LoadMemShift{Off: c.shift + c.payload}, bpf.LoadIndirect{Off: c.shift + c.payload + t.off, Size: t.size})
	}
	if t.mask != 0 && t.mask != math.MaxUint32 {
		c.add(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: t.mask})
	}
	c.add(bpf.JumpIf{Cond: t.cond, Val: t.val, SkipFalse: 1})
	c.jump(yes)
	c.jump(no)
}
