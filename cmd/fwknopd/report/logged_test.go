package report

import (
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
