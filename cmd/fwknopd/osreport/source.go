package osreport

import (
	"math"
	"net/netip"
	"slices"
)

const (
	noTime        = math.MinInt64     // no later than any
	noResult      = math.MinInt32     // no signature matches, and the SYN is not shown
	omittedResult = math.MinInt32 + 1 // beyond maxUnknown kinds of SYN
)

// inlineResults is how many different results are stored in the source itself; most
// hosts send one or two kinds of SYN.
const inlineResults = 5

// Bounds on the results of sources that send ever new kinds of SYN: of one source,
// and of all sources beyond the inline ones. Results beyond them are only counted.
const (
	maxResults  = 1 << 10
	maxOverflow = 1 << 22
)

// overflow holds the results of a source beyond the inline ones.
type overflow struct {
	results []int32
	omitted uint32 // results left out
}

// A source holds what is known about one address. It fills one cache line and holds
// no pointer, as there may be very many.
type source struct {
	key         [16]byte // an IPv4 address in its mapped form
	first, last int64    // Unix ns by the records' clock; math.MaxInt64 and noTime if they have none
	syns        uint32
	n           uint8  // inline results
	overflow    uint32 // 1 + index in sourceTable.overflows, 0 if none
	results     [inlineResults]int32
}

func (s *source) addr() netip.Addr { return netip.AddrFrom16(s.key).Unmap() }

// addResult adds a result to s unless it has it.
func (t *sourceTable) addResult(s *source, result int32) {
	if result == omittedResult {
		t.overflowOf(s).omitted++
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
	f := t.overflowOf(s)
	switch {
	case slices.Contains(f.results, result):
	case len(f.results) < maxResults-inlineResults && t.overflowResults < maxOverflow:
		f.results = append(f.results, result)
		t.overflowResults++
	default:
		f.omitted++
	}
}

// overflowOf returns the overflow of s, creating it if needed.
func (t *sourceTable) overflowOf(s *source) *overflow {
	if s.overflow == 0 {
		t.overflows = append(t.overflows, overflow{})
		s.overflow = uint32(len(t.overflows))
	}
	return &t.overflows[s.overflow-1]
}

// results calls f with every result of s, in order of first appearance.
func (t *sourceTable) results(s *source, f func(result int32)) {
	for _, r := range s.results[:s.n] {
		f(r)
	}
	if s.overflow != 0 {
		for _, r := range t.overflows[s.overflow-1].results {
			f(r)
		}
	}
}

// omitted returns how many results of s were left out.
func (t *sourceTable) omitted(s *source) uint32 {
	if s.overflow == 0 {
		return 0
	}
	return t.overflows[s.overflow-1].omitted
}
