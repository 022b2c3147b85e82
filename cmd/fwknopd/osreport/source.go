package osreport

import (
	"math"
	"net/netip"
	"slices"
)

const (
	noTime   = math.MinInt64
	noResult = math.MinInt32 // nothing fits, and nobody asked what it was
)

// inlineResults is how many different results a source holds in place; most hosts
// send one or two kinds of SYN.
const inlineResults = 5

// maxResults bounds what is remembered of a source that sends ever new kinds of
// SYN: a scanner, or somebody who wants our memory.
const maxResults = 64

// A source is what one address showed. It fills one cache line and holds no
// pointer: there may be very many.
type source struct {
	key         [16]byte // an IPv4 address in its mapped form
	first, last int64    // Unix ns by the records' clock, noTime if they have none
	syns        uint32
	n           uint8  // results in place
	more        uint32 // 1 + place of further results in tally.more, 0 if none
	results     [inlineResults]int32
}

func (s *source) addr() netip.Addr { return netip.AddrFrom16(s.key).Unmap() }

// seen widens the span of time.
func (s *source) seen(first, last int64) {
	if s.first == noTime || first < s.first {
		s.first = first
	}
	if last > s.last {
		s.last = last
	}
}

// note remembers a result of s once.
func (t *tally) note(s *source, result int32) {
	for _, r := range s.results[:s.n] {
		if r == result {
			return
		}
	}
	if s.n < inlineResults {
		s.results[s.n] = result
		s.n++
		return
	}
	if s.more == 0 {
		t.more = append(t.more, nil)
		s.more = uint32(len(t.more))
	}
	more := &t.more[s.more-1]
	if len(*more) < maxResults-inlineResults && !slices.Contains(*more, result) {
		*more = append(*more, result)
	}
}

// results calls f with every result of s, in order of first appearance.
func (t *tally) results(s *source, f func(result int32)) {
	for _, r := range s.results[:s.n] {
		f(r)
	}
	if s.more != 0 {
		for _, r := range t.more[s.more-1] {
			f(r)
		}
	}
}
