package daemon

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/firewall"
	"fwknopd/enforce"
	"fwknopd/enforce/monitor"
	"fwknopd/policy"
	"fwknopd/policy/spa"
)

// compatDecisions are refusals as the engine makes them, and what is granted.
func compatDecisions() []policy.Decision {
	age, limit, steps, gap, bound := int64(-600), int64(120), 3, 7.5, 5.0
	first := time.Date(2026, 11, 22, 8, 0, 0, 0, time.Local)
	detail := func(reason policy.Reason, d policy.Detail) policy.Decision {
		return policy.Decision{Verdict: policy.Deny, Reason: reason, Detail: d, Stanza: 3, Src: netip.MustParseAddr("192.0.2.7")}
	}
	return []policy.Decision{
		detail(policy.SPAReplay, policy.Detail{FirstSeen: &first, FirstSrc: "192.0.2.9"}),
		detail(policy.SPAReplay, policy.Detail{Text: "message is older than the records kept"}),
		detail(policy.SPAFuture, policy.Detail{AgeS: &age, MaxAgeS: &limit}),
		detail(policy.SPAStale, policy.Detail{Text: "the record has no time that can be read"}),
		detail(policy.SPAUser, policy.Detail{Want: "alice", Got: "bob"}),
		detail(policy.SPAPort, policy.Detail{Port: "tcp/23"}),
		detail(policy.SPAExpiredStanza, policy.Detail{}),
		detail(policy.SPACmdDisabled, policy.Detail{}),
		detail(policy.SPAHMACMismatch, policy.Detail{}),
		detail(policy.SPADecryptFailed, policy.Detail{}),
		detail(policy.SPASource, policy.Detail{Got: "0.0.0.0"}),
		detail(policy.SPASource, policy.Detail{Got: "192.0.2.8", Text: "the address is in BLACKLIST"}),
		detail(policy.SPANAT, policy.Detail{Text: "ENABLE_IPT_FORWARDING is off"}),
		detail(policy.SPANAT, policy.Detail{Text: policy.TextNATDNS}),
		detail(policy.SPANAT, policy.Detail{Text: "a translation is for one port"}),
		detail(policy.SPAGPGSigner, policy.Detail{Signer: "ABCDEF0123456789"}),
		detail(policy.NoStanza, policy.Detail{}),
		detail(policy.KnockGranted, policy.Detail{}),
		detail(policy.KnockDecryptFailed, policy.Detail{}),
		detail(policy.KnockChecksum, policy.Detail{}),
		detail(policy.KnockUser, policy.Detail{Want: "alice"}),
		detail(policy.KnockOS, policy.Detail{Want: "Linux", Got: "Windows"}),
		detail(policy.KnockOS, policy.Detail{Want: "Linux"}),
		detail(policy.KnockLimit, policy.Detail{Limit: &steps}),
		detail(policy.KnockTooFast, policy.Detail{Port: "tcp/1002", Step: &steps, Steps: &steps, GapS: &gap, LimitS: &bound}),
		detail(policy.KnockTooSlow, policy.Detail{Port: "tcp/1002", Step: &steps, Steps: &steps, GapS: &gap, LimitS: &bound}),
		detail(policy.KnockTimeout, policy.Detail{Step: &steps, GapS: &gap, LimitS: &bound}),
		{Verdict: policy.Allow, Reason: policy.SPACommand, Stanza: 3, Command: &policy.Command{Text: "/bin/id -u"}},
		{Verdict: policy.Allow, Reason: policy.SPAGranted, Stanza: 3, Grant: grant(func(*enforce.Grant) {})},
	}
}

// compatEvents are what the monitor reports of grants and commands.
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

// TestCompatGolden has the words of both old daemons for every fact that they have
// some for.
func TestCompatGolden(t *testing.T) {
	for _, name := range []string{"2.6", "1.9"} {
		s, problems := prepare(files(t, "ALERTING_METHODS noemail;", plainStanza))
		if problems.Failed() {
			t.Fatal(problems)
		}
		s.Server.CSyntax = name == "2.6"
		var out bytes.Buffer
		s.Access.Stanzas[0].Pos.Line = 3
		table := phrasesOf(s.Loaded)
		p := packet{now: now, src: netip.MustParseAddrPort("192.0.2.7:4321"), dst: netip.MustParseAddrPort("198.51.100.1:62201"), proto: 17}
		for _, d := range compatDecisions() {
			if phrase := table[d.Reason]; phrase != nil {
				told := told{Decision: &d, packet: &p, stanza: &s.Access.Stanzas[0]}
				for _, line := range phrase(&told) {
					fmt.Fprintf(&out, "%s: %s\n", d.Reason, line)
				}
			}
		}
		k := &keeper{setup: s, fw: &firewall.Firewall{Name: "iptables"}, ledger: make(ledger), lives: make(map[string]int), speaker: newSpeaker(s.Loaded, &out, false, "1")}
		for _, ev := range compatEvents() {
			ev.Time = now
			k.compat(&ev)
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

// TestDump19 shows the fields of a message and the digest that goes to disk.
func TestDump19(t *testing.T) {
	lines := strings.Join(dump19(&spa.Message{Rand: "1234567890123456", User: "alice", Time: 1700000000, Version: "1.9.12", Type: spa.Access,
		Text: "192.0.2.7,tcp/22", DigestType: "sha256", Plaintext: []byte("text")}), "\n")
	for _, want := range []string{"Packet fields:", "Username:       alice", "Access:         192.0.2.7,tcp/22", "\nDisk write digest: mC2eP"} {
		if !strings.Contains(lines, want) {
			t.Errorf("no %q in\n%s", want, lines)
		}
	}
}
