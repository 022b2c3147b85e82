package stats

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/cmd/fwknopd/sources"
	"fwknopd/enforce"
	"fwknopd/parse"
	"fwknopd/policy"
)

// entry returns a decision about tcp/22 or the end of its grant; a span of 0 has no end.
func entry(verdict string, src netip.Addr, at time.Time, span time.Duration) *report.Entry {
	e := &report.Entry{Time: at, Verdict: verdict, Reason: policy.SPAGranted, Src: netip.AddrPortFrom(src, 4000), Proto: parse.UDP,
		Dst: netip.MustParseAddrPort("198.51.100.1:62201"), Title: "stanza alice (access.conf:3)", User: "alice", Mode: policy.ModeSPA,
		Grant: &enforce.Grant{Src: src, Ports: []enforce.Port{{Proto: parse.TCP, Number: 22}}, Stanza: 3, User: "alice"}}
	if span > 0 {
		e.Grant.Expires = at.Add(span)
	}
	return e
}

// ends returns how the grants ended, the latest first, with their spans.
func ends(s *Stats) (list []string) {
	for _, g := range summaryOf(s, About{}).Grants.Shown {
		text := g.Src + " " + strings.Join(g.Ports, ",") + " " + g.For.String() + " " + g.Ended
		if !g.End.IsZero() {
			text += " after " + g.End.Sub(g.Start).String()
		}
		list = append(list, text)
	}
	return list
}

func TestGrantsOfReplay(t *testing.T) {
	a, b, c, d := source(1), source(2), source(3), source(4)
	s := New(nil, sources.Storage{})
	s.Decision(entry(report.Granted, a, t0, 30*time.Second))
	s.Decision(entry(report.Granted, b, t0, 0))
	s.Decision(entry(report.Granted, c, t0, time.Minute))
	s.Decision(entry(report.Granted, a, t0.Add(10*time.Second), 30*time.Second))
	s.Decision(entry(report.Granted, d, t0.Add(20*time.Second), time.Minute))
	s.NotOpened(entry(report.Granted, d, t0.Add(20*time.Second), time.Minute))
	s.Decision(entry(report.Expired, a, t0.Add(40*time.Second), 0))
	want := []string{
		"10.0.0.4 tcp/22 1m0s not opened",
		"10.0.0.1 tcp/22 30s expired after 30s",
		"10.0.0.3 tcp/22 1m0s open",
		"10.0.0.2 tcp/22 0s open",
		"10.0.0.1 tcp/22 30s extended after 10s",
	}
	if diff := cmp.Diff(want, ends(s)); diff != "" {
		t.Error(diff)
	}
}

// lines counts lines of an event log.
func lines(t *testing.T, text string) *Stats {
	t.Helper()
	s := New(nil, sources.Storage{})
	for line := range strings.Lines(text) {
		var ev parse.Event
		if taken, err := s.Line([]byte(strings.TrimSpace(line)), &ev); !taken || err != nil {
			t.Errorf("%s: taken %v, error %v", line, taken, err)
		}
	}
	return s
}

// The event log has a decision and what came of it, in either order, and grants without one.
func TestGrantsOfEventLog(t *testing.T) {
	s := lines(t, `{"v":1,"timestamp":"2026-11-27T08:59:00Z","event_type":"grant","verdict":"expired","stanza":3,"grant":{"src":"10.0.0.9","ports":["tcp/80"]}}
{"v":1,"timestamp":"2026-11-27T09:00:00Z","event_type":"decision","verdict":"granted","reason":"spa.granted","src_ip":"10.0.0.1","proto":"UDP","dest_port":62201,"stanza":3,"grant":{"src":"10.0.0.1","ports":["tcp/22","tcp/80"],"expires":"2026-11-27T09:00:30Z"}}
{"v":1,"timestamp":"2026-11-27T09:00:00.100000Z","event_type":"grant","verdict":"granted","stanza":3,"grant":{"src":"10.0.0.1","ports":["tcp/22","tcp/80"],"expires":"2026-11-27T09:00:31Z"}}
{"v":1,"timestamp":"2026-11-27T09:00:30Z","event_type":"grant","verdict":"expired","stanza":3,"grant":{"src":"10.0.0.1","ports":["tcp/22"]}}
{"v":1,"timestamp":"2026-11-27T09:00:31Z","event_type":"grant","verdict":"revoked","stanza":3,"grant":{"src":"10.0.0.1","ports":["tcp/80"]}}
{"v":1,"timestamp":"2026-11-27T09:01:00Z","event_type":"grant","verdict":"granted","stanza":3,"grant":{"src":"10.0.0.2","ports":["tcp/22"],"expires":"2026-11-27T09:02:00Z"}}
{"v":1,"timestamp":"2026-11-27T09:01:00Z","event_type":"decision","verdict":"granted","reason":"spa.granted","src_ip":"10.0.0.2","stanza":3,"grant":{"src":"10.0.0.2","ports":["tcp/22"],"expires":"2026-11-27T09:02:00Z"}}
{"v":1,"timestamp":"2026-11-27T09:01:01Z","event_type":"decision","verdict":"granted","reason":"spa.granted","src_ip":"10.0.0.3","stanza":3,"grant":{"src":"10.0.0.3","ports":["tcp/22"],"expires":"2026-11-27T09:02:00Z"}}
{"v":1,"timestamp":"2026-11-27T09:01:01Z","event_type":"grant","verdict":"refused","stanza":3,"error":"limit","grant":{"src":"10.0.0.3","ports":["tcp/22"],"expires":"2026-11-27T09:02:00Z"}}
{"v":1,"timestamp":"2026-11-27T09:01:02Z","event_type":"grant","verdict":"refused","stanza":3,"error":"limit","by":"administrator","grant":{"src":"10.0.0.4","ports":["tcp/22"]}}
{"v":1,"timestamp":"2026-11-27T09:01:03Z","event_type":"decision","verdict":"refused","reason":"knock.wrong_port","mode":"knock","src_ip":"10.0.0.5","proto":"TCP","dest_port":7001,"stanza":8,"stanza_name":"bob"}
{"v":1,"timestamp":"2026-11-27T09:01:04Z","event_type":"suppressed","verdict":"refused","count":5,"reasons":{"no_stanza":3,"knock.wrong_port":2},"src_ip":"10.0.0.6"}
{"v":1,"timestamp":"2026-11-27T09:01:05Z","event_type":"monitor","verdict":"lost","count":7}
`)
	want := []string{
		"10.0.0.4 tcp/22 0s not opened",
		"10.0.0.3 tcp/22 59s not opened",
		"10.0.0.2 tcp/22 1m0s open",
		"10.0.0.1 tcp/22,tcp/80 30s revoked after 31s",
		"10.0.0.9 tcp/80 0s expired after " + time.Date(2026, 11, 27, 8, 59, 0, 0, time.UTC).Sub(time.Time{}).String(),
	}
	if diff := cmp.Diff(want, ends(s)); diff != "" {
		t.Error(diff)
	}
	sum := summaryOf(s, About{})
	var reasons []string
	for _, d := range sum.Decisions {
		reasons = append(reasons, d.Verdict+" "+d.Reason+" "+time.Duration(d.N).String())
	}
	if diff := cmp.Diff([]string{"granted spa.granted 3ns", "refused knock.wrong_port 3ns", "refused no_stanza 3ns"}, reasons); diff != "" {
		t.Error(diff)
	}
	if sum.Accounting.Lost != 7 || len(sum.Knocks.Shown) != 1 || sum.Knocks.Shown[0].Stanza != "stanza bob (line 8)" {
		t.Errorf("lost %d, knocks %+v", sum.Accounting.Lost, sum.Knocks.Shown)
	}
	ex := sum.Decisions[1].Examples
	if len(ex) != 1 || ex[0].Src != "10.0.0.5" || ex[0].Text != "refused knock.wrong_port stanza bob (line 8)" {
		t.Errorf("examples %+v", ex)
	}
	if got := sum.Sources.Shown[0]; got.Addr != "10.0.0.6" || got.Refused != 5 {
		t.Errorf("got %+v", got)
	}
}

// Events of the monitor that are about no grant, a refused command and an error of the firewall,
// are none; what was decided and not opened is counted.
func TestNotOpened(t *testing.T) {
	s := New(nil, sources.Storage{})
	for _, line := range []string{
		`{"v":1,"timestamp":"2026-11-27T09:00:00Z","event_type":"decision","verdict":"granted","reason":"spa.granted","src_ip":"10.0.0.1","grant":{"src":"10.0.0.1","ports":["tcp/22"],"expires":"2026-11-27T09:00:30Z"}}`,
		`{"v":1,"timestamp":"2026-11-27T09:00:00Z","event_type":"grant","verdict":"failed","src_ip":"10.0.0.1","error":"busy","grant":{"src":"10.0.0.1","ports":["tcp/22"],"expires":"2026-11-27T09:00:30Z"}}`,
		`{"v":1,"timestamp":"2026-11-27T09:00:01Z","event_type":"grant","verdict":"refused","src_ip":"10.0.0.2","error":"too many","grant":{"src":"10.0.0.2","ports":["tcp/22"],"expires":"2026-11-27T09:00:31Z"}}`,
		`{"v":1,"timestamp":"2026-11-27T09:00:02Z","event_type":"grant","verdict":"refused","src_ip":"10.0.0.3","command":"reboot","error":"no"}`,
		`{"v":1,"timestamp":"2026-11-27T09:00:03Z","event_type":"grant","verdict":"failed","error":"nft: busy"}`,
	} {
		var ev parse.Event
		if taken, err := s.Line([]byte(line), &ev); !taken || err != nil {
			t.Fatalf("%s: %v, %v", line, taken, err)
		}
	}
	want := []string{"10.0.0.2 tcp/22 30s not opened", "10.0.0.1 tcp/22 30s not opened"}
	if diff := cmp.Diff(want, ends(s)); diff != "" {
		t.Error(diff)
	}
	if n := summaryOf(s, About{}).NotOpened; n != 2 {
		t.Errorf("%d not opened", n)
	}
}

// Lines that are no events are left to others; what a crash cut off is malformed.
func TestTakeEvent(t *testing.T) {
	for line, want := range map[string]struct{ taken, malformed bool }{
		`{"v":1,"timestamp":"2026-11-27T09:00:00Z","event_type":"worker","verdict":"worker.started"}`:                                                                 {true, false},
		`{"v":1,"timestamp":"2026-11-27T09:00:00Z","event_type":"wor`:                                                                                                 {true, true},
		`{"@timestamp":"2026-11-27T09:00:00Z","ecs":{"version":"8.17.0"},"event":{"code":"no_stanza"},"fwknopd":{"v":1,"event_type":"decision","verdict":"refused"}}`: {true, false},
		`{"v":1,"event_type":"os","src_ip":"192.0.2.1"}`:                                                                                                              {false, false},
		`{"timestamp":"2026-11-27","event_type":"alert","src_ip":"192.0.2.1"}`:                                                                                        {false, false},
		`{"MESSAGE":"\"fwknopd\":{","_TRANSPORT":"kernel"}`:                                                                                                           {false, false},
		`Nov 27 09:00:00 gate kernel: DROP IN=eth0 SRC=192.0.2.1 PROTO=TCP SPT=1 DPT=22`:                                                                              {false, false},
		"": {false, false},
	} {
		var ev parse.Event
		taken, err := TakeEvent([]byte(line), &ev, func(*report.Logged) {})
		if taken != want.taken || (err != nil) != want.malformed || taken && err == nil && ev.Time.IsZero() {
			t.Errorf("%s: taken %v, error %v, time %v", line, taken, err, ev.Time)
		}
	}
}

// Grants last whole seconds, also if the log has left out what their end has beyond them.
func TestGrantTimeIsWhole(t *testing.T) {
	s := New(nil, sources.Storage{})
	e := entry(report.Granted, source(1), t0.Add(830*time.Millisecond), 20*time.Second)
	e.Grant.Expires = e.Grant.Expires.Truncate(time.Second)
	s.Decision(e)
	if got := summaryOf(s, About{}).Grants.Shown[0].For; got != 20*time.Second {
		t.Errorf("for %v", got)
	}
}
