package report

import (
	"net/netip"
	"strings"
	"testing"

	"fwknopd/enforce/monitor"
)

// TestLine: every event is one line without control characters, which names its kind, its client
// and what was lost.
func TestLine(t *testing.T) {
	for _, s := range samples() {
		e, err := ParseLogged([]byte(s.object))
		if err != nil {
			t.Fatal(err)
		}
		line := e.Line()
		if !strings.Contains(line, " "+e.Type+" "+e.Verdict) || e.Src != "" && !strings.Contains(line, " from "+e.Src) || strings.Contains(line, "\n") {
			t.Errorf("%s\nis %s", s.object, line)
		}
		if !strings.HasSuffix(line, e.Outcome()) || !strings.Contains(e.Text(), e.Outcome()) {
			t.Errorf("%s\n%q is not in %q", s.object, e.Outcome(), line)
		}
	}
	lost := Logged{Timestamp: "2026-11-27T09:40:00Z", Type: "monitor", Verdict: string(monitor.Lost), Count: 7}
	if got := lost.Line(); got != "2026-11-27T09:40:00Z monitor lost: 7 events" {
		t.Error(got)
	}
	hostile := Logged{Type: "decision", Verdict: Refused, User: "\x1b]0;x\a\n"}
	if got := hostile.Line(); got != " decision refused user ?]0;x??" {
		t.Errorf("%q", got)
	}
}

// TestAboutPrefix: an event of a grant for a prefix is about each client in it.
func TestAboutPrefix(t *testing.T) {
	e, err := ParseLogged([]byte(`{"v":1,"event_type":"grant","verdict":"granted","src_ip":"10.0.0.0","grant":{"src":"10.0.0.0","sources":["10.0.0.0/24","2001:db8::7"],"ports":["tcp/22"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{"10.0.0.9": true, "10.0.1.9": false, "2001:db8::7": true, "2001:db8::8": false} {
		if got := e.About(netip.MustParseAddr(text)); got != want {
			t.Errorf("about %s: %v, want %v", text, got, want)
		}
	}
	if want := ": 10.0.0.0/24 and 2001:db8::7 tcp/22, no end"; !strings.Contains(e.Line(), want) {
		t.Errorf("%s has no %q", e.Line(), want)
	}
}
