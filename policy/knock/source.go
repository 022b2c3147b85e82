package knock

import (
	"net/netip"
	"time"

	"fwknopd/parse"
	"fwknopd/policy/conf"
)

// knock is one packet under evaluation.
type knock struct {
	ev      *parse.Event
	addr    netip.Addr // source
	port    conf.Port
	now     time.Time
	at      time.Time // when it arrived; zero if unknown
	similar bool      // perhaps a copy: see packetID.compare
}

// source is the state of one address.
type source struct {
	last     time.Time // of the last packet that concerned an attempt
	recent   [maxRecent]packetID
	n        int       // written to recent, ever
	attempts []attempt // by stanza, ascending; those without progress are dropped after each packet
}

// attempt is the progress of one source in the sequence of one stanza.
type attempt struct {
	stanza      int32
	done        int  // knocks
	untimed     bool // one of them had no time
	first, prev time.Time
	text        [maxText]byte // of an encrypted sequence
}

// reset clears the progress, not the stanza.
func (a *attempt) reset() { a.done, a.untimed = 0, false }

// attempt returns the attempt at the stanza, adding it if there is none.
func (s *source) attempt(stanza int32) (_ *attempt, made bool) {
	i := len(s.attempts)
	for i > 0 && s.attempts[i-1].stanza >= stanza {
		i--
	}
	if i < len(s.attempts) && s.attempts[i].stanza == stanza {
		return &s.attempts[i], false
	}
	s.attempts = append(s.attempts, attempt{})
	copy(s.attempts[i+1:], s.attempts[i:])
	s.attempts[i] = attempt{stanza: stanza}
	return &s.attempts[i], true
}

// keptAttempts bounds the capacity for attempts that an entry of the table keeps when
// it is reused.
const keptAttempts = 1

// clear prepares the entry for another address.
func (s *source) clear() {
	room := s.attempts[:0]
	if cap(room) > keptAttempts {
		room = nil
	}
	s.attempts, s.n = room, 0
}

const (
	// maxRecent is the number of packets with which a new one is compared: the length
	// of the longest encrypted sequence, all of which a client may retransmit.
	maxRecent = maxText
	// maxResent bounds how far the identification of a retransmitted SYN may have
	// advanced: Linux counts per connection, others per peer.
	maxResent = 8
	// duplicateWindow is how long a copy is recognised: the time for which Linux
	// retransmits a SYN (tcp_syn_retries 6).
	duplicateWindow = 127 * time.Second
)

// compare compares k with the recent packets of its source.
func (s *source) compare(k *knock) similarity {
	if k.at.Sub(s.last) > duplicateWindow {
		s.n = 0
		return different
	}
	best, t := different, packetIDOf(k)
	for i := range min(s.n, maxRecent) {
		l := t.compare(&s.recent[i])
		if l == duplicate {
			s.recent[i].id = t.id
			return duplicate
		}
		best = max(best, l)
	}
	return best
}

// record adds k to the recent packets.
func (s *source) record(k *knock) {
	s.recent[s.n%maxRecent] = packetIDOf(k)
	s.n++
	if !k.untimed() {
		s.last = k.at
	}
}

// packetID identifies a packet as far as log lines do.
type packetID struct {
	port  conf.Port
	sport uint16 // ICMP: type and code
	id    uint16
	flags parse.TCPFlags // without ECE and CWR, which a retransmitted SYN may lack
}

func packetIDOf(k *knock) packetID {
	t := packetID{port: k.port, id: k.ev.ID}
	switch k.ev.Proto {
	case parse.ICMP, parse.ICMPv6:
		t.sport = uint16(k.ev.ICMPType)<<8 | uint16(k.ev.ICMPCode)
	case parse.TCP:
		t.flags = k.ev.Flags &^ (parse.ECE | parse.CWR)
		fallthrough
	default:
		t.sport = k.ev.Src.Port()
	}
	return t
}

// similarity is whether one packet is a copy of another.
type similarity uint8

const (
	different similarity = iota
	similar              // the same, but without an identification
	duplicate
)

// compare compares t with an earlier packet.
func (t *packetID) compare(earlier *packetID) similarity {
	switch {
	case t.port != earlier.port || t.sport != earlier.sport || t.flags != earlier.flags:
		return different
	case t.flags&(parse.SYN|parse.ACK) == parse.SYN && t.id-earlier.id <= maxResent:
		return duplicate
	case t.id != earlier.id:
		return different
	case t.id == 0:
		return similar
	}
	return duplicate
}

// untimed reports whether the time of k is unknown.
func (k *knock) untimed() bool { return k.at.IsZero() }
