package filter

import (
	"encoding/binary"
	"math"

	"golang.org/x/net/bpf"
)

// A step is a branch with its places filled in, and every kind of test as one: whether the
// value lies between two others.
type step struct {
	off, header uint32
	indirect    bool // off counts from behind the IPv4 header at header
	size        uint8
	mask        uint32
	low, span   uint32 // the least value that passes, and how far the greatest is from it
	yes, no     int32  // index of the next step, or an answer
}

// The answers, as places.
const (
	matches    = -1
	matchesNot = -2
)

// A matcher is a program in the form in which we run it: captures that are read
// back have many frames that are not for us, and this is all that happens to them.
type matcher struct {
	steps []step
	start int32
}

func (p *program) matcher() *matcher {
	m := &matcher{steps: make([]step, len(p.branches)), start: p.follow(0)}
	for i, b := range p.branches {
		m.steps[i] = b.step(p.follow(p.places[b.yes]), p.follow(p.places[b.no]))
	}
	return m
}

func (b *branch) step(yes, no int32) step {
	s := step{off: b.off, header: b.header, indirect: b.base == transport4, size: uint8(b.size), mask: b.mask, low: b.val, yes: yes, no: no}
	if s.mask == 0 {
		s.mask = math.MaxUint32
	}
	switch b.cond {
	case bpf.JumpEqual:
	case bpf.JumpNotEqual:
		s.yes, s.no = no, yes
	case bpf.JumpGreaterOrEqual:
		s.span = math.MaxUint32 - b.val
	case bpf.JumpLessOrEqual:
		s.low, s.span = 0, b.val
	case bpf.JumpBitsNotSet:
		s.low, s.mask = 0, s.mask&b.val
	default:
		panic("filter: a test without a condition")
	}
	return s
}

// follow returns where a jump to a place leads in the end.
func (p *program) follow(at int) int32 {
	for at < len(p.branches) {
		b := &p.branches[at]
		if b.yes != b.no {
			return int32(at)
		}
		at = p.places[b.yes]
	}
	if at == p.places[accept] {
		return matches
	}
	return matchesNot
}

// match runs the program. A frame too short for a value that is asked for matches
// nothing.
func (m *matcher) match(frame []byte) bool {
	at := m.start
	for at >= 0 {
		s := &m.steps[at]
		off := uint(s.off)
		if s.indirect {
			if uint(s.header) >= uint(len(frame)) {
				return false
			}
			off += uint(frame[s.header]&0x0f) * 4 // the length of the IPv4 header
		}
		if off+uint(s.size) > uint(len(frame)) {
			return false
		}
		var v uint32
		switch s.size {
		case 1:
			v = uint32(frame[off])
		case 2:
			v = uint32(binary.BigEndian.Uint16(frame[off:]))
		default:
			v = binary.BigEndian.Uint32(frame[off:])
		}
		at = s.no
		if v&s.mask-s.low <= s.span {
			at = s.yes
		}
	}
	return at == matches
}
