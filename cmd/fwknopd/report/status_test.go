package report

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"fwknopd/fixtures/golden"
	"fwknopd/policy/conf"
)

// wholeStatus returns a status in which all is set.
func wholeStatus() Status {
	at := time.Date(2026, 11, 29, 4, 30, 0, 0, time.UTC)
	refused := NewReload(at, 0, conf.Problems{
		{Pos: conf.Pos{File: "/etc/fwknop/access.conf", Line: 3}, Keyword: "NONSENSE", Text: "unknown keyword"},
		{Text: "X has changed: that counts from the next start on", Severity: conf.Warning},
	})
	return Status{
		V: 1, Running: true, PID: 70, WorkerPID: 71, PIDFile: "/run/fwknop/fwknopd.pid", Version: "0.1.0", UptimeS: 3723.4,
		Config: "/etc/fwknop/fwknopd.conf", Stanzas: 2, Loaded: at.Add(-time.Hour), Reload: &refused, NotApplied: "UDP: address in use",
		Firewall: FirewallStatus{Type: "nftables", Unconfirmed: "the firewall does not answer", Error: "192.0.2.7 tcp/22: no buffer space", ErrorTime: at,
			Bypasses: []string{"rule 1 of FORWARD accepts in front of the guard"}},
		Grants: 3, Restarts: 1, LastEnd: "signal: killed\x1b[2J", Waiting: "PCAP: eth1: no such interface",
		Counters: &Counters{RateLimited: 4, Sources: []SourceState{{"PCAP eth0", 10, 5, 4, 1, 2, 0}, {"UDP port 62201", 1, 1, 0, 0, 0, 0}}},
		Fleet:    &FleetStatus{Name: "gw1", PID: 72, Restarts: 2, LastEnd: "signal: killed", Why: "the others do not answer", Since: at},
		Sandbox:  "auto", Unconfined: "SANDBOX: Landlock is missing",
	}
}

func TestStatusText(t *testing.T) {
	whole := wholeStatus()
	loaded := NewReload(whole.Loaded, 2, nil)
	quiet := Status{V: 1, Running: true, PID: 70, Version: "0.1.0", Loaded: whole.Loaded, Reload: &loaded, Firewall: FirewallStatus{Type: "external_cmd"}, Sandbox: "on"}
	quiet.Fleet = &FleetStatus{Name: "gw1", Why: "the fleet process is starting", Local: true}
	silent := quiet
	silent.Fleet = &FleetStatus{Name: "gw1", PID: 72, Quorum: true, Since: whole.Loaded}
	silent.WorkerPID, silent.Reload = 71, nil
	var b bytes.Buffer
	for _, s := range []Status{whole, quiet, silent} {
		b.WriteString(s.Text())
		b.Write(s.JSON())
		b.WriteString("\n\n")
	}
	b.Write(NotRunningJSON("/run/fwknop/fwknopd.pid"))
	golden.Compare(t, "testdata/status.golden", append(b.Bytes(), '\n'))
}

// What passes the control socket arrives as it was.
func TestStatusCrossesWhole(t *testing.T) {
	s := wholeStatus()
	s.LastEnd = "signal: killed" // control characters are escaped, all else is kept
	var got Status
	if err := json.Unmarshal(s.JSON(), &got); err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("%v\ngot  %+v\nwant %+v", err, got, s)
	}
}

func TestReloadText(t *testing.T) {
	at := time.Date(2026, 11, 29, 4, 30, 0, 5e6, time.UTC)
	unconfirmed := NewReload(at, 1, nil)
	unconfirmed.Verdict = ReloadUnconfirmed
	for _, c := range []struct {
		r          Reload
		text, json string
	}{
		{NewReload(at, 3, conf.Problems{{Keyword: "K", Text: "careful", Severity: conf.Warning}}), "configuration loaded again: 3 stanzas",
			`{"v":1,"timestamp":"2026-11-29T04:30:00.005Z","event_type":"reload","verdict":"loaded","stanzas":3,"problems":[{"file":"","keyword":"K","severity":"warning","text":"careful"}]}`},
		{NewReload(at, 3, conf.Problems{{Pos: conf.Pos{File: "a\u202e", Line: 2}, Text: "wrong"}}), "the new configuration is refused, the old one stays in force",
			`{"v":1,"timestamp":"2026-11-29T04:30:00.005Z","event_type":"reload","verdict":"refused","problems":[{"file":"a\u202e","line":2,"severity":"error","text":"wrong"}]}`},
		{NotApplied(at, "UDP: busy"), "the worker keeps its configuration: UDP: busy",
			`{"v":1,"timestamp":"2026-11-29T04:30:00.005Z","event_type":"reload","verdict":"not_applied","error":"UDP: busy"}`},
		{unconfirmed, "configuration loaded again: 1 stanza; the worker has not said that it has loaded them",
			`{"v":1,"timestamp":"2026-11-29T04:30:00.005Z","event_type":"reload","verdict":"unconfirmed","stanzas":1}`},
	} {
		if text, object := c.r.Text(), string(c.r.JSON()); text != c.text || object != c.json {
			t.Errorf("%s: got\n%s\n%s\nwant\n%s", c.text, text, object, c.json)
		}
	}
}
