package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/firewall"
	"fwknopd/enforce"
	"fwknopd/enforce/monitor"
	"fwknopd/fixtures/golden"
	"fwknopd/parse"
	"fwknopd/policy"
	"fwknopd/policy/conf"
	"fwknopd/policy/replay"
	"fwknopd/policy/spa"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// grant returns a grant of one port with a change.
func grant(change func(*enforce.Grant)) enforce.Grant {
	g := enforce.Grant{Src: netip.MustParseAddr("192.0.2.7"), Ports: []enforce.Port{{Proto: 6, Number: 22}}, Expires: now.Add(time.Minute), Stanza: 3}
	change(&g)
	return g
}

// compatDecisions returns refusals as the engine makes them, and decisions that grant.
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

// load returns the configuration of two files, of which the first has the given name.
func load(t *testing.T, name, server, access string) *config.Loaded {
	t.Helper()
	dir := t.TempDir()
	o := config.Options{Config: filepath.Join(dir, name), Access: filepath.Join(dir, "access.conf")}
	for name, text := range map[string]string{o.Config: server, o.Access: access} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, problems := config.Load(o)
	if problems.Failed() {
		t.Fatal(problems)
	}
	return l
}

// The log lines of both old daemons, for every reason and event that has some.
func TestCompatGolden(t *testing.T) {
	for name, dialect := range map[string]conf.Dialect{"1.9": conf.Perl19, "2.6": conf.C26} {
		l := load(t, "fwknopd.conf", "", "SOURCE ANY\nOPEN_PORTS tcp/22\nKEY sometestkey1\nHMAC_KEY anothertestkey\n")
		l.Server.Dialect = dialect
		st := &l.Access.Stanzas[0]
		st.Pos.Line = 3
		c := Compat{Server: l.Server, Access: l.Access, Credential: func(*conf.Stanza) string { return "" },
			Chain: func(role enforce.Role) string { return firewall.Chains(l.Server)[role].To }}
		table := decisions19
		if dialect == conf.C26 {
			table = decisions26
		}
		var out bytes.Buffer
		p := Packet{Time: now, Src: netip.MustParseAddrPort("192.0.2.7:4321"), Dst: netip.MustParseAddrPort("198.51.100.1:62201"), Proto: 17}
		for _, d := range compatDecisions() {
			if linesOf := table[d.Reason]; linesOf != nil {
				for _, line := range linesOf(&compatDecision{Decision: &d, packet: &p, stanza: st, sources: NewSources(new(conf.Access)), accessFile: "/etc/fwknop/access.conf"}) {
					fmt.Fprintf(&out, "%s: %s\n", d.Reason, line)
				}
			}
		}
		for _, ev := range compatEvents() {
			ev.Time = now
			for _, line := range c.Event(&ev) {
				fmt.Fprintf(&out, "[+] %s\n", line)
			}
		}
		golden.Compare(t, filepath.Join("testdata", "compat-"+name+".golden"), out.Bytes())
	}
}

// refusal19 matches the lines of the 1.9 daemon that give the reason of a refusal.
var refusal19 = regexp.MustCompile(`\[-\] ((?:attempted SPA|remote time|Time difference|username|IP|allow IP|received|FORWARD|non-forward|NAT access|required|Key mis-match|Packet from).*)`)

// Packets that the 1.9 daemon refused, with the lines that it logged for them.
func TestRefusals19(t *testing.T) {
	const dir = "../../../fixtures/spa"
	text, err := os.ReadFile(filepath.Join(dir, "vectors.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := filepath.Abs(filepath.Join(dir, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for line := range bytes.Lines(text) {
		var v struct {
			Name, Encryption string
			Clock            int64
			Src              netip.Addr `json:"src_ip"`
			Dst              netip.Addr `json:"dst_ip"`
			Port             uint16     `json:"dst_port"`
			Wire             []byte     `json:"wire_base64"`
			Packets          [][]byte   `json:"packets_base64"`
			Server           struct {
				Access string            `json:"perl_access"`
				Conf   map[string]string `json:"perl_conf"`
			}
			Observed struct {
				Perl struct{ Log []string } `json:"perl_1_9_12"`
			}
		}
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, logged := range v.Observed.Perl.Log {
			if m := refusal19.FindStringSubmatch(logged); m != nil && !strings.Contains(m[1], "BLACKLIST ") {
				want = append(want, strings.Replace(m[1], " in /access.conf", " in access.conf", 1))
			}
		}
		if want == nil || v.Encryption == "gpg" {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			var server strings.Builder
			for keyword, value := range v.Server.Conf {
				fmt.Fprintf(&server, "%s %s;\n", keyword, value)
			}
			l := load(t, "fwknop.conf", server.String(), strings.ReplaceAll(v.Server.Access, "$WORK", keys)) // the name of the 1.9 daemon's file
			e, err := policy.NewEngine(policy.Options{Server: l.Server, Access: l.Access, Store: replay.NewMemory(replay.Options{}), All: true,
				ShadowHash: config.ShadowHash})
			if err != nil {
				t.Fatal(err)
			}
			c := Compat{Server: l.Server, Access: l.Access, Sources: NewSources(l.Access)}
			src := netip.MustParseAddr("10.77.0.2") // of the first packet
			packets := append(v.Packets, v.Wire)[:max(len(v.Packets), 1)]
			for i, wire := range packets {
				if i == len(packets)-1 {
					src = v.Src
				}
				ev := parse.Event{Src: netip.AddrPortFrom(src, 40000), Dst: netip.AddrPortFrom(v.Dst, v.Port), Proto: 17, Origin: parse.OriginFrame,
					Len: uint16(28 + len(wire)), Payload: wire}
				now := time.Unix(v.Clock, 0)
				d := e.Decide(now, &ev)
				if i < len(packets)-1 {
					continue
				}
				if d.Verdict == policy.Allow && len(e.Refusals()) == 0 {
					return // 1.9 could not decrypt it
				}
				p := NewPacket(now, &ev)
				p.SetMessage(&d, e.Message())
				var got []string
				for _, r := range e.Refusals() {
					got = append(got, c.Refusal(r, &p)...)
				}
				if len(e.Refusals()) == 0 { // of no stanza
					got = c.Decision(&d, &p)
				}
				for i := range got {
					got[i] = strings.Replace(got[i], filepath.Dir(l.Access.Stanzas[0].Pos.File)+"/", "", 1)
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s %+v: got\n%q, want\n%q", d.Reason, d.Detail, got, want)
				}
				compared++
			}
		})
	}
	if compared < 46 {
		t.Errorf("only %d compared", compared)
	}
}

// The dump has the fields of a message and the digest that is stored.
func TestDump19(t *testing.T) {
	m := &spa.Message{Rand: "1234567890123456", User: "alice", Time: 1700000000, Version: "1.9.12", Type: spa.Access,
		Text: "192.0.2.7,tcp/22", DigestType: "sha256", Plaintext: []byte("text")}
	lines := strings.Join(Dump19(DumpOf(m), Digest19(m)), "\n")
	for _, want := range []string{"Packet fields:", "Username:       alice", "Access:         192.0.2.7,tcp/22", "\nDisk write digest: mC2eP"} {
		if !strings.Contains(lines, want) {
			t.Errorf("no %q in\n%s", want, lines)
		}
	}
}
