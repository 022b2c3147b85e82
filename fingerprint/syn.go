package fingerprint

import (
	"encoding/binary"

	"fwknopd/parse"
)

// header is the part of a SYN outside its options that signatures test.
type header struct {
	window, size uint16
	ttl          uint8
	df           bit
	quirks       quirks
	known        quirks // those that the record can show
}

// syn is all of a SYN that signatures test.
type syn struct {
	header
	event  *parse.Event // decoded from it; for conditions
	mss    uint16       // 0 if it has none; of several, the last
	layout layout
	// value holds, by place in the layout, an MSS, a window scale, or for a time
	// stamp whether it is 0 or 1 for anything else.
	value    [parse.MaxOptions]uint16
	tail     uint8 // bytes from the end-of-list option on
	zeroTail bool  // which are all zero
	padded   bool  // and no more than it takes to fill a header word
}

// isSYN reports whether ev opens a connection and is no fragment.
func isSYN(ev *parse.Event) bool {
	const judged = parse.SYN | parse.ACK | parse.RST | parse.FIN
	return ev.Proto == parse.TCP && ev.Flags&judged == parse.SYN && !ev.Fragment
}

// decode fills s from a SYN whose options are known.
func (s *syn) decode(ev *parse.Event) {
	s.layout = layout{}
	s.event = ev
	s.header.decode(ev)
	s.mss = 0
	s.tail, s.zeroTail, s.padded = 0, true, true
	b := ev.Options()
	for i := 0; i < len(b); {
		n := optionLen(b[i:])
		switch {
		case n == 0:
			s.quirks |= quirkBroken
			return
		case b[i] == kindEnd:
			s.endOfList(b, i)
			return
		}
		s.addOption(b[i : i+n])
		i += n
	}
}

// ipv6HeaderExcess is the difference between the fixed headers of IPv6 and IPv4.
const ipv6HeaderExcess = 20

// decode fills in h, all of it: of the quirks those outside the options.
func (h *header) decode(ev *parse.Event) {
	h.window, h.size, h.ttl, h.df = ev.Window, ev.Len, ev.TTL, bitClear
	h.quirks, h.known = 0, ^quirks(0)
	switch {
	case ev.Src.Addr().Is6():
		h.size -= min(ipv6HeaderExcess, h.size)
		h.df = bitAny
		h.known &^= quirkZeroID | quirkIPOptions | quirkData
	case ev.DF:
		h.df = bitSet
	}
	if ev.ID == 0 {
		h.quirks |= quirkZeroID
	}
	switch more := exceedsHeaders(ev); {
	case ev.IPOptions: // whose length is not recorded
		h.quirks |= quirkIPOptions
		h.known &^= quirkData
	case more && ev.Origin == parse.OriginFrame:
		h.quirks |= quirkData
	case more: // a log need not mention IP options
		h.known &^= quirkIPOptions | quirkData
	}
	if ev.Urgent != 0 {
		h.quirks |= quirkUrgent
	}
	if ev.Reserved != 0 {
		h.quirks |= quirkReserved
	}
	if ev.Flags&(parse.PSH|parse.URG) != 0 {
		h.quirks |= quirkFlags
	}
	if ev.HasSeq {
		h.quirks |= seqQuirks(ev)
	} else {
		h.known &^= quirkAck | quirkSeqAck | quirkZeroSeq
	}
	h.quirks &= h.known
}

// exceedsHeaders reports whether an IPv4 packet is longer than its fixed headers and its TCP
// options.
func exceedsHeaders(ev *parse.Event) bool { return int(ev.Len) > 40+(len(ev.Options())+3)&^3 }

func seqQuirks(ev *parse.Event) (set quirks) {
	if ev.Ack != 0 {
		set |= quirkAck
	}
	if ev.Seq == ev.Ack {
		set |= quirkSeqAck
	}
	if ev.Seq == 0 {
		set |= quirkZeroSeq
	}
	return set
}

// optionLen returns the length of the option at the start of b, 0 if it is broken.
func optionLen(b []byte) int {
	want := 0
	switch b[0] {
	case kindEnd, kindNOP:
		return 1
	case kindMSS:
		want = 4
	case kindScale:
		want = 3
	case kindSACKPermitted:
		want = 2
	case kindTimestamp:
		want = 10
	}
	if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) || want != 0 && int(b[1]) != want {
		return 0
	}
	return int(b[1])
}

// addOption appends one option of sound length to the layout.
func (s *syn) addOption(b []byte) {
	at := s.layout.n
	s.layout.kind[at] = b[0]
	s.layout.n++
	switch b[0] {
	case kindMSS:
		s.mss = binary.BigEndian.Uint16(b[2:])
		s.value[at] = s.mss
	case kindScale:
		s.value[at] = uint16(b[2])
	case kindTimestamp:
		s.value[at] = 0
		if binary.BigEndian.Uint32(b[2:]) != 0 {
			s.value[at] = 1
		}
		if binary.BigEndian.Uint32(b[6:]) != 0 {
			s.quirks |= quirkEcho
		}
	}
}

// endOfList records what follows from the end-of-list option at b[i] on.
func (s *syn) endOfList(b []byte, i int) {
	s.tail = uint8(len(b) - i)
	for _, c := range b[i:] {
		s.zeroTail = s.zeroTail && c == 0
	}
	s.padded = s.zeroTail && len(b) <= (i+3)&^3
	if s.tail > 1 {
		s.quirks |= quirkPastEnd
	}
}
