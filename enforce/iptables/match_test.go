package iptables

import (
	"net/netip"
	"testing"

	"fwknopd/enforce"
	"fwknopd/enforce/quote"
	"fwknopd/enforce/ruleset"
)

// TestListedRule: what a rule means for the first packet to tcp/22 of a client.
func TestListedRule(t *testing.T) {
	first := ruleset.Packet{
		Hook: ruleset.Input, Src: netip.MustParseAddr("192.0.2.7"), Proto: enforce.TCP, Dport: 22, State: ruleset.New,
	}
	anyone := ruleset.Anyone(ruleset.Input, false)
	answer := ruleset.Packet{Hook: ruleset.Output, Dst: first.Src, Proto: enforce.TCP, Sport: 22, State: ruleset.Established}
	translated := first
	translated.DNAT = true
	for _, c := range []struct {
		rule   string
		packet ruleset.Packet
		want   ruleset.Truth
		verb   ruleset.Verb
	}{
		{"-j DROP", first, ruleset.Yes, ruleset.Drop},
		{"-j REJECT --reject-with icmp-port-unreachable", first, ruleset.Yes, ruleset.Drop},
		{"-j LOG --log-prefix DROP", first, ruleset.Yes, ruleset.Continue},
		{"-j NFQUEUE --queue-num 1", first, ruleset.Yes, ruleset.Queue},
		{"-j user", first, ruleset.Yes, ruleset.Jump},
		{"-g user", first, ruleset.Yes, ruleset.Goto},
		{"-j RETURN", first, ruleset.Yes, ruleset.Return},
		{"-i lo -j ACCEPT", first, ruleset.No, ruleset.Accept},
		{"! -i lo -j DROP", first, ruleset.Yes, ruleset.Drop},
		{"-i eth0 -j DROP", first, ruleset.Maybe, ruleset.Drop},
		{"-s 192.0.2.0/24 -j DROP", first, ruleset.Yes, ruleset.Drop},
		{"! -s 192.0.2.0/24 -j DROP", first, ruleset.No, ruleset.Drop},
		{"-s 198.51.100.1/32 -j DROP", first, ruleset.No, ruleset.Drop},
		{"-s 198.51.100.1/32 -j DROP", anyone, ruleset.Maybe, ruleset.Drop},
		{"-d 198.51.100.1/32 -j DROP", first, ruleset.Maybe, ruleset.Drop},
		{"-p tcp -m tcp --dport 22 -j DROP", first, ruleset.Yes, ruleset.Drop},
		{"-p tcp -m tcp ! --dport 22 -j DROP", first, ruleset.No, ruleset.Drop},
		{"-p tcp -m tcp --dport 20:25 -j DROP", first, ruleset.Yes, ruleset.Drop},
		{"-p tcp -m tcp --dport 22 -j DROP", anyone, ruleset.Maybe, ruleset.Drop},
		{"-p udp -m udp --dport 22 -j DROP", first, ruleset.No, ruleset.Drop},
		{"-p 17 -j DROP", first, ruleset.No, ruleset.Drop},
		{"-p icmp -m icmp --icmp-type 8 -j DROP", first, ruleset.No, ruleset.Drop},
		{"-p tcp -m multiport --dports 80,443 -j DROP", first, ruleset.No, ruleset.Drop},
		{"-p tcp -m multiport --dports 80,20:25 -j DROP", first, ruleset.Yes, ruleset.Drop},
		{"-p tcp -m tcp --sport 22 -j ACCEPT", answer, ruleset.Yes, ruleset.Accept},
		{"-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", first, ruleset.No, ruleset.Accept},
		{"-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", answer, ruleset.Yes, ruleset.Accept},
		{"-m state --state NEW -j DROP", first, ruleset.Yes, ruleset.Drop},
		{"-m conntrack --ctstate INVALID -j DROP", first, ruleset.No, ruleset.Drop},
		{"-m conntrack ! --ctstate ESTABLISHED -j DROP", first, ruleset.Yes, ruleset.Drop},
		{"-m conntrack --ctstate DNAT -j ACCEPT", translated, ruleset.Yes, ruleset.Accept},
		{"-m conntrack --ctstate DNAT -j ACCEPT", first, ruleset.No, ruleset.Accept},
		{"-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -m conntrack --ctstate NEW -j DROP", first, ruleset.No, ruleset.Drop},
		{"-p tcp -m tcp --tcp-flags FIN,SYN FIN,SYN -j DROP", first, ruleset.No, ruleset.Drop},
		{"-m limit --limit 5/min -j ACCEPT", first, ruleset.Maybe, ruleset.Accept},
		{"-m set --match-set banned src -j DROP", first, ruleset.Maybe, ruleset.Drop},
		{"-p tcp -m set ! --match-set trusted src -j DROP", first, ruleset.Maybe, ruleset.Drop},
		{"-p udp -m set --match-set banned src -j DROP", first, ruleset.No, ruleset.Drop},
		{"-m rpfilter --invert -j DROP", first, ruleset.Maybe, ruleset.Drop},
		{"-m socket -j ACCEPT", first, ruleset.Maybe, ruleset.Accept},
		{"-m addrtype --dst-type LOCAL -j ACCEPT", first, ruleset.Yes, ruleset.Accept},
		{"-m addrtype --dst-type BROADCAST -j DROP", first, ruleset.No, ruleset.Drop},
		{"-f -j DROP", first, ruleset.No, ruleset.Drop},
		{`-m comment --comment "-j DROP" -j ACCEPT`, first, ruleset.Yes, ruleset.Accept},
		{"-m time --datestop 2026-11-22T07:46:35 -j ACCEPT", first, ruleset.Maybe, ruleset.Accept},
		{"-p tcp", first, ruleset.Yes, ruleset.Continue},
	} {
		words, err := quote.Iptables.Split(c.rule)
		if err != nil {
			t.Fatal(c.rule)
		}
		r := parseListed(words, func(name string) bool { return name == "user" })
		verdicts, got := r.Judge(&c.packet)
		if got != c.want {
			t.Errorf("%s: %d, want %d", c.rule, got, c.want)
		}
		if got != ruleset.No && verdicts[0].Verb != c.verb {
			t.Errorf("%s: verb %d, want %d", c.rule, verdicts[0].Verb, c.verb)
		}
	}
}

// FuzzListedRule: whatever a program prints, a rule comes of it.
func FuzzListedRule(f *testing.F) {
	for _, s := range []string{"-p tcp ! --dport 22 -j DROP", "!", "-j", "! ! -s x -j", "-m tcp --tcp-flags SYN", "-s 1.2.3.4/33 -g x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, err := quote.Iptables.Split(line)
		if err != nil {
			return
		}
		p := ruleset.Anyone(ruleset.Input, false)
		parseListed(words, func(string) bool { return true }).Judge(&p)
	})
}

// TestBases: the listing of a table becomes its base chains.
func TestBases(t *testing.T) {
	const listing = `# Warning: iptables-legacy tables present, use iptables-legacy to see them
-P INPUT DROP
-P FORWARD ACCEPT
-P OUTPUT ACCEPT
-N FWKNOP_INPUT
-N f2b-sshd
-A INPUT -j FWKNOP_INPUT
-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd
-A FORWARD -j REJECT --reject-with icmp-host-prohibited
-A f2b-sshd -s 198.51.100.1/32 -j REJECT
-A f2b-sshd -j RETURN
`
	s := &Surveyor{Layer: ruleset.IPTablesLegacy, ours: map[string]bool{"FWKNOP_INPUT": true}}
	want := map[string]struct{ drops, dropsWithout bool }{
		"ip6tables-legacy filter INPUT":   {false, true},
		"ip6tables-legacy filter FORWARD": {true, true},
		"ip6tables-legacy filter OUTPUT":  {false, false},
	}
	bases := s.Bases(true, "filter", listing)
	if len(bases) != len(want) {
		t.Fatalf("%d base chains, want %d", len(bases), len(want))
	}
	for _, b := range bases {
		p := ruleset.Anyone(b.Hook, true)
		with, without := b.Judge(&p, ruleset.OursAccept), b.Judge(&p, ruleset.OursAbsent)
		if w, ok := want[b.Name]; !ok || with.Drops != w.drops || without.Drops != w.dropsWithout || !b.Holds() || b.V4 {
			t.Errorf("%s: with ours %+v, without %+v, want %+v", b.Name, with, without, w)
		}
	}
}
