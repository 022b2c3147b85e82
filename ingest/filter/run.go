package filter

import (
	"encoding/binary"

	"golang.org/x/net/bpf"
)

// A step is a branch with its places filled in.
type step struct {
	test
	header  uint32
	yes, no int32 // index of the next step, or an answer
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
		m.steps[i] = step{b.test, b.header, p.follow(p.places[b.yes]), p.follow(p.places[b.no])}
	}
	return m
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
		v, ok := s.value(frame)
		if !ok {
			return false
		}
		at = s.no
		if s.holds(v) {
			at = s.yes
		}
	}
	return at == matches
}

// value finds what the test is about.
func (s *step) value(frame []byte) (uint32, bool) {
	off := uint(s.off)
	if s.base == transport4 {
		if uint(s.header) >= uint(len(frame)) {
			return 0, false
		}
		off += uint(frame[s.header]&0x0f) * 4 // the length of the IPv4 header
	}
	if off+uint(s.size) > uint(len(frame)) {
		return 0, false
	}
	v := uint32(frame[off])
	switch s.size {
	case 2:
		v = uint32(binary.BigEndian.Uint16(frame[off:]))
	case 4:
		v = binary.BigEndian.Uint32(frame[off:])
	}
	if s.mask != 0 {
		v &= s.mask
	}
	return v, true
}

func (t *test) holds(v uint32) bool {
	switch t.cond {
	case bpf.JumpEqual:
		return v == t.val
	case bpf.JumpNotEqual:
		return v != t.val
	case bpf.JumpGreaterOrEqual:
		return v >= t.val
	case bpf.JumpLessOrEqual:
		return v <= t.val
	case bpf.JumpBitsNotSet:
		return v&t.val == 0
	}
	panic("filter: a test without a condition")
}
