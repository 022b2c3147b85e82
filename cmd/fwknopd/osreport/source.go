package osreport

import (
	"math"
	"net/netip"
	"slices"
)

const (
	noTime   = math.MinInt64
	noResult = math.MinInt32     // nothing fits, and what it was is not shown
	leftOut  = math.MinInt32 + 1 // one kind of SYN too many to be told apart
)

// inlineResults is how many different results a source holds in place; most hosts
// send one or two kinds of SYN.
const inlineResults = 5

// Bounds on what is remembered of sources that send ever new kinds of SYN: so many
// of one source, and so many of all beyond those in place. What does not fit is
// counted.
const (
	maxResults = 1 << 10
	maxFurther = 1 << 22
)

// further is what a source showed beyond the results in place.
type further struct {
	results []int32
	left    uint32 // findings left out
}

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
	if result == leftOut {
		t.further(s).left++
		return
	}
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
	f := t.further(s)
	switch {
	case slices.Contains(f.results, result):
	case len(f.results) < maxResults-inlineResults && t.held < maxFurther:
		f.results = append(f.results, result)
		t.held++
	default:
		f.left++
	}
}

// further returns the place for what does not fit into s.
func (t *tally) further(s *source) *further {
	if s.more == 0 {
		t.more = append(t.more, further{})
		s.more = uint32(len(t.more))
	}
	return &t.more[s.more-1]
}

// results calls f with every result of s, in order of first appearance.
func (t *tally) results(s *source, f func(result int32)) {
	for _, r := range s.results[:s.n] {
		f(r)
	}
	if s.more != 0 {
		for _, r := range t.more[s.more-1].results {
			f(r)
		}
	}
}

// left returns how many findings of s were left out.
func (t *tally) left(s *source) uint32 {
	if s.more == 0 {
		return 0
	}
	return t.more[s.more-1].left
}
