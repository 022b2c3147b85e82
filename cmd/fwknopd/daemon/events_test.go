package daemon

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/firewall"
	"fwknopd/cmd/fwknopd/metrics"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
	"fwknopd/enforce/monitor"
	"fwknopd/fixtures/golden"
	"fwknopd/policy/conf"
)

// The messages and the event log objects of every kind of monitor event.
func TestEventsGolden(t *testing.T) {
	plain := grant(func(g *enforce.Grant) { g.User = "alice" })
	natted := grant(func(g *enforce.Grant) {
		g.NAT = &enforce.NAT{Target: netip.MustParseAddrPort("10.0.0.5:80"), Masquerade: true}
	})
	external := grant(func(g *enforce.Grant) {
		g.External, g.Expires = &enforce.External{Open: []string{"/sbin/gate", "192.0.2.7"}}, time.Time{}
	})
	command := monitor.Command{Stanza: 3, Text: "/bin/id\x1b[2J", User: "alice", Src: "192.0.2.7"}
	broken := errors.New("broken")
	list := []monitor.Event{
		{Kind: monitor.Granted, Grant: plain},
		{Kind: monitor.Granted, Grant: natted},
		{Kind: monitor.Granted, Grant: external},
		{Kind: monitor.Granted, Grant: grant(func(g *enforce.Grant) { g.All, g.Ports, g.NAT = true, nil, &enforce.NAT{} })},
		{Kind: monitor.Granted, Grant: plain, Blocked: []string{"table inet x chain y", "iptables-legacy filter INPUT"}},
		{Kind: monitor.Extended, Grant: plain},
		{Kind: monitor.Kept, Grant: plain, Blocked: []string{"table inet x chain y"}},
		{Kind: monitor.Blocked, Grant: plain, Blocked: []string{"table inet x chain y"}},
		{Kind: monitor.Adopted, Grant: plain},
		{Kind: monitor.Expired, Grant: plain},
		{Kind: monitor.Revoked, Grant: plain},
		{Kind: monitor.Repaired, Grant: plain},
		{Kind: monitor.Postponed, Grant: plain},
		{Kind: monitor.Refused, Grant: plain, Err: broken},
		{Kind: monitor.Refused, Command: command, Err: broken},
		{Kind: monitor.Failed, Grant: plain, Err: broken},
		{Kind: monitor.Failed, Err: broken},
		{Kind: monitor.Contested, Err: broken},
		{Kind: monitor.Bypassed, Err: errors.New("rule 1 of FORWARD accepts in front of the guard")},
		{Kind: monitor.ClockStep, Step: -time.Hour},
		{Kind: monitor.CommandRan, Command: command, Result: monitor.Result{Status: 1, Output: "no\nluck", Took: 1500 * time.Millisecond}},
		{Kind: monitor.CommandRan, Command: command, Result: monitor.Result{Status: -1, TimedOut: true, Took: time.Second}},
		{Kind: monitor.CommandRan, Command: command, Err: broken},
		{Kind: monitor.WorkerStarted},
		{Kind: monitor.WorkerDied, Err: broken},
		{Kind: monitor.WrongPassword, Command: monitor.Command{User: "alice", Src: "192.0.2.7", Text: "/etc/fwknop/shadow"}, Count: 2},
		{Kind: monitor.WrongPassword, Command: monitor.Command{User: "root", Src: "192.0.2.7", Text: "/etc/fwknop/shadow"}, Err: broken},
		{Kind: monitor.Violation, Err: broken},
		{Kind: monitor.Lost, Count: 7},
	}
	s, problems := prepare(files(t, "ALERTING_METHODS noemail;", "\n\n"+plainStanza+"NAME gate\n"))
	if problems.Failed() {
		t.Fatal(problems)
	}
	var out bytes.Buffer
	d := &daemon{metrics: metrics.NewSet(), setup: s, records: newRecordBudget(), logger: newLogger(s.Loaded, &out, false, "1")}
	d.fleet = newFleet(d)
	d.events.logf = d.logf
	log := filepath.Join(t.TempDir(), "events.jsonl")
	d.events.open(log, nil)
	for _, ev := range list {
		ev.Time = now
		d.handleEvent(ev)
		if object := report.EventJSON(&ev, ""); !json.Valid(object) {
			t.Errorf("%s: not JSON: %s", ev.Kind, object)
		}
	}
	d.events.open("", nil)
	objects, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	got := append(out.Bytes(), objects...)
	golden.Compare(t, "testdata/events.golden", got)
}

// The old daemon's line for a rule names the configured chain, or a firewall without
// chains of its own.
func TestCompatChain(t *testing.T) {
	for fw, want := range map[string]string{
		"iptables": "[+] Added access rule to GATE for 192.0.2.7 -> 0.0.0.0/0 tcp/22, expires at 1795348860\n",
		"nftables": "[+] Added access rule to nftables for 192.0.2.7 -> 0.0.0.0/0 tcp/22, expires at 1795348860\n",
	} {
		var out bytes.Buffer
		d := newTestDaemon(t, "ALERTING_METHODS noemail;\nIPT_INPUT_ACCESS ACCEPT, filter, INPUT, 1, GATE, 1;", &out)
		d.conf().Server.Dialect, d.fw = conf.C26, &firewall.Firewall{Name: fw}
		d.logCompat(&monitor.Event{Kind: monitor.Granted, Time: now, Grant: grant(nil)})
		if out.String() != want {
			t.Errorf("%s: %q", fw, out.String())
		}
	}
}
