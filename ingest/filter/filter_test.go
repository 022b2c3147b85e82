package filter

import (
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"fwknopd/parse"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	udp4 = "45000020 1c46 4000 40 11 0000 c0000207 c6336401 d558 f2f9 000c 0000 64656164"     // 192.0.2.7:54616 > 198.51.100.1:62201
	frag = "45000020 1c46 2001 40 11 0000 c0000207 c6336401 d558 f2f9 000c 0000 64656164"     // not the first one
	opts = "46000024 0000 0000 40 06 0000 c0000207 c6336401 01010101 d558 0016 00000000 0000" // TCP to port 22 behind IP options
	udp6 = "60000000 000c 11 3f 20010db8000000000000000000000007 20010db8000000000000000000000001 d558 f2f9 000c 0000 64656164"
	arp  = "0001 0800 06 04 0001 020000000001 c0000207 000000000000 c6336401"
)

// pf is the header of pf that begins with length and family: rule 5 of the ruleset "jail" of rule
// 2 blocked what came in on em0, for a bad offset.
func pf(start string) string {
	return start + "01 01" + "656d30" + strings.Repeat("00", 13) + "6a61696c" + strings.Repeat("00", 12) + "00000005 00000002" + strings.Repeat("00", 16) + "01 000000"
}

// TestPFGeneve looks into a tunnel behind the header of pf, by matcher and program.
func TestPFGeneve(t *testing.T) {
	const four, six = "45000048 1c46 0000 40 11 0000 c0000207 c6336401", "60000000 0034 11 3f 20010db8000000000000000000000007 20010db8000000000000000000000001"
	const to = "d558 17c1 0034 0000 0100 0800 00000300 01020300" + udp4
	for _, frame := range []string{pf("3d 02") + four + to, pf("3d 1c") + six + to} {
		for expr, want := range map[string]bool{
			"geneve": true, "geneve 4": false, "on em0 and geneve 3 and udp port 62201": true, "geneve and udp port 6081": false, "geneve and not ip6": true,
			"udp port 6081 and geneve and host 192.0.2.7": true,
		} {
			f, err := Parse(expr)
			if err != nil {
				t.Fatal(err)
			}
			program := runProgram(t, compile(f.root, layouts[parse.LinkPflog]), unhex(t, frame))
			if got := f.Match(parse.LinkPflog, unhex(t, frame)); got != want || program != want {
				t.Errorf("%s: matcher %v, program %v", expr, got, program)
			}
		}
	}
}

// TestPF tries words about the header of pf, which frames of other link types do not have.
func TestPF(t *testing.T) {
	frame := unhex(t, pf("3d 02")+udp4)
	for expr, want := range map[string]bool{
		"on em0": true, "ifname em0": true, "on em": true, "on em1": false, "not on em1": true, "rset jail": true, "ruleset jails": false,
		"rnr 5": true, "rulenum 2": false, "srnr 2": true, "subrulenum 0x2": true, "reason bad-offset": true, "reason 1": true, "reason match": false,
		"action block": true, "action drop": true, "action pass": false, "action accept": false, "on em0 and action block and udp port 62201": true,
		"on em0 and tcp": false,
	} {
		f, err := Parse(expr)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		if got := f.Match(parse.LinkPflog, frame); got != want {
			t.Errorf("%s: got %v", expr, got)
		}
		if err := f.Check(parse.LinkPflog); err != nil {
			t.Errorf("%s: %v", expr, err)
		}
		if f.Reads(parse.LinkEthernet) || f.Check(parse.LinkRaw) == nil {
			t.Errorf("%s: good for other link types", expr)
		}
		if _, err := f.Program(parse.LinkEthernet); err == nil || !strings.Contains(err.Error(), "supported only on captures of a log of pf") {
			t.Errorf("%s: %v", expr, err)
		}
	}
}

func TestMatch(t *testing.T) {
	const eth = "020000000001 020000000002 "
	frames := map[string]struct {
		link  parse.LinkType
		frame string
	}{
		"udp4":     {parse.LinkEthernet, eth + "0800" + udp4},
		"frag":     {parse.LinkEthernet, eth + "0800" + frag},
		"opts":     {parse.LinkEthernet, eth + "0800" + opts},
		"udp6":     {parse.LinkEthernet, eth + "86dd" + udp6},
		"arp":      {parse.LinkEthernet, eth + "0806" + arp},
		"vlan":     {parse.LinkEthernet, eth + "8100 0007 0800" + udp4},
		"short":    {parse.LinkEthernet, eth[:21]},
		"raw4":     {parse.LinkRaw, udp4},
		"raw6":     {parse.LinkRawOBSD, udp6},
		"sll":      {parse.LinkSLL, "0000 0001 0006 0200000000020000 0800" + udp4},
		"sll2":     {parse.LinkSLL2, "86dd 0000 00000002 0001 00 06 0200000000020000" + udp6},
		"null":     {parse.LinkNull, "02000000" + udp4},
		"nullbig":  {parse.LinkNull, "0000001e" + udp6},
		"ppp":      {parse.LinkPPP, "ff03 0021" + udp4},
		"pppoe":    {parse.LinkPPPEther, "11 00 0001 0036 0057" + udp6},
		"ipv6only": {parse.LinkIPv6, udp6},
		"pf":       {parse.LinkPflog, pf("3d 02") + udp4},
		"pf6":      {parse.LinkPflog, pf("3d 18") + udp6},
	}
	tests := []struct{ expr, want string }{
		{"udp port 62201", "udp4 udp6 raw4 raw6 sll sll2 null nullbig ppp pppoe ipv6only pf pf6"},
		{"ip", "udp4 frag opts raw4 sll null ppp pf"},
		{"ip6 and udp", "udp6 raw6 sll2 nullbig pppoe ipv6only pf6"},
		{"tcp dst port 22", "opts"},
		{"host 192.0.2.7", "udp4 frag opts arp raw4 sll null ppp pf"},
		{"ip host 192.0.2.7 and not udp port 62201", "frag opts"},
		{"dst net 198.51.100 and portrange 62000-62300", "udp4 raw4 sll null ppp pf"},
		{"src net 2001:db8::/32", "udp6 raw6 sll2 nullbig pppoe ipv6only pf6"},
		{"src host 2001:db8::1", ""},
		{"not ip", "udp6 arp vlan raw6 sll2 nullbig pppoe ipv6only pf6"},
		{"vlan", "vlan"},
		{"vlan 7 and udp port 62201", "vlan"},
		{"vlan 8", ""},
		{"udp port 62201 or (vlan and udp port 62201)", "udp4 udp6 vlan raw4 raw6 sll sll2 null nullbig ppp pppoe ipv6only pf pf6"},
		{"port 22 or 62201 and src 192.0.2.7", "udp4 opts raw4 sll null ppp pf"},
	}
	for _, tt := range tests {
		f, err := Parse(tt.expr)
		if err != nil {
			t.Errorf("%s: %v", tt.expr, err)
			continue
		}
		want := strings.Fields(tt.want)
		for name, frame := range frames {
			if got := f.Match(frame.link, unhex(t, frame.frame)); got != slices.Contains(want, name) {
				t.Errorf("%s: %s: got %v", tt.expr, name, got)
			}
		}
	}
}

func TestParseNone(t *testing.T) {
	for _, expr := range []string{"", "  ", "NONE", "none"} {
		f, err := Parse(expr)
		if err != nil || f != nil || !f.Match(parse.LinkEthernet, nil) || f.String() != "" {
			t.Errorf("%q: %v, %v", expr, f, err)
		}
		program, err := f.Program(parse.LinkEthernet)
		if err != nil || len(program) == 0 {
			t.Errorf("%q: program %v, %v", expr, program, err)
		}
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct {
		expr   string
		column int
		want   string
	}{
		{"mpls and udp", 1, `"mpls" is not supported here`},
		{"vlan 4096", 6, `"4096" is not a VLAN`},
		{"pppoes 65536", 8, `"65536" is not a PPPoE session`},
		{"geneve 0x1000000", 8, `"0x1000000" is not a GENEVE network`},
		{"pppoes and vlan", 12, `no VLAN tag is behind "pppoes"`},
		{"pppoes and pppoes", 12, `no PPPoE session is in`},
		{"geneve and geneve", 12, `a second "geneve"`},
		{"udp port 1 or vxlan", 15, `"vxlan" is not a word of this language; its packets are "udp port 4789"`},
		{"gre", 1, `"gre" is not a word of this language; its packets are "proto 47"`},
		{"udp and action match", 16, `"match" is not an action of pf; known are accept drop pass block scrub`},
		{"reason nothing", 8, `"nothing" is not a reason of pf; known are numbers and match bad-offset`},
		{"reason 256", 8, `"256" is not a reason`},
		{"on", 3, `ends too early`},
		{"on (igb0)", 4, `"(" is not supported`},
		{"on port", 4, `"port" is not the name of an interface`},
		{"ifname 1.2", 8, `"1.2" is not the name of an interface`},
		{"on em_", 4, `"em_" is not the name of an interface`},
		{"ruleset abcdefghijklmnop", 9, `longer than the 15 characters of the name of a ruleset`},
		{"rnr x", 5, `"x" is not the number of a rule`},
		{"srnr 4294967296", 6, `not the number of a rule`},
		{"on igb0 or 7", 12, `say what "7" is`},
		{"pppoes and on igb0", 12, `"on" is about what is before all other headers`},
		{"proto 256", 7, `"256" is not a protocol`},
		{"proto esp", 7, `"esp" is not the number of a protocol`},
		{"proto", 6, `ends too early`},
		{"tcp proto 6", 1, `"tcp" has no protocols`},
		{"src proto 6", 1, `a protocol has no direction`},
		{"vlan 5 or 6", 11, `say what "6" is`},
		{strings.Repeat("vlan and ", 9) + "udp", 78, `more VLAN tags`},
		{"udp and ether host 2", 9, `"ether" is not supported`},
		{"udp[4:2] > 100", 4, `'[' is not supported`},
		{"tcp port ssh", 10, `names are not looked up`},
		{"host gate.example", 6, `names are not looked up`},
		{"port 65536", 6, `"65536" is not a port`},
		{"port 1-2", 6, `"portrange 1-2"`},
		{"ip port 80", 1, `"ip" has no ports`},
		{"tcp host 192.0.2.1", 1, `join them with "and"`},
		{"ip host ::1", 1, `no IPv6 addresses`},
		{"ip6 host 192.0.2.1", 1, `no IPv4 addresses`},
		{"net 10.0.0.1/8", 5, `bits outside`},
		{"net 10.0.0.0/33", 14, `not a length`},
		{"host 10.0.0.0/8", 6, `a length needs "net"`},
		{"host 256.1.1.1", 6, `not an address`},
		{"host 1.2.3.4.5", 6, `not an address`},
		{"net 2001:db8::1/32", 5, `bits outside`},
		{"192.0.2.1", 1, `say what "192.0.2.1" is`},
		{"tcp 80", 5, `say what "80" is`},
		{"tcp or 80", 8, `say what "80" is`},
		{"(port 1 or port 2) or 3", 23, `say what "3" is`},
		{"udp and", 8, `ends too early`},
		{"", 0, ``},
		{"(udp", 5, `")" is missing`},
		{"udp)", 4, `")" without "("`},
		{"()", 2, `")" without "("`},
		{"port", 5, `ends too early`},
		{"PORT 1", 1, `"PORT" is not supported`},
		{"udp tcp", 5, `"tcp" is not supported`},
		{strings.Repeat("(", 200) + "udp", 101, `nested too deeply`},
	}
	for _, tt := range tests {
		_, err := Parse(tt.expr)
		var e *Error
		if tt.want == "" {
			if err != nil {
				t.Errorf("%q: %v", tt.expr, err)
			}
			continue
		}
		if !errors.As(err, &e) || e.Column != tt.column || !strings.Contains(e.Text, tt.want) {
			t.Errorf("%q: %v, want column %d: %s", tt.expr, err, tt.column, tt.want)
		}
	}
	if _, err := Parse(strings.Repeat("udp or ", 1000) + "udp"); err == nil {
		t.Error("a very long expression is accepted")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"udp port 62201", "not (src or dst host 10.1 or ::1/128) && tcp", "port (1 or not 2)", "net 1.2.3.0 mask 255.255.255.0"} {
		f.Add(s, make([]byte, 64))
	}
	const eth = "020000000001 020000000002 "
	f.Add("udp or (vlan 7 and pppoes 9 and udp)", unhex(f, eth+"8100 0007 8864 11 00 0009 0022 0021"+udp4))
	f.Add("geneve 3 or not vlan", unhex(f, eth+"0800 45000048 1c46 0000 40 11 0000 c0000207 c6336401 d558 17c1 0034 0000 0100 0800 00000300 01020300"+udp4))
	f.Add("proto gre and not pppoed", unhex(f, eth+"0800"+frag))
	f.Add("on em and not action block or rnr 5 and geneve", unhex(f, pf("45 02")+udp4))
	f.Fuzz(func(t *testing.T, expr string, frame []byte) {
		filter, err := Parse(expr)
		if err != nil || filter == nil {
			return
		}
		for link := range layouts {
			if filter.Check(link) != nil {
				continue
			}
			raw, err := filter.Program(link)
			if err != nil {
				t.Fatal(err)
			}
			if len(raw) > maxProgram {
				t.Fatalf("%d instructions", len(raw))
			}
			if compiled := compile(filter.root, layouts[link]); runProgram(t, compiled, frame) != filter.Match(link, frame) {
				t.Fatalf("%v: the program says something else than the matcher", link)
			}
		}
	})
}

// runProgram is what a program in the kernel would answer.
func runProgram(t *testing.T, p program, frame []byte) bool {
	t.Helper()
	raw, err := p.assemble()
	if err != nil {
		t.Fatal(err)
	}
	var code []bpf.Instruction
	for _, in := range raw {
		code = append(code, in.Disassemble())
	}
	vm, err := bpf.NewVM(code)
	if err != nil {
		t.Fatal(err)
	}
	return runs(vm, frame)
}

func BenchmarkMatch(b *testing.B) {
	f, err := Parse("udp port 62201")
	if err != nil {
		b.Fatal(err)
	}
	frame := unhex(b, "020000000001 020000000002 0800"+udp4)
	b.ReportAllocs()
	for b.Loop() {
		f.Match(parse.LinkEthernet, frame)
	}
}
