package fingerprint

import (
	"fmt"
	"strings"

	"fwknopd/parse"
)

// fieldWeights say how much a difference tells: hops, middle boxes and the path
// change TTL, DF and size more readily than a system changes its options.
var fieldWeights = [fields]int{fieldWindow: 4, fieldTTL: 2, fieldDF: 2, fieldSize: 1, fieldOptions: 6, fieldQuirks: 1}

// Nearest returns the signature that comes closest to fitting ev, the first in
// report order of several, and where the two differ, as in "window 4321 instead
// of S44"; one whose TTL is below that of ev only if there is no other. It is meant for what nothing fits; of what some signature fits it
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

// differs reports whether s does not fit sig in one field.
func (s *syn) differs(sig *Signature, f field, maxHops int) bool {
	p := &sig.pattern
	switch f {
	case fieldWindow:
		return !p.window.fitsWindow(s)
	case fieldTTL:
		return !p.fitsTTL(s.ttl, maxHops)
	case fieldDF:
		return !p.fitsDF(s.df)
	case fieldSize:
		return !p.size.fits(s.size)
	case fieldOptions:
		return sig.layout != s.layout || !p.fitsEnd(s) || !p.fitsValues(s)
	default:
		return !p.fitsQuirks(s) || !p.fitsConditions(s)
	}
}

// tooLow outweighs all other differences: no way of a packet raises its TTL.
const tooLow = 1000

// distance is 0 if s fits sig.
func (s *syn) distance(sig *Signature, maxHops int) int {
	sum := 0
	if sig.pattern.ttl < s.ttl {
		sum = tooLow
	}
	for f := range fields {
		if s.differs(sig, f, maxHops) {
			sum += fieldWeights[f]
		}
	}
	if !sig.pattern.fitsConditions(s) { // without it the signature says nothing
		sum += fieldWeights[fieldOptions]
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
	seen[fieldTTL] = fmt.Sprint(s.ttl)
	want := strings.Split(sig.Text, ":")
	if len(want) == int(fieldQuirks) {
		want = append(want, "no !")
	}
	var list []string
	for f := range fields {
		if !s.differs(sig, f, maxHops) {
			continue
		}
		list = append(list, fmt.Sprintf("%s %s instead of %s", fieldNames[f], seen[f], want[f]))
	}
	return list
}
