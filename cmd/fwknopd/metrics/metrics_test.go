package metrics

import (
	"fmt"
	"math"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
	"fwknopd/fixtures/golden"
	"fwknopd/fixtures/netlab"
	"fwknopd/policy"
)

var readings = Readings{
	Version: `2.0"\` + "\n", GoVersion: "go1.26", Backend: "nftables", Fleet: true, Quorum: true, Firewall: 3, External: 1, Restarts: 2,
	Loaded: time.UnixMilli(1_795_000_000_250), Started: time.UnixMilli(1_795_000_000_000), CPU: 1500 * time.Millisecond, Resident: 30 << 20,
}

// busy returns a Set in which something of each kind was counted.
func busy() *Set {
	s := NewSet()
	s.Configured([]string{"PCAP eth0", "KNOCK /var/log/a\"b\xff"})
	s.Decided(&policy.Decision{Verdict: policy.Allow, Reason: policy.SPAGranted})
	s.Decided(&policy.Decision{Verdict: policy.Allow, Reason: policy.KnockGranted, Shadow: true})
	s.Decided(&policy.Decision{Verdict: policy.Deny, Reason: policy.SPAReplay})
	s.Ended(30 * time.Second)
	s.Ended(48 * time.Hour)
	s.Changed(1700 * time.Microsecond)
	s.Repaired(2)
	s.Cut(enforce.Connections{Open: 1, Ended: 4, Cut: 2})
	s.Decided(&policy.Decision{Verdict: policy.Allow, Reason: policy.SPAGranted, Degraded: true})
	claims := report.Claims{}
	claims.Count(700*time.Microsecond, true, false)
	claims.Count(time.Millisecond, false, true)
	claims.Count(1200*time.Millisecond, false, false)
	s.Said(&report.State{Seen: 17, Claims: claims, Group: report.Announced{Sent: 5, Granted: 3, Refused: 2, Dropped: 1}, Unlogged: []report.ReasonCount{{Reason: policy.SPAHMACMismatch, Count: 5}},
		Sources: []report.SourceState{{Name: "PCAP eth0", Records: 10, Events: 7, NotOurs: 2, Malformed: 1, Lost: 4, Lag: 1250 * time.Millisecond}}})
	return s
}

func text(s *Set) string { return string(s.AppendText(nil, &readings)) }

// value returns the value of a series.
func value(t *testing.T, s *Set, series string) string {
	t.Helper()
	for line := range strings.Lines(text(s)) {
		if rest, ok := strings.CutPrefix(line, series+" "); ok {
			return strings.TrimSpace(rest)
		}
	}
	t.Fatalf("no series %s", series)
	return ""
}

func wants(t *testing.T, s *Set, want map[string]string) {
	t.Helper()
	for series, n := range want {
		if got := value(t, s, series); got != n {
			t.Errorf("%s is %s, want %s", series, got, n)
		}
	}
}

func TestText(t *testing.T) { golden.Compare(t, "testdata/metrics.golden", []byte(text(busy()))) }

// The text satisfies the linter of Prometheus.
func TestPromtool(t *testing.T) {
	if _, err := exec.LookPath("promtool"); err != nil {
		netlab.SkipOrFail(t, err.Error())
	}
	for name, s := range map[string]*Set{"empty": NewSet(), "busy": busy()} {
		cmd := exec.Command("promtool", "check", "metrics")
		cmd.Stdin = strings.NewReader(text(s))
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// Every metric has a HELP and a TYPE, and every reason a series for each of its verdicts,
// from the start. No label is other than of the lists.
func TestSeriesFromTheStart(t *testing.T) {
	empty := text(NewSet())
	for _, f := range Families() {
		if !strings.Contains(empty, "# HELP "+f.Name+" ") || !strings.Contains(empty, fmt.Sprintf("# TYPE %s %s\n", f.Name, f.Kind)) || strings.HasSuffix(f.Help, ".") {
			t.Errorf("%s is not described", f.Name)
		}
	}
	seen := make(map[policy.Reason]bool)
	for _, p := range pairs {
		seen[p.reason] = true
		if !strings.Contains(empty, fmt.Sprintf("fwknop_decisions_total{verdict=%q,reason=%q} 0\n", p.verdict, p.reason)) {
			t.Errorf("no series of %+v", p)
		}
	}
	for _, r := range report.Reasons() {
		if !seen[r] {
			t.Errorf("no series of %s", r)
		}
	}
	for _, verdict := range []string{report.Granted, report.Refused, report.Command, report.Shadow} {
		if !slices.ContainsFunc(pairs, func(p pair) bool { return p.verdict == verdict }) {
			t.Errorf("no series of %s", verdict)
		}
	}
}

// Whatever a worker says, the series stay the same and no counter falls.
func TestHostileWorker(t *testing.T) {
	s := busy()
	names := regexp.MustCompile(`(?m)^[a-z].*? `)
	before, last := names.FindAllString(text(s), -1), ""
	for i, say := range []func(){
		func() { s.Decided(&policy.Decision{Verdict: policy.Allow, Reason: "192.0.2.7"}) },
		func() { s.Decided(&policy.Decision{Verdict: policy.Deny, Reason: policy.SPAGranted}) },
		func() { s.Decided(&policy.Decision{Verdict: policy.Allow, Reason: policy.SPAReplay, Shadow: true}) },
		func() { s.Said(&report.State{Sources: []report.SourceState{{Name: "192.0.2.7", Events: 1}}}) },
		func() {
			s.Said(&report.State{Unlogged: []report.ReasonCount{{Reason: "alice", Count: 1}, {Reason: policy.SPAStale, Count: -1}}})
		},
		func() {
			s.Summarised(&report.Suppressed{Reasons: []report.ReasonCount{{Reason: "alice", Count: 1}, {Reason: policy.SPAStale, Count: math.MinInt}}})
		},
		func() {
			s.Said(&report.State{Sources: []report.SourceState{{Name: "PCAP eth0", Events: math.MaxUint64, Lag: -time.Hour}}})
		},
		func() {
			s.Said(&report.State{Claims: report.Claims{First: math.MaxUint64, Sum: math.MaxUint64, Took: slices.Repeat([]uint64{math.MaxUint64}, 100)}})
		},
		func() { s.Said(&report.State{Claims: report.Claims{Took: []uint64{1}}}) },
		func() {
			s.Said(&report.State{Sources: []report.SourceState{{Name: "PCAP eth0", Events: 1}, {Name: "PCAP eth0", Events: math.MaxUint64}}})
		},
		s.SourcesOpened,
		s.WorkerStarted,
		func() {
			s.Said(&report.State{Sources: []report.SourceState{{Name: "PCAP eth0", Events: math.MaxUint64}}})
		},
		func() { s.Said(&report.State{}) },
	} {
		say()
		now := text(s)
		if !slices.Equal(names.FindAllString(now, -1), before) {
			t.Fatalf("%d: other series:\n%s", i, now)
		}
		falls(t, last, now)
		last = now
	}
	wants(t, s, map[string]string{
		`fwknop_ingest_records_total{source="PCAP eth0",outcome="event"}`: "18446744073709551615",
		`fwknop_ingest_lag_seconds{source="PCAP eth0"}`:                   "0",
		`fwknop_decisions_total{verdict="refused",reason="spa.replay"}`:   "2",
		`fwknop_decisions_total{verdict="granted",reason="spa.granted"}`:  "3",
	})
}

// falls fails the test if a counter is lower in the second text.
func falls(t *testing.T, before, after string) {
	t.Helper()
	counters := regexp.MustCompile(`(?m)^(\S*(?:_total|_bucket|_count|_sum)(?:\{.*\})?) (\S+)$`)
	values := make(map[string]float64)
	for _, m := range counters.FindAllStringSubmatch(before, -1) {
		var f float64
		fmt.Sscan(m[2], &f)
		values[m[1]] = f
	}
	for _, m := range counters.FindAllStringSubmatch(after, -1) {
		var f float64
		if fmt.Sscan(m[2], &f); f < values[m[1]] {
			t.Errorf("%s fell from %v to %v", m[1], values[m[1]], f)
		}
	}
}

// Counters add up over workers and over sources that are opened again, and a refusal counts
// once, whether a summary or the counters tell of it first.
func TestWorkersAddUp(t *testing.T) {
	s := NewSet()
	s.Configured([]string{"UDP port 62201 "})
	const events, stale = `fwknop_ingest_records_total{source="UDP port 62201",outcome="event"}`, `fwknop_decisions_total{verdict="refused",reason="spa.stale"}`
	says := func(n uint64, unlogged int) {
		s.Said(&report.State{Sources: []report.SourceState{{Name: "UDP port 62201", Records: n, Events: n}}, Unlogged: []report.ReasonCount{{Reason: policy.SPAStale, Count: unlogged}}})
	}
	summary := func(n int) {
		s.Summarised(&report.Suppressed{Reasons: []report.ReasonCount{{Reason: policy.SPAStale, Count: n}}})
	}
	s.WorkerStarted()
	says(10, 4)
	summary(4)
	wants(t, s, map[string]string{events: "10", stale: "4"})
	s.SourcesOpened()
	says(3, 6)
	wants(t, s, map[string]string{events: "13", stale: "6"})
	summary(3)
	wants(t, s, map[string]string{stale: "7"})
	s.WorkerStarted()
	wants(t, s, map[string]string{events: "13", stale: "7"})
	summary(2)
	says(1, 1) // from before the summary
	wants(t, s, map[string]string{events: "14", stale: "9"})
	s.Configured([]string{"PCAP eth0"})
	wants(t, s, map[string]string{events: "14", `fwknop_ingest_lost_total{source="PCAP eth0"}`: "0"})
	if strings.Contains(text(s), `lag_seconds{source="UDP`) {
		t.Error("a source that is not read has a lag")
	}
	s.Configured([]string{"UDP port 62201"})
	says(2, 1)
	wants(t, s, map[string]string{events: "15"})
}

func TestHistogram(t *testing.T) {
	s := NewSet()
	for _, d := range []time.Duration{-time.Second, 0, time.Second, time.Second + 1, 24 * time.Hour, 24*time.Hour + 1} {
		s.Ended(d)
	}
	wants(t, s, map[string]string{
		`fwknop_grant_duration_seconds_bucket{le="1"}`: "3", `fwknop_grant_duration_seconds_bucket{le="5"}`: "4", `fwknop_grant_duration_seconds_bucket{le="86400"}`: "5",
		`fwknop_grant_duration_seconds_bucket{le="+Inf"}`: "6", "fwknop_grant_duration_seconds_count": "6", "fwknop_grant_duration_seconds_sum": "172802",
	})
}

func TestCountingDoesNotAllocate(t *testing.T) {
	s := busy()
	d := &policy.Decision{Verdict: policy.Deny, Reason: policy.SPAReplay}
	if n := testing.AllocsPerRun(100, func() { s.Decided(d); s.Ended(time.Minute); s.Changed(time.Millisecond); s.Repaired(1) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDecided(b *testing.B) {
	s, d := busy(), &policy.Decision{Verdict: policy.Deny, Reason: policy.SPAReplay}
	b.ReportAllocs()
	for b.Loop() {
		s.Decided(d)
	}
}

func BenchmarkText(b *testing.B) {
	s := busy()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = s.AppendText(buf[:0], &readings)
	}
}
