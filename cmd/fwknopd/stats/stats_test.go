package stats

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/cmd/fwknopd/sources"
	"fwknopd/fingerprint"
	"fwknopd/fixtures/short"
	"fwknopd/ingest"
	"fwknopd/parse"
	"fwknopd/policy"
)

var t0 = time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)

func newStats() *Stats {
	return New(fingerprint.NewMatcher(fingerprint.Default(), fingerprint.DefaultMaxHops), sources.Storage{})
}

// summaryOf ends the counting and returns all that is known.
func summaryOf(s *Stats, about About) *Summary {
	if err := s.Finish(); err != nil {
		panic(err)
	}
	return s.Summary(about, Full)
}

// linuxOptions are those of a SYN of Linux, MSS 1460, window scale 7.
var linuxOptions = []byte{2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7}

// oddWindow is that of SYNs which no signature fits.
const oddWindow = 12345

// syn returns a SYN of a source, one of Linux if the window is 64240.
func syn(src netip.Addr, at time.Time, port, window uint16) *parse.Event {
	ev := &parse.Event{Time: at, Src: netip.AddrPortFrom(src, 40000), Dst: netip.AddrPortFrom(netip.MustParseAddr("198.51.100.1"), port),
		Proto: parse.TCP, Len: 60, TTL: 55, DF: true, ID: 7, Flags: parse.SYN, Window: window}
	if ev.SetOptions(linuxOptions); window == oddWindow {
		ev.SetOptions([]byte{99, 4, 0, 0, 1, 1, 99, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1})
	}
	return ev
}

func source(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

// traffic returns packets of a hundred sources over an hour.
func traffic(n int) (list []*parse.Event) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		ev := syn(source(r.IntN(100)), t0.Add(time.Duration(i)*time.Hour/time.Duration(n)), []uint16{22, 80, 443}[r.IntN(3)], []uint16{64240, 64240, oddWindow}[r.IntN(3)])
		switch r.IntN(4) {
		case 0:
			ev.Proto, ev.Flags = parse.UDP, 0
		case 1:
			ev.Time = time.Time{}
		}
		list = append(list, ev)
	}
	return list
}

// Parts that are merged give what one reader does.
func TestMergeEqualsOnePass(t *testing.T) {
	whole, parts := newStats(), []*Stats{newStats(), newStats(), newStats()}
	all := traffic(30_000)
	for i, ev := range all {
		whole.Event(ev)
		parts[i*3/len(all)].Event(ev)
	}
	parts[0].Merge(parts[1])
	parts[0].Merge(parts[2])
	want, got := summaryOf(whole, About{}), summaryOf(parts[0], About{})
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if len(want.Sources.Shown) != 100 || want.Accounting.SYNs == 0 || len(want.Unknown.Shown) != 1 || len(want.Systems) != 2 || want.Accounting.Untimed == 0 {
		t.Errorf("%d sources, %d SYNs, %d unknown, %d systems, %d without a time", len(want.Sources.Shown), want.Accounting.SYNs,
			len(want.Unknown.Shown), len(want.Systems), want.Accounting.Untimed)
	}
}

// Every event with a time is in the timeline, however wide its buckets are; these are no more
// than there may be, and parts of different width can be merged.
func TestTimelineWidens(t *testing.T) {
	for _, step := range []time.Duration{time.Second, time.Minute, 7 * time.Hour, 90 * 24 * time.Hour} {
		whole, left, right := newTimeline(), newTimeline(), newTimeline()
		const n = 5000
		for i := range n {
			at := t0.Add(time.Duration(i) * step)
			whole.event(at, i%2 == 0)
			if i < 100 {
				left.event(at, i%2 == 0)
			} else {
				right.event(at, i%2 == 0)
			}
		}
		left.merge(&right)
		got, merged := whole.summary(), left.summary()
		if d := cmp.Diff(got, merged); d != "" {
			t.Errorf("%v: %s", step, d)
		}
		events, syns := uint64(0), uint64(0)
		for _, b := range got.Buckets {
			events, syns = events+b.Events, syns+b.SYNs
		}
		out := whole.untimed
		if events+out != n || syns > events || len(got.Buckets) > maxBuckets || len(got.Buckets) < maxBuckets/8 {
			t.Errorf("%v: %d events and %d without a time in %d buckets of %v", step, events, out, len(got.Buckets), got.Width)
		}
	}
}

// A single wrong stamp does not make the buckets of the others wide.
func TestTimelineBearsWrongStamps(t *testing.T) {
	line := newTimeline()
	line.event(t0.AddDate(-30, 0, 0), false)
	line.event(t0.AddDate(5000, 0, 0), false)
	for i := range 600 {
		line.event(t0.Add(time.Duration(i)*time.Second), false)
	}
	if got := line.summary(); got.Width != time.Second || len(got.Buckets) != 602 {
		t.Errorf("%d buckets of %v", len(got.Buckets), got.Width)
	}
}

// Captures can hold times that JSON cannot name.
func TestAttackStampsBeyondRFC3339(t *testing.T) {
	s := newStats()
	for _, sec := range []int64{1 << 62, lastSecond + 1, lastSecond, -1 << 62, 0} {
		s.Event(syn(source(1), time.Unix(sec, 0), 22, 64240))
		s.Decision(&report.Entry{Time: time.Unix(sec, 0), Verdict: report.Refused, Reason: policy.SPAStale, Mode: policy.ModeKnock, Src: netip.AddrPortFrom(source(1), 1)})
	}
	sum := summaryOf(s, About{})
	if _, err := json.Marshal(sum); err != nil {
		t.Error(err)
	}
	if sum.Accounting.Untimed != 4 {
		t.Errorf("%d without a time", sum.Accounting.Untimed)
	}
}

// What is forged takes no more memory than there are bounds.
func TestAttackSummaryIsBounded(t *testing.T) {
	short.Skip(t)
	s := newStats()
	const many = 1_000_000
	for i := range many {
		ev := syn(source(i), t0.Add(time.Duration(i)*time.Hour), uint16(i), uint16(i))
		s.Event(ev)
	}
	for i := range 3 * maxGrants {
		e := entry(report.Granted, source(i), t0, time.Minute)
		e.Mode = policy.ModeKnock
		s.Decision(e)
		s.Logged(&report.Logged{V: 1, Type: "decision", Verdict: report.Refused, Reason: policy.Reason(fmt.Sprint("r", i)), Src: source(i).String()})
	}
	if len(s.timeline.buckets) > maxBuckets || len(s.ports.pairs.keys) > 2*maxPairs || len(s.knocks.kinds) > maxKnocks ||
		len(s.grants.rows) > maxGrants || len(s.grants.open) > maxGrants || len(s.decisions.kinds) > maxReasons {
		t.Errorf("%d buckets, %d pairs, %d knocks, %d grants (%d open), %d reasons", len(s.timeline.buckets), len(s.ports.pairs.keys),
			len(s.knocks.kinds), len(s.grants.rows), len(s.grants.open), len(s.decisions.kinds))
	}
	sum := summaryOf(s, About{})
	if !sum.Sources.AtLeast || !sum.Knocks.AtLeast || sum.Grants.Total != 3*maxGrants || len(sum.Notes) < 5 {
		t.Errorf("sources %v, knocks %v, %d grants, notes %q", sum.Sources.AtLeast, sum.Knocks.AtLeast, sum.Grants.Total, sum.Notes)
	}
}

// Above the bound, sources by port are estimates that are near.
func TestSourcesByPortAreEstimated(t *testing.T) {
	left, right := pairs{seed: pairSeed}, pairs{seed: pairSeed}
	const n = 400_000
	for i := range n {
		p := &left
		if i%2 == 1 {
			p = &right
		}
		p.add(source(i), 22)
		p.add(source(i%(n/10)), 80)
	}
	left.merge(&right)
	got := left.sources()
	for place, want := range map[int]float64{22: n, 80: n / 10} {
		if off := float64(got[place])/want - 1; off < -0.15 || off > 0.15 {
			t.Errorf("port %d: %d sources, want about %.0f", place, got[place], want)
		}
	}
	if !left.estimated() || left.n > maxPairs {
		t.Errorf("estimated: %v, %d pairs", left.estimated(), left.n)
	}
}

func TestEventDoesNotAllocate(t *testing.T) {
	s := newStats()
	events := traffic(1000)
	count := func() {
		for _, ev := range events {
			s.Event(ev)
		}
	}
	count()
	if n := testing.AllocsPerRun(20, count); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkEvent(b *testing.B) {
	s := newStats()
	events := traffic(50_000)
	for i := range events {
		events[i].Src = netip.AddrPortFrom(source(i), 1)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Event(events[i%len(events)])
	}
}

// An event of what is no packet counts as nothing.
func TestEventWithoutSource(t *testing.T) {
	s := newStats()
	s.Event(&parse.Event{Time: t0})
	if sum := summaryOf(s, About{Counts: ingest.Counts{Records: 1, Events: 1}}); len(sum.Timeline.Buckets)+len(sum.Ports.Shown) != 0 {
		t.Errorf("got %+v", sum)
	}
}

// The lines of unknown SYNs are those of a signature file.
func TestUnknownLinesLoad(t *testing.T) {
	list := []Unknown{
		{Signature: "512:64:0:44:M*:P", SYNs: 1, Sources: 1, Nearest: "512:64:0:44:M*:. a\x1b[31m\nb", Differs: "quirks"},
		{Signature: "512:64:0:44:M*", SYNs: 2, Sources: 1},
	}
	set, err := fingerprint.Load("pasted", AppendUnknown(nil, list))
	if err != nil || set.Len() != len(list) {
		t.Fatalf("%v, %v", set, err)
	}
	if got := set.At(0).Label; got != "unknown:::seen by fwknopd" {
		t.Errorf("label %q", got)
	}
}
