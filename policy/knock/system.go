package knock

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"time"

	"fwknopd/fingerprint"
)

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
