package filter

import (
	"runtime"

	"golang.org/x/net/bpf"
)

// A label is a place in a program that is not known yet.
type label int

// A branch is a test and where to go on; where they are the same, nothing is tested.
type branch struct {
	test
	header  uint32 // base transport4: offset of the IPv4 header; off counts from behind it
	mark    mark   // that offsets count from
	yes, no label
}

// A program answers yes or no to every frame. It only ever goes forward.
type program struct {
	branches []branch
	places   []int // of each label
	afterPF  bool  // the header of pf is noted as a tunnel to what is behind it
}

// The labels of the two answers; their places are behind the last branch.
const (
	accept label = iota
	reject
)

// A compiler turns nodes into branches.
type compiler struct {
	program
	position
	stripped bool // the kernel took the outermost VLAN tag out of the frame
}

// A position is where in a frame an expression looks.
type position struct {
	frame, packet place          // of link and network tests
	carries       func(int) node // see layout
	tags          bool           // VLAN tags may stand here
}

func (c *compiler) label() label {
	c.places = append(c.places, -1)
	return label(len(c.places) - 1)
}

func (c *compiler) place(l label) { c.places[l] = len(c.branches) }

func (c *compiler) jump(l label) { c.branches = append(c.branches, branch{yes: l, no: l}) }

// compile makes the program for frames as they are in a capture.
func compile(root node, l layout) program { return compileBoth(root, l, false) }

// tagsStripped reports whether the kernel takes VLAN tags out of frames: Linux does, BSD has them
// in what it captures.
const tagsStripped = runtime.GOOS == "linux"

// compileLive makes the program for a socket. Where the kernel took a VLAN tag out
// of the frame, the tag is in the packet's metadata.
func compileLive(root node, l layout) program {
	return compileBoth(root, l, tagsStripped && l.tags && usesTags(root))
}

func compileBoth(root node, l layout, live bool) program {
	c := compiler{position: position{packet: l.payload, carries: l.carries, tags: l.tags}}
	c.afterPF = l.payload.mark == payloadMark
	yes, no := c.label(), c.label() // accept and reject
	if live {
		inFrame, beside := c.label(), c.label()
		test{base: tagPresent, cond: bpf.JumpNotEqual}.emit(&c, beside, inFrame)
		c.place(beside)
		c.stripped = true
		root.emit(&c, yes, no)
		c.stripped = false
		c.place(inFrame)
	}
	root.emit(&c, yes, no)
	c.place(yes)
	c.places[no] = c.places[yes] + 1
	return c.program
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
	b := branch{test: t, yes: yes, no: no}
	switch t.base {
	case link:
		b.mark, b.off = c.frame.mark, b.off+c.frame.off
	case length:
		b.off, b.val = 0, b.off+c.packet.off
	case network:
		b.mark, b.off = c.packet.mark, b.off+c.packet.off
	case transport4:
		b.mark, b.header = c.packet.mark, c.packet.off
		b.off += b.header
	}
	c.branches = append(c.branches, b)
}
