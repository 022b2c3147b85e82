package sources

import (
	"net/netip"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

var (
	a1 = netip.MustParseAddr("192.0.2.1")
	a2 = netip.MustParseAddr("2001:db8::2")
	a3 = netip.MustParseAddr("192.0.2.3")
	t0 = time.Unix(1700000000, 0)
)

func same(r int32) int32 { return r }

func results(u *table, s *Source) []int32 {
	var out []int32
	u.results(s, func(r int32) { out = append(out, r) })
	return out
}

func TestSourceIsOneCacheLine(t *testing.T) {
	if n := unsafe.Sizeof(Source{}); n != 64 {
		t.Errorf("%d bytes", n)
	}
}

func TestTableKeepsOrderAndSpan(t *testing.T) {
	u := newTable()
	u.add(a2, t0.Add(time.Second), 7, 22, 0)
	u.add(a1, time.Time{}, 1, 22, 0)
	u.add(a2, t0, 7, 22, 0)
	u.add(a2, t0.Add(time.Minute), 9, 22, 0)
	u.flush()
	if u.n != 2 || u.at(0).Addr() != a2 || u.at(1).Addr() != a1 {
		t.Fatalf("order: %v, %v", u.at(0).Addr(), u.at(1).Addr())
	}
	s := u.at(0)
	if s.syns != 3 || s.first != t0.UnixNano() || s.last != t0.Add(time.Minute).UnixNano() {
		t.Errorf("got %+v", s)
	}
	if d := cmp.Diff([]int32{7, 9}, results(u, s)); d != "" {
		t.Error(d)
	}
	if u.at(1).last != noTime || u.syns != 4 {
		t.Errorf("got %+v, %d SYNs", u.at(1), u.syns)
	}
}

// Splitting the input in two and merging gives the same result as one pass.
func TestMergeEqualsOnePass(t *testing.T) {
	adds := func(u *table, from, to int) {
		for i := from; i < to; i++ {
			u.add([]netip.Addr{a1, a2, a3}[i%3], t0.Add(time.Duration(i*37%100)*time.Second), int32(i%11), 22, 0)
		}
	}
	whole, left, right := newTable(), newTable(), newTable()
	adds(whole, 0, 500)
	adds(left, 0, 200)
	adds(right, 200, 500)
	left.merge(right, same)
	whole.flush()
	if left.syns != whole.syns || left.n != whole.n {
		t.Fatalf("got %d SYNs of %d sources", left.syns, left.n)
	}
	for i := range whole.n {
		w, l := whole.at(i), left.at(i)
		if w.key != l.key || w.first != l.first || w.last != l.last || w.syns != l.syns {
			t.Errorf("source %d: got %+v, want %+v", i, l, w)
		}
		if d := cmp.Diff(results(whole, w), results(left, l)); d != "" {
			t.Errorf("source %d: %s", i, d)
		}
	}
}

func TestTableIsBounded(t *testing.T) {
	u := newTable()
	for i := range MaxSources + 10 {
		u.add(netip.AddrFrom4([4]byte{byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)}), t0, 0, 22, 0)
	}
	u.flush()
	if u.n != MaxSources || u.dropped != 10 || u.syns != MaxSources+10 {
		t.Errorf("%d sources, %d dropped", u.n, u.dropped)
	}
}

func TestTableDoesNotAllocateForKnownSources(t *testing.T) {
	u := newTable()
	u.add(a1, t0, 1, 22, 0)
	u.add(a2, t0, 1, 22, 0)
	if n := testing.AllocsPerRun(100, func() { u.add(a1, t0, 1, 22, 0); u.add(a2, t0, 1, 22, 0) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The memory for a source that sends ever new kinds of SYN is bounded, and the results
// left out are counted, both in one pass and after a merge.
func TestResultsOfOneSourceAreBounded(t *testing.T) {
	const kinds = 3 * MaxResults
	u := newTable()
	for i := range int32(kinds) {
		u.add(a1, t0, i, 22, 0)
		u.add(a1, t0, min(i, MaxResults-1), 22, 0)
	}
	u.flush()
	if got := results(u, u.at(0)); len(got) != MaxResults || got[MaxResults-1] != MaxResults-1 {
		t.Errorf("%d results: %v", len(got), got)
	}
	if n := u.omitted(u.at(0)); n != kinds-MaxResults {
		t.Errorf("%d left out", n)
	}
	w := newTable()
	w.add(a1, t0, kinds, 22, 0)
	w.add(a2, t0, omittedResult, 22, 0)
	w.flush()
	u.merge(w, same)
	if n := u.omitted(u.at(0)); n != kinds-MaxResults+1 {
		t.Errorf("%d left out after the merge", n)
	}
	if n := u.omitted(u.at(1)); n != 1 || len(results(u, u.at(1))) != 0 {
		t.Errorf("%d left out of a source that has no results", n)
	}
}
