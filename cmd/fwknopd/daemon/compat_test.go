package daemon

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"fwknopd/cmd/fwknopd/firewall"
	"fwknopd/enforce"
	"fwknopd/enforce/monitor"
	"fwknopd/policy/conf"
)

// compatEvents returns the monitor events of grants and commands.
func compatEvents() []monitor.Event {
	two := grant(func(g *enforce.Grant) {
		g.Ports = append(g.Ports, enforce.Port{Proto: enforce.UDP, Number: 53})
		g.Output = true
	})
	nat := grant(func(g *enforce.Grant) {
		g.NAT = &enforce.NAT{Target: netip.MustParseAddrPort("10.0.0.5:80"), Masquerade: true}
	})
	local := grant(func(g *enforce.Grant) {
		g.NAT = &enforce.NAT{Target: netip.MustParseAddrPort("10.0.0.5:80"), Local: true}
	})
	all := grant(func(g *enforce.Grant) { g.All, g.Ports, g.NAT = true, nil, &enforce.NAT{} })
	command := monitor.Command{Stanza: 3, Text: "/bin/id -u", Src: "192.0.2.7"}
	external := grant(func(g *enforce.Grant) { g.External = &enforce.External{Open: []string{"/sbin/gate"}} })
	old := grant(func(g *enforce.Grant) {
		g.Foreign, g.Src = "-A FWKNOP_INPUT -s 192.0.2.99/32 -j ACCEPT", netip.MustParseAddr("192.0.2.99")
	})
	return []monitor.Event{
		{Kind: monitor.Adopted, Grant: old},
		{Kind: monitor.Granted, Grant: two}, {Kind: monitor.Extended, Grant: two}, {Kind: monitor.Kept, Grant: two},
		{Kind: monitor.Granted, Grant: nat}, {Kind: monitor.Granted, Grant: local}, {Kind: monitor.Granted, Grant: all},
		{Kind: monitor.Granted, Grant: external}, {Kind: monitor.Expired, Grant: external},
		{Kind: monitor.Expired, Grant: two}, {Kind: monitor.Expired, Grant: nat}, {Kind: monitor.Expired, Grant: all},
		{Kind: monitor.Revoked, Grant: local}, {Kind: monitor.Expired, Grant: old},
		{Kind: monitor.CommandRan, Command: command, Result: monitor.Result{Status: 3}},
	}
}

// The log lines of both old daemons, for every event that has some.
func TestCompatGolden(t *testing.T) {
	for _, name := range []string{"2.6", "1.9"} {
		s, problems := prepare(files(t, "ALERTING_METHODS noemail;", plainStanza))
		if problems.Failed() {
			t.Fatal(problems)
		}
		s.Server.Dialect = map[string]conf.Dialect{"1.9": conf.Perl19, "2.6": conf.C26}[name]
		var out bytes.Buffer
		s.Access.Stanzas[0].Pos.Line = 3
		d := &daemon{setup: s, fw: &firewall.Firewall{Name: "iptables"}, rules: make(ruleNumbers), lifetimes: make(map[string]int), logger: newLogger(s.Loaded, &out, false, "1")}
		for _, ev := range compatEvents() {
			ev.Time = now
			d.logCompat(&ev)
		}
		golden := filepath.Join("testdata", "compat-"+name+".golden")
		if *update {
			if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out.Bytes(), want) {
			t.Errorf("%s: got:\n%s\nwant:\n%s", name, out.Bytes(), want)
		}
	}
}
