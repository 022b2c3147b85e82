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
	kind        stepKind
	size        uint8
	mask        uint32
	low, span   uint32 // the least value that passes, and how far the greatest is from it
	yes, no     int32  // index of the next step, or an answer
}

// A stepKind is what the offset of a step counts from.
type stepKind uint8

const (
	fromStart        stepKind = iota
	behindIPv4                // behind the IPv4 header at header
	fromEther                 // the EtherType in the tunnel
	fromPayload               // what follows that
	behindIPv4Inside          // behind the IPv4 header at header from there
	notes                     // nothing: the tunnel at off is noted
	notesBehindIPv4           // and here at off from behind the IPv4 header
	whetherTunnel             // nothing: whether a tunnel was noted
)

// The answers, as places.
const (
	matches    = -1
	matchesNot = -2
)

// A matcher is a program in the form in which we run it: captures that are read
// back have many frames that are not for us, and this is all that happens to them.
type matcher struct {
	steps   []step
	start   int32
	afterPF bool
}

func (p *program) matcher() *matcher {
	m := &matcher{steps: make([]step, len(p.branches)), start: p.follow(0), afterPF: p.afterPF}
	for i, b := range p.branches {
		m.steps[i] = b.step(p.follow(p.places[b.yes]), p.follow(p.places[b.no]))
	}
	return m
}

func (b *branch) step(yes, no int32) step {
	s := step{off: b.off, header: b.header, kind: b.kind(), size: uint8(b.size), mask: b.mask, low: b.val, yes: yes, no: no}
	switch {
	case b.notes: // true of any byte
		s.size, s.no = 1, yes
		return s
	case b.base == inTunnel:
		return s
	case s.mask == 0:
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

// kind returns what the offset of a branch counts from.
func (b *branch) kind() stepKind {
	switch {
	case b.base == inTunnel:
		return whetherTunnel
	case b.notes && b.base == transport4:
		return notesBehindIPv4
	case b.notes:
		return notes
	case b.mark != startMark && b.base == transport4:
		return behindIPv4Inside
	case b.mark == payloadMark:
		return fromPayload
	case b.mark == etherMark:
		return fromEther
	case b.base == transport4:
		return behindIPv4
	}
	return fromStart
}

// follow returns where a jump to a place leads in the end.
func (p *program) follow(at int) int32 {
	for at < len(p.branches) {
		b := &p.branches[at]
		if b.yes != b.no || b.notes {
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
	var t tunnel
	if m.afterPF {
		var ok bool
		if t.payload, ok = pfPacketAt(frame); !ok {
			return false
		}
	}
	at := m.start
	for at >= 0 {
		s := &m.steps[at]
		off := uint(s.off)
		switch {
		case s.kind == fromStart:
		case s.kind == behindIPv4:
			if uint(s.header) >= uint(len(frame)) {
				return false
			}
			off += uint(frame[s.header]&0x0f) * 4 // the length of the IPv4 header
		case s.kind == whetherTunnel:
			if at = s.no; t.ether > 0 {
				at = s.yes
			}
			continue
		default:
			var ok bool
			if off, t, ok = s.offset(frame, t); !ok {
				return false
			}
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

// offset returns the offset of the value of a step that has to do with the tunnel t, and t, which
// a step of one kind replaces. It is false if the frame is too short.
func (s *step) offset(frame []byte, t tunnel) (off uint, now tunnel, ok bool) {
	off, header := uint(s.off), uint(s.header)
	switch s.kind {
	case fromEther:
		return t.ether + off, t, true
	case fromPayload:
		return t.payload + off, t, true
	}
	header += t.payload
	off += t.payload // that of the header of pf, where a tunnel is noted
	if s.kind != notes {
		if header >= uint(len(frame)) {
			return 0, t, false
		}
		off += uint(frame[header]&0x0f) * 4
	}
	if s.kind != behindIPv4Inside {
		t, ok = tunnelAt(frame, off)
		return off, t, ok
	}
	return off, t, true
}
