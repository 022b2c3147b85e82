package sources

import (
	"math"
	"net/netip"
	"slices"
	"time"
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
	MaxResults  = 1 << 10
	maxOverflow = 1 << 22
)

// overflow holds the results of a source beyond the inline ones.
type overflow struct {
	results []int32
	omitted uint32 // results left out
}

// A Source holds what is known about one address, in one tunnel or outside of them. It fills one
// cache line and holds no pointer, as there may be very many.
type Source struct {
	key         [16]byte // an IPv4 address in its mapped form
	first, last int64    // Unix ns by the records' clock; math.MaxInt64 and noTime if they have none
	syns        uint32
	n           uint8  // inline results
	tunnel      uint16 // index in table.paths
	overflow    uint32 // 1 + index in table.overflows, 0 if none
	results     [inlineResults]int32
}

// Addr returns the address.
func (s *Source) Addr() netip.Addr { return netip.AddrFrom16(s.key).Unmap() }

// is reports whether s is the source with an address, in a tunnel.
func (s *Source) is(key [16]byte, tunnel uint16) bool { return s.key == key && s.tunnel == tunnel }

// SYNs returns how many SYNs came from it.
func (s *Source) SYNs() uint32 { return s.syns }

// Seen returns the times of its first and its last record by time, in UTC; ok is false if none
// has one.
func (s *Source) Seen() (first, last time.Time, ok bool) {
	if s.last == noTime {
		return first, last, false
	}
	return time.Unix(0, s.first).UTC(), time.Unix(0, s.last).UTC(), true
}

// seen notes a record at a time, in Unix ns or noTime.
func (s *Source) seen(at int64) {
	if at != noTime {
		s.first, s.last = min(s.first, at), max(s.last, at)
	}
}

// addResult adds a result to s unless it has it.
func (t *table) addResult(s *Source, result int32) {
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
	case len(f.results) < MaxResults-inlineResults && t.overflowResults < maxOverflow:
		f.results = append(f.results, result)
		t.overflowResults++
	default:
		f.omitted++
	}
}

// overflowOf returns the overflow of s, creating it if needed.
func (t *table) overflowOf(s *Source) *overflow {
	if s.overflow == 0 {
		t.overflows = append(t.overflows, overflow{})
		s.overflow = uint32(len(t.overflows))
	}
	return &t.overflows[s.overflow-1]
}

// results calls f with every result of s, in order of first appearance.
func (t *table) results(s *Source, f func(result int32)) {
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
func (t *table) omitted(s *Source) uint32 {
	if s.overflow == 0 {
		return 0
	}
	return t.overflows[s.overflow-1].omitted
}
