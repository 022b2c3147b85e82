package doctor

import (
	"net/netip"
	"strings"
	"testing"

	"fwknopd/enforce/ruleset"
	"fwknopd/ingest/filter"
	"fwknopd/policy/conf"
)

// states returns the states of findings, in their order.
func states(list []finding) string {
	var all []string
	for _, f := range list {
		all = append(all, f.State)
	}
	return strings.Join(all, " ")
}

func TestJudgeFilter(t *testing.T) {
	to := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
	for expr, want := range map[string]string{
		"":                                 ok,
		"udp port 62201":                   ok,
		"udp dst port 62201":               ok,
		"ip6 and udp port 62201":           ok,
		"udp and not dst host 192.0.2.1":   ok, // but the other address
		"pppoes and udp port 62201":        ok,
		"vlan and ip6":                     ok,
		"pppoed":                           fix,
		"udp port 12345":                   warning,
		"tcp port 80":                      warning,
		"icmp":                             warning,
		"tcp and udp":                      fix,
		"udp port 62201 and host 10.0.0.1": fix,
	} {
		f, err := filter.Parse(expr)
		if err != nil {
			t.Fatal(err)
		}
		if got := judgeFilter(f, to, "set it"); got.State != want || (want != ok) == (got.Fix == "") {
			t.Errorf("%q: %+v, want %s", expr, got, want)
		}
	}
}

func TestJudgeFirewall(t *testing.T) {
	got := judgeFirewall([]string{
		"grants are opened in iptables and nftables",
		"grants are opened in iptables, as nothing drops on this host",
		"table inet other chain in drops what a grant is for, and is not opened: it has an owner",
		"table inet t chain base: no rule accepts packets of established connections: a connection is cut when its grant ends",
		"table inet firewalld chain filter_INPUT of firewalld drops what a grant is for, and is opened by one",
		"iptables-nft filter INPUT drops what a grant is for, and is not opened: FIREWALL_TYPE leaves it out",
		"cannot be looked at: permission denied",
		"rules of legacy ip6tables were not read: exit status 3",
		"tcp/8080 is published to 172.17.0.2:80 by Docker: a grant on the input hook neither opens nor protects it; GUARD_FORWARD tcp/8080 does",
		"tcp/8081 is published to 172.17.0.2:81 by Docker: GUARD_FORWARD lets only granted clients through",
		"tcp/8082 is published to 172.17.0.2:82 by Docker: GUARD_FORWARD has it, but not all packets meet the guard",
		"rule 1 of iptables-nft filter FORWARD accepts in front of the guard: all clients reach tcp/8082 without a grant",
		"rule 1 of iptables-nft filter FORWARD accepts in front of the guard: what it matches reaches tcp/8082 without a grant",
		"table inet fwknop_ended " + ruleset.EndedLeft + "; the daemon removes it when it starts",
	}, "set it", "set GUARD_FORWARD")
	if want := "ok warning fix warning ok fix fix warning fix ok warning fix warning warning"; states(got) != want {
		t.Errorf("%s, want %s", states(got), want)
	}
	for _, f := range got {
		if f.State == fix && f.Fix == "" && !strings.HasPrefix(f.Text, "cannot") {
			t.Errorf("%q says not how it is mended", f.Text)
		}
	}
	if last := got[len(got)-1]; last.Fix != "nft delete table inet fwknop_ended" {
		t.Errorf("%+v", last)
	}
}

func TestJudgeLog(t *testing.T) {
	const head = "Nov 27 09:10:00 gate kernel: DROP IN=eth0 OUT= SRC=203.0.113.20 DST=198.51.100.1 LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=1 DF PROTO=TCP SPT=40000 DPT=22 WINDOW=64240 RES=0x00 SYN URGP=0"
	const opt = " OPT (020405B40402080A000000010000000001030307)\n"
	for _, c := range []struct {
		name, text string
		options    bool
		want       string
	}{
		{"records", head + opt, true, ok},
		{"no options, and none needed", head + "\n", false, ok},
		{"no options", head + "\n", true, warning},
		{"no records", "Nov 27 09:10:00 gate sshd[1]: hello\n", false, warning},
		{"empty", "", false, warning},
	} {
		if got := judgeLog("kern.log", []byte(c.text), c.options).State; got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestJudgeRefusals(t *testing.T) {
	list := judgeRefusals([]byte(`n":"half"}
{"v":1,"verdict":"refused","reason":"spa.replay"}
{"v":1,"verdict":"granted","reason":"spa.granted"}
{"v":1,"verdict":"refused","reason":"spa.stale","detail":{"age_s":600,"max_age_s":120}}
`))
	if len(list) != 1 || list[0].State != warning || !strings.Contains(list[0].Text, "1 of the last 2 refusals were for the age of the message, the last of a clock 600 s behind ours") {
		t.Errorf("%+v", list)
	}
	if list := judgeRefusals([]byte(`{"v":1,"verdict":"refused","reason":"spa.replay"}`)); list != nil {
		t.Errorf("%+v", list)
	}
}

func TestJudgeConfiguration(t *testing.T) {
	warn := conf.Problem{Pos: conf.Pos{File: "access.conf", Line: 1}, Severity: conf.Warning, Text: "loose"}
	broken := conf.Problem{Pos: conf.Pos{File: "access.conf", Line: 2}, Text: "wrong"}
	for _, c := range []struct {
		problems conf.Problems
		file     string
		want     string
	}{
		{nil, "fwknopd.conf", ok},
		{nil, "", fix},
		{conf.Problems{warn}, "fwknopd.conf", warning},
		{conf.Problems{warn, broken}, "fwknopd.conf", "warning fix fix"},
	} {
		if got := states(judgeConfiguration(c.problems, c.file)); got != c.want {
			t.Errorf("%v: %s, want %s", c.problems, got, c.want)
		}
	}
}
