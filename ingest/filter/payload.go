package filter

import (
	"encoding/binary"

	"golang.org/x/net/bpf"

	"fwknopd/parse"
)

// A Payload is what the payload of an unfragmented UDP packet has to look like to be kept:
// base64 that begins as an SPA packet does. Junk then costs the process that reads nothing,
// since the kernel drops it. Other packets are kept. The zero Payload keeps everything.
//
// It errs on the side of what is kept: the length is that of the frame, with what follows
// the packet, and of the text only the beginning is looked at.
type Payload struct {
	// Least is the shortest payload, bytes; 0: keep everything.
	Least int
	// Free is from which length on, bytes, the text may begin with any characters of
	// base64: it may be an OpenPGP message.
	Free int
	// First and Prefix are how a shorter text begins: with one of these characters, or with
	// this text, of which the first four are looked at.
	First, Prefix string
}

// looked is how many characters of the text are looked at. The least Least is not below it.
const looked = 4

const (
	ip4Header, udpHeader = 20, 8 // bytes, without options
	// ip4Fragments are the bits of the fragment field: more fragments, and an offset.
	ip4Fragments = 0x3fff
)

// Program returns the filter for a UDP socket, whose frames begin with the UDP header; nil
// if everything is kept.
func (p Payload) Program() ([]bpf.RawInstruction, error) {
	if p.IsZero() {
		return nil, nil
	}
	program := compile(p.text(udpHeader, link, udpHeader), layout{})
	return program.assemble()
}

// IsZero reports whether everything is kept.
func (p Payload) IsZero() bool { return p.Least < looked || len(p.Prefix) < looked }

// Drops returns whether an unfragmented UDP packet with a payload is dropped.
func (p Payload) Drops() (drops func(payload []byte) bool, err error) {
	raw, err := p.Program()
	if raw == nil || err != nil {
		return func([]byte) bool { return false }, err
	}
	program, _ := bpf.Disassemble(raw) // of instructions that were assembled
	vm, err := bpf.NewVM(program)
	return func(payload []byte) bool {
		n, err := vm.Run(append(make([]byte, udpHeader), payload...))
		return err == nil && n == 0
	}, err
}

// node is true of the packets that are kept.
func (p Payload) node() node {
	udp4 := and{ip4Proto(protoUDP), test{base: network, off: ip4Fragment, size: 2, cond: bpf.JumpBitsNotSet, val: ip4Fragments}}
	udp6 := and{carries(etherIPv6), equal(network, ip6Next, 1, protoUDP)}
	return and{
		or{not{udp4}, p.text(ip4Header+udpHeader, transport4, udpHeader)},
		or{not{udp6}, p.text(ip6Header+udpHeader, network, ip6Header+udpHeader)},
	}
}

// text is about the text at an offset, with at least so many bytes of headers from the IP
// header on in front of it.
func (p Payload) text(headers int, b base, off uint32) node {
	chars := []node{lengthFrom(headers + p.Least), or{lengthFrom(headers + p.Free), p.start(b, off)}}
	for i := range uint32(looked) {
		chars = append(chars, base64Char(b, off+i))
	}
	return allOf(chars...)
}

// lengthFrom is true of packets of n bytes and more from the IP header on.
func lengthFrom(n int) node {
	return test{base: length, off: uint32(n), cond: bpf.JumpGreaterOrEqual}
}

// start is true of a text that begins as First and Prefix say.
func (p Payload) start(b base, off uint32) node {
	n := equal(b, off, looked, binary.BigEndian.Uint32([]byte(p.Prefix)))
	for _, c := range p.First {
		n = or{equal(b, off, 1, uint32(c)), n}
	}
	return n
}

// base64Char is true of a byte of standard base64, padding included.
func base64Char(b base, off uint32) node {
	between := func(from, to rune) node {
		return and{
			test{base: b, off: off, size: 1, cond: bpf.JumpGreaterOrEqual, val: uint32(from)},
			test{base: b, off: off, size: 1, cond: bpf.JumpLessOrEqual, val: uint32(to)},
		}
	}
	return anyOf(between('a', 'z'), between('A', 'Z'), between('/', '9'), equal(b, off, 1, '+'), equal(b, off, 1, '='))
}

// LiveProgram is [Filter.Program] for frames of which also p is true. An expression that
// looks behind other headers has p left out: it would look at what is around the packet.
func (f *Filter) LiveProgram(link parse.LinkType, p Payload) ([]bpf.RawInstruction, error) {
	if p.IsZero() || !f.Narrows() {
		return f.Program(link)
	}
	narrowed := &Filter{root: p.node()}
	if f != nil {
		narrowed.root = and{f.root, narrowed.root}
	}
	return narrowed.Program(link)
}

// Narrows reports whether [Filter.LiveProgram] takes a Payload into account.
func (f *Filter) Narrows() bool { return f == nil || !looksBehind(f.root) }

// looksBehind reports whether an expression names headers to look behind.
func looksBehind(n node) bool {
	switch n := n.(type) {
	case and:
		return looksBehind(n.x) || looksBehind(n.y)
	case or:
		return looksBehind(n.x) || looksBehind(n.y)
	case not:
		return looksBehind(n.x)
	case vlan, session, geneve, behind:
		return true
	}
	return false
}
