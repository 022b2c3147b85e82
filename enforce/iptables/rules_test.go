package iptables

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fwknopd/enforce"
)

// newPure is a backend that never runs anything.
func newPure(chains map[enforce.Role]enforce.Chain) *Backend {
	b := &Backend{datestop: true, cfg: Config{Chains: maps.Clone(Defaults)}}
	maps.Copy(b.cfg.Chains, chains)
	return b
}

// asListed are the rules of a grant as -S shows them.
func (b *Backend) asListed(g enforce.Grant) (lines []string) {
	for _, r := range b.rules(g) {
		c := b.cfg.Chains[r.role]
		lines = append(lines, "-A "+c.To+" "+r.spec.args())
	}
	return lines
}

// TestRules has the rules of SPA and knock grants, word by word but for expiry and
// comment.
func TestRules(t *testing.T) {
	client, client6 := addr("192.0.2.7"), addr("2001:db8::7")
	tcp := func(n uint16) []enforce.Port { return []enforce.Port{{Proto: enforce.TCP, Number: n}} }
	icmp := []enforce.Port{{Proto: enforce.ICMP}}
	inside, inside6 := netip.MustParseAddrPort("10.0.0.2:80"), netip.MustParseAddrPort("[fd00::2]:80")
	for _, c := range []struct {
		name string
		g    enforce.Grant
		want []string
	}{
		{"input", enforce.Grant{Src: client, Ports: tcp(22)},
			[]string{"-A FWKNOP_INPUT -s 192.0.2.7/32 -p tcp -m tcp --dport 22 -j ACCEPT"}},
		{"input v6", enforce.Grant{Src: client6, Ports: tcp(22)},
			[]string{"-A FWKNOP_INPUT -s 2001:db8::7/128 -p tcp -m tcp --dport 22 -j ACCEPT"}},
		{"destination", enforce.Grant{Src: client, Dst: addr("198.51.100.1"), Ports: tcp(22)},
			[]string{"-A FWKNOP_INPUT -s 192.0.2.7/32 -d 198.51.100.1/32 -p tcp -m tcp --dport 22 -j ACCEPT"}},
		{"icmp", enforce.Grant{Src: client, Ports: icmp}, []string{"-A FWKNOP_INPUT -s 192.0.2.7/32 -p icmp -j ACCEPT"}},
		{"icmp v6", enforce.Grant{Src: client6, Ports: icmp}, []string{"-A FWKNOP_INPUT -s 2001:db8::7/128 -p icmpv6 -j ACCEPT"}},
		{"output", enforce.Grant{Src: client, Ports: tcp(22), Output: true},
			[]string{"-A FWKNOP_INPUT -s 192.0.2.7/32 -p tcp -m tcp --dport 22 -j ACCEPT",
				"-A FWKNOP_OUTPUT -d 192.0.2.7/32 -p tcp -m tcp --sport 22 -j ACCEPT"}},
		{"dnat", enforce.Grant{Src: client, Ports: tcp(8080), NAT: &enforce.NAT{Target: inside}},
			[]string{"-A FWKNOP_PREROUTING -s 192.0.2.7/32 -p tcp -m addrtype --dst-type LOCAL -m tcp --dport 8080 -j DNAT --to-destination 10.0.0.2:80",
				"-A FWKNOP_FORWARD -s 192.0.2.7/32 -d 10.0.0.2/32 -p tcp -m tcp --dport 80 -j ACCEPT"}},
		{"dnat v6", enforce.Grant{Src: client6, Ports: tcp(8080), NAT: &enforce.NAT{Target: inside6}},
			[]string{"-A FWKNOP_PREROUTING -s 2001:db8::7/128 -p tcp -m addrtype --dst-type LOCAL -m tcp --dport 8080 -j DNAT --to-destination [fd00::2]:80",
				"-A FWKNOP_FORWARD -s 2001:db8::7/128 -d fd00::2/128 -p tcp -m tcp --dport 80 -j ACCEPT"}},
		{"snat", enforce.Grant{Src: client, Ports: tcp(8080), NAT: &enforce.NAT{Target: inside, SNAT: addr("10.0.0.1")}},
			[]string{"-A FWKNOP_PREROUTING -s 192.0.2.7/32 -p tcp -m addrtype --dst-type LOCAL -m tcp --dport 8080 -j DNAT --to-destination 10.0.0.2:80",
				"-A FWKNOP_POSTROUTING -s 192.0.2.7/32 -d 10.0.0.2/32 -p tcp -m tcp --dport 80 -j SNAT --to-source 10.0.0.1",
				"-A FWKNOP_FORWARD -s 192.0.2.7/32 -d 10.0.0.2/32 -p tcp -m tcp --dport 80 -j ACCEPT"}},
		{"masquerade all", enforce.Grant{Src: client, All: true, NAT: &enforce.NAT{Masquerade: true}},
			[]string{"-A FWKNOP_POSTROUTING -s 192.0.2.7/32 -j MASQUERADE", "-A FWKNOP_FORWARD -s 192.0.2.7/32 -j ACCEPT"}},
		{"dnat all", enforce.Grant{Src: client, All: true, NAT: &enforce.NAT{Target: netip.AddrPortFrom(inside.Addr(), 0)}},
			[]string{"-A FWKNOP_PREROUTING -s 192.0.2.7/32 -m addrtype --dst-type LOCAL -j DNAT --to-destination 10.0.0.2",
				"-A FWKNOP_FORWARD -s 192.0.2.7/32 -d 10.0.0.2/32 -j ACCEPT"}},
		{"through only", enforce.Grant{Src: client, Dst: inside.Addr(), Ports: tcp(80), NAT: &enforce.NAT{}},
			[]string{"-A FWKNOP_FORWARD -s 192.0.2.7/32 -d 10.0.0.2/32 -p tcp -m tcp --dport 80 -j ACCEPT"}},
		{"local nat", enforce.Grant{Src: client, Ports: tcp(8022), NAT: &enforce.NAT{Target: netip.MustParseAddrPort("198.51.100.1:22"), Local: true}},
			[]string{"-A FWKNOP_PREROUTING -s 192.0.2.7/32 -p tcp -m addrtype --dst-type LOCAL -m tcp --dport 8022 -j DNAT --to-destination 198.51.100.1:22",
				"-A FWKNOP_INPUT -s 192.0.2.7/32 -d 198.51.100.1/32 -p tcp -m tcp --dport 22 -j ACCEPT"}},
	} {
		c.g.Expires, c.g.Stanza = time.Unix(1700000000, 0).Add(200*time.Millisecond), 3
		g := c.g.Normal()
		marks := fmt.Sprintf(` -m time --datestop 2023-11-14T22:13:20 -m comment --comment "_exp_1700000001 fwknopd:3:%08x -800ms"`, g.Tag())
		b := newPure(nil)
		got := b.asListed(g)
		for i := range got {
			if !strings.Contains(got[i], marks) {
				t.Errorf("%s: no %q in %q", c.name, marks, got[i])
			}
			got[i] = strings.Replace(got[i], marks, "", 1)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		if back := b.read1(t, b.asListed(g)); len(back) != 1 || back[0].Key() != g.Key() || !back[0].Expires.Equal(g.Expires) {
			t.Errorf("%s: listed, it reads %+v", c.name, back)
		}
	}
}

// A translation of an earlier version, whose rule is for what is sent to other hosts too,
// is adopted as the same grant, and is not complete: it gets the rule of this version.
func TestTranslationOfEarlierVersion(t *testing.T) {
	b := newPure(nil)
	g := enforce.Grant{Src: addr("192.0.2.7"), Ports: []enforce.Port{{Proto: enforce.TCP, Number: 8080}}, Stanza: 3,
		Expires: time.Unix(1700000000, 0), NAT: &enforce.NAT{Target: netip.MustParseAddrPort("10.0.0.2:80")}}.Normal()
	for _, c := range []struct {
		old, match string
		complete   bool
	}{
		{"-m addrtype --dst-type LOCAL ", "-m addrtype --dst-type LOCAL ", true},
		{"-m addrtype --dst-type LOCAL ", "", false},
		{"-m addrtype --dst-type LOCAL ", "-m addrtype --dst-type UNICAST ", false},
		{"-m addrtype --dst-type LOCAL ", "-m addrtype ! --dst-type LOCAL ", false},
	} {
		var all []listed
		for _, line := range b.asListed(g) {
			chain, s, ok := parseRule(strings.Replace(line, c.old, c.match, 1))
			role := enforce.Forward
			if chain == b.cfg.Chains[enforce.DNAT].To {
				role = enforce.DNAT
			}
			if !ok {
				t.Fatal(line)
			}
			all = append(all, listed{ruleAt{role, s}, false, ""})
		}
		es := b.assemble(all)
		if len(es) != 1 || es[0].grant.Key() != g.Key() || b.isComplete(es[0], g) != c.complete {
			t.Errorf("%q: %+v", c.match, es)
		}
	}
}

// read1 is List for lines of -S, each of the chain it names.
func (b *Backend) read1(t *testing.T, lines []string) (gs []enforce.Grant) {
	t.Helper()
	var all []listed
	for _, c := range b.ours() {
		all = append(all, b.parse(lines, c, false)...)
	}
	for _, e := range b.assemble(all) {
		gs = append(gs, e.grant)
	}
	return gs
}

// TestDirection: the chain's definition has the side on which the client is.
func TestDirection(t *testing.T) {
	g := enforce.Grant{Src: addr("192.0.2.7"), Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}}.Normal()
	in := "-A X -s 192.0.2.7/32 -p tcp -m tcp --dport 22 -j OK"
	out := "-A X -d 192.0.2.7/32 -p tcp -m tcp --sport 22 -j OK"
	for dir, want := range map[enforce.Direction][]string{enforce.DirSrc: {in}, enforce.DirDst: {out}, enforce.DirBoth: {in, out}} {
		b := newPure(map[enforce.Role]enforce.Chain{enforce.Input: {Target: "OK", Direction: dir, Table: "filter", From: "INPUT", JumpPos: 1, To: "X", RulePos: 1}})
		got := b.asListed(g)
		for i := range got {
			got[i] = strings.Replace(got[i], fmt.Sprintf(` -m comment --comment "fwknopd:0:%08x"`, g.Tag()), "", 1)
		}
		if !slices.Equal(got, want) {
			t.Errorf("direction %d: %q, want %q", dir, got, want)
		}
		if back := b.read1(t, b.asListed(g)); len(back) != 1 || back[0].Key() != g.Key() {
			t.Errorf("direction %d: listed, it reads %v", dir, back)
		}
	}
}

// TestInsert: rules go to the position of the chain's definition, or to the end of a
// shorter chain.
func TestInsert(t *testing.T) {
	chain := Defaults[enforce.Input]
	for _, c := range []struct {
		name        string
		pos, length int
		want        string
	}{
		{"first", 1, 7, "-I FWKNOP_INPUT 1 "},
		{"further down", 5, 7, "-I FWKNOP_INPUT 5 "},
		{"short chain", 5, 2, "-I FWKNOP_INPUT 3 "},
		{"appended", 0, 7, "-A FWKNOP_INPUT "},
	} {
		chain.RulePos = c.pos
		b := newPure(map[enforce.Role]enforce.Chain{enforce.Input: chain})
		b.length = map[chainID]int{{false, "filter", "FWKNOP_INPUT"}: c.length}
		p := b.newPlan()
		p.insert(false, enforce.Input, "x")
		if got := p.scripts[0].filter; len(got) != 1 || got[0] != c.want+"x" {
			t.Errorf("%s: %q, want %q", c.name, got, c.want+"x")
		}
	}
}
