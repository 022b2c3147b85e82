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
	ev    *parse.Event
	addr  netip.Addr // source
	port  conf.Port
	now   time.Time
	at    time.Time // when it came; zero if nothing says
	alike bool      // perhaps a copy: see trace.repeats
}

// untimed reports that nothing says when k came.
func (k *knock) untimed() bool { return k.at.IsZero() }

// source is what is remembered of one address.
type source struct {
	last     time.Time // of the last packet that concerned an attempt
	traces   [maxTraces]trace
	n        int       // traces written, ever
	attempts []attempt // by stanza, ascending; those at rest are dropped after each packet
}

// attempt is a sequence in the making: of a shared one, how far it got; of an
// encrypted one, the bytes so far.
type attempt struct {
	stanza      int32
	done        int  // knocks
	untimed     bool // one of them had no time
	first, prev time.Time
	text        [maxText]byte
}

// reset forgets the progress, not the stanza.
func (a *attempt) reset() { a.done, a.untimed = 0, false }

// attempt returns the place of the stanza's attempt, made if need be.
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

// keptAttempts is the most room for attempts that a place in the table keeps for
// its next tenant.
const keptAttempts = 1

// clear makes the place ready for another address.
func (s *source) clear() {
	room := s.attempts[:0]
	if cap(room) > keptAttempts {
		room = nil
	}
	s.attempts, s.n = room, 0
}

const (
	// maxTraces is how many packets back a copy is recognised: as many as the
	// longest encrypted sequence has. A client that does not wait for answers may
	// have all of them outstanding.
	maxTraces = maxText
	// maxResent bounds how far the identification may have advanced: Linux counts
	// per connection, others per peer.
	maxResent = 8
	// traceLife is how long a copy is recognised: the time that Linux goes on
	// sending a SYN again (tcp_syn_retries 6).
	traceLife = 127 * time.Second
)

// seen says whether k was recorded before.
func (s *source) seen(k *knock) likeness {
	if k.at.Sub(s.last) > traceLife {
		s.n = 0
		return other
	}
	best, t := other, traceOf(k)
	for i := range min(s.n, maxTraces) {
		l := t.repeats(&s.traces[i])
		if l == copied {
			s.traces[i].id = t.id
			return copied
		}
		best = max(best, l)
	}
	return best
}

// record makes k one of those that a copy is compared with.
func (s *source) record(k *knock) {
	s.traces[s.n%maxTraces] = traceOf(k)
	s.n++
	if !k.untimed() {
		s.last = k.at
	}
}

// trace is what tells a copy of a packet from another packet. TCP's sequence
// number is not part of it: most log lines lack it, and a log and a capture of the
// same packets must lead to the same decisions.
type trace struct {
	port  conf.Port
	sport uint16 // ICMP: type and code
	id    uint16
	flags parse.TCPFlags // without ECE and CWR, which a SYN sent again may drop
}

func traceOf(k *knock) trace {
	t := trace{port: k.port, id: k.ev.ID}
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

// likeness is how sure it is that one packet is a copy of another.
type likeness uint8

const (
	other likeness = iota
	alike          // all there is to compare agrees, but it identifies nothing
	copied
)

// repeats compares t with an earlier packet.
func (t *trace) repeats(earlier *trace) likeness {
	switch {
	case t.port != earlier.port || t.sport != earlier.sport || t.flags != earlier.flags:
		return other
	case t.flags&(parse.SYN|parse.ACK) == parse.SYN && t.id-earlier.id <= maxResent:
		return copied
	case t.id != earlier.id:
		return other
	case t.id == 0:
		return alike
	}
	return copied
}

// systems remembers what the SYNs of recent sources looked like, in a table of
// fixed size. Sources that share a set push each other out, the oldest first.
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

// note records the fingerprint of k, if it is a SYN that has one.
func (t *systems) note(m *fingerprint.Matcher, k *knock) {
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

// system checks the stanza's requirement against the SYNs that k's source sent
// within the last KNOCK_INTERVAL. got are the systems it could have been, "" if
// none was recognised.
func (t *Tracker) system(s *stanza, k *knock) (got string, ok bool) {
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

// wanted is the requirement, for messages.
func wanted(s *stanza) string {
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
