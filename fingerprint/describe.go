package fingerprint

import (
	"fmt"
	"strconv"
	"strings"

	"fwknopd/parse"
)

// fieldWeights are the weights of a difference in each field: hops, middleboxes and the
// path change TTL, DF and size more readily than a system changes its options.
var fieldWeights = [fields]int{fieldWindow: 4, fieldTTL: 2, fieldDF: 2, fieldSize: 1, fieldOptions: 6, fieldQuirks: 1}

// Nearest returns the signature that comes closest to fitting ev, the first in report
// order of several, and the differences, as in "window 4321 instead of S44"; one whose
// TTL is below that of ev only if there is no other. It is meant for SYNs that no
// signature fits; for others it returns the one that fits and no differences, and nil
// if ev is not a SYN, its options are not known, or there are no signatures.
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

// ttlPenalty outweighs all other differences: no path raises a TTL.
const ttlPenalty = 1000

// distance is 0 if s fits sig.
func (s *syn) distance(sig *Signature, maxHops int) int {
	sum := 0
	if sig.pattern.ttl < s.ttl {
		sum = ttlPenalty
	}
	for f := range fields {
		if s.differs(sig, f, maxHops) {
			sum += fieldWeights[f]
		}
	}
	if !sig.pattern.fitsConditions(s) { // an unmet condition weighs as much as other options
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

// differences describes what distance counts.
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

// differs reports whether s does not fit sig in one field.
func (s *syn) differs(sig *Signature, f field, maxHops int) bool {
	return f == fieldOptions && sig.layout != s.layout || !sig.pattern.fits(f, s, maxHops)
}

// AppendSignature appends the SYN's own signature, of six fields, in the syntax of
// the file: numbers as seen, but a window that is a multiple of the MSS or of the
// MSS+40 is written so, and the TTL is the likely initial one. Loaded again, it
// fits that SYN, at a distance limit of [DefaultMaxHops] unless its TTL is too far from
// any that systems start with. It appends nothing if ev is not a SYN or its options are
// not known.
func AppendSignature(dst []byte, ev *parse.Event) []byte {
	if !isSYN(ev) || !ev.HasOptions {
		return dst
	}
	var s syn
	s.decode(ev)
	dst = s.appendWindow(dst)
	dst = append(dst, ':')
	dst = strconv.AppendUint(dst, uint64(initialTTL(s.ttl)), 10)
	dst = append(dst, ':', "01*"[s.df], ':')
	dst = strconv.AppendUint(dst, uint64(s.size), 10)
	dst = append(dst, ':')
	dst = s.appendOptions(dst)
	dst = append(dst, ':')
	return s.quirks.appendTo(dst)
}

func (s *syn) appendWindow(dst []byte) []byte {
	n := uint64(s.window)
	if mss := uint64(s.mss); mss != 0 && n != 0 {
		switch mtu := mss + mtuOverMSS; {
		case n%mss == 0:
			dst, n = append(dst, 'S'), n/mss
		case n%mtu == 0:
			dst, n = append(dst, 'T'), n/mtu
		}
	}
	return strconv.AppendUint(dst, n, 10)
}

// initialTTL returns the TTL that a packet most likely started with. A TTL of 1
// was set to stay on the link (BGP, traceroute).
func initialTTL(ttl uint8) uint8 {
	switch {
	case ttl <= 1:
		return 1
	case ttl <= 32:
		return 32
	case ttl <= 64:
		return 64
	case ttl <= 128:
		return 128
	default:
		return 255
	}
}

func (s *syn) appendOptions(dst []byte) []byte {
	start := len(dst)
	for i, kind := range s.layout.kind[:s.layout.n] {
		dst = s.appendOption(dst, kind, s.value[i])
		dst = append(dst, ',')
	}
	ends := s.tail
	if !s.zeroTail {
		ends = 1
	}
	for range ends {
		dst = append(dst, 'E', ',')
	}
	if len(dst) == start {
		return append(dst, '.')
	}
	return dst[:len(dst)-1]
}

func (s *syn) appendOption(dst []byte, kind uint8, value uint16) []byte {
	switch kind {
	case kindNOP:
		return append(dst, 'N')
	case kindSACKPermitted:
		return append(dst, 'S')
	case kindTimestamp:
		if value == 0 {
			return append(dst, 'T', '0')
		}
		return append(dst, 'T')
	case kindMSS:
		dst = append(dst, 'M')
	case kindScale:
		dst = append(dst, 'W')
	default:
		dst, value = append(dst, '?'), uint16(kind)
	}
	return strconv.AppendUint(dst, uint64(value), 10)
}
