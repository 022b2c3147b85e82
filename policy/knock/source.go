package knock

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"time"

	"fwknopd/fingerprint"
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

// systems has the fingerprints of the SYNs of recent sources, in a set-associative
// table of fixed size: within a set the oldest entry is replaced.
type systems [systemSets][systemWays]system

const (
	systemBits = 12
	systemSets = 1 << systemBits
	systemWays = 4
	// systemLife replaces KNOCK_INTERVAL where that is unlimited.
	systemLife = time.Minute
)

// system is one kind of SYN of one source.
type system struct {
	src netip.Addr
	id  fingerprint.ID // above Unmatched in every entry in use
	at  time.Time      // of the last one
}

// checkSystem checks the requirement of the stanza against the SYNs that k's source sent
// within the last KNOCK_INTERVAL. got are the labels of the systems recognised.
func (t *Tracker) checkSystem(s *stanza, k *knock) (got string, ok bool) {
	if !s.WantsSystem() {
		return "", true
	}
	if t.systems == nil {
		return "", false
	}
	life := s.KnockInterval
	if life <= 0 {
		life = systemLife
	}
	var labels []string
	for _, e := range t.systems.of(k.addr) {
		if age := k.at.Sub(e.at); e.src != k.addr || age < 0 || age > life {
			continue
		}
		for _, sig := range t.opt.Matcher.Result(e.id) {
			if s.acceptsSystem(sig.Label) {
				return sig.Label, true
			}
			labels = append(labels, sig.Label)
		}
	}
	return join(labels), false
}

// requirement returns the requirement, for messages.
func requirement(s *stanza) string {
	if s.RequireOS != "" {
		return s.RequireOS
	}
	return s.RequireOSRegex.String()
}

// acceptsSystem compares a label with both requirements; the stanza has one at
// least.
func (s *stanza) acceptsSystem(label string) bool {
	if s.RequireOS != "" && strings.TrimRight(label, " \t") != s.RequireOS {
		return false
	}
	return s.RequireOSRegex == nil || s.RequireOSRegex.MatchString(label)
}

func join(names []string) string { return strings.Join(names, ", ") }

// record records the fingerprint of k, if it is a SYN that has one.
func (t *systems) record(m *fingerprint.Matcher, k *knock) {
	id := m.MatchID(k.ev)
	if id <= fingerprint.Unmatched || k.untimed() {
		return
	}
	set := t.of(k.addr)
	place := &set[0]
	for i := range set {
		if set[i].src == k.addr && set[i].id == id {
			set[i].at = k.at
			return
		}
		if set[i].at.Before(place.at) {
			place = &set[i]
		}
	}
	*place = system{src: k.addr, id: id, at: k.at}
}

// of returns the set that addr belongs to.
func (t *systems) of(addr netip.Addr) *[systemWays]system {
	b := addr.As16()
	h := binary.LittleEndian.Uint64(b[:8]) ^ binary.LittleEndian.Uint64(b[8:])
	return &t[h*0x9e3779b97f4a7c15>>(64-systemBits)] // the last octet is in the upper bits alone
}

// untimed reports whether the time of k is unknown.
func (k *knock) untimed() bool { return k.at.IsZero() }
