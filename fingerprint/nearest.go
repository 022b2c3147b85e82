package fingerprint

import (
	"fmt"
	"strings"

	"fwknopd/parse"
)

// aspect is one field of a signature.
type aspect uint8

const (
	aspectWindow aspect = iota
	aspectTTL
	aspectDF
	aspectSize
	aspectOptions
	aspectQuirks
	aspects
)

var aspectNames = [aspects]string{"window", "ttl", "df", "size", "options", "quirks"}

// aspectWeights say how much a difference tells: hops, middle boxes and the path
// change TTL, DF and size more readily than a system changes its options.
var aspectWeights = [aspects]int{aspectWindow: 4, aspectTTL: 2, aspectDF: 2, aspectSize: 1, aspectOptions: 6, aspectQuirks: 1}

// Nearest returns the signature that comes closest to fitting ev, the first in
// report order of several, and where the two differ, as in "window 4321 instead
// of S44". It is meant for what nothing fits; of what some signature fits it
// returns that one and no differences, and nil if ev is not a SYN, its options are
// not known, or there are no signatures.
func (m *Matcher) Nearest(ev *parse.Event) (*Signature, []string) {
	if !isSYN(ev) || !ev.HasOptions || len(m.set.sigs) == 0 {
		return nil, nil
	}
	s := &m.syn
	s.decode(ev)
	best, least := 0, s.distance(&m.set.sigs[0], m.maxHops)
	for i := range m.set.sigs {
		if d := s.distance(&m.set.sigs[i], m.maxHops); d < least {
			best, least = i, d
		}
	}
	sig := &m.set.sigs[best]
	return sig, s.differences(sig, m.maxHops, ev)
}

// differs reports whether s does not fit sig in one aspect.
func (s *syn) differs(sig *Signature, a aspect, maxHops int) bool {
	p := &sig.pattern
	switch a {
	case aspectWindow:
		return !p.window.fitsWindow(s)
	case aspectTTL:
		return !p.fitsTTL(s.ttl, maxHops)
	case aspectDF:
		return !p.fitsDF(s.df)
	case aspectSize:
		return !p.size.fits(s.size)
	case aspectOptions:
		return sig.layout != s.layout || !p.fitsEnd(s) || !p.fitsValues(s)
	default:
		return !p.fitsQuirks(s)
	}
}

// distance is 0 if s fits sig.
func (s *syn) distance(sig *Signature, maxHops int) int {
	sum := 0
	for a := range aspects {
		if s.differs(sig, a, maxHops) {
			sum += aspectWeights[a]
		}
	}
	return sum + s.editDistance(sig)
}

// editDistance counts the places in which the layouts differ.
func (s *syn) editDistance(sig *Signature) int {
	a, b := s.layout.kind[:s.layout.n], sig.layout.kind[:sig.layout.n]
	if len(a) > len(b) {
		a, b = b, a
	}
	sum := len(b) - len(a)
	for i := range a {
		if a[i] != b[i] {
			sum++
		}
	}
	return sum
}

// differences words what distance counts.
func (s *syn) differences(sig *Signature, maxHops int, ev *parse.Event) []string {
	seen := strings.Split(string(AppendSignature(nil, ev)), ":")
	seen[aspectTTL] = fmt.Sprint(s.ttl)
	want := strings.Split(sig.Text, ":")
	if len(want) == int(aspectQuirks) {
		want = append(want, "no !")
	}
	var list []string
	for a := range aspects {
		if !s.differs(sig, a, maxHops) {
			continue
		}
		list = append(list, fmt.Sprintf("%s %s instead of %s", aspectNames[a], seen[a], want[a]))
	}
	return list
}
