package ruleset

import (
	"net/netip"
	"slices"
	"testing"

	"fwknopd/enforce"
)

// fixed is a rule with a known answer.
type fixed struct {
	truth    Truth
	verdicts []Verdict
}

func (f fixed) Judge(*Packet) ([]Verdict, Truth) { return f.verdicts, f.truth }

func on(t Truth, verb Verb, chain ...string) Rule {
	v := Verdict{Verb: verb}
	if len(chain) > 0 {
		v.Chain = chain[0]
	}
	return fixed{t, []Verdict{v}}
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy Verb
		rules  []Rule
		chains map[string][]Rule
		ours   Ours
		want   Fate
	}{
		{"policy accept", Accept, nil, nil, OursAccept, Fate{MayAccept: true}},
		{"policy drop", Drop, nil, nil, OursAccept, Fate{Drops: true, MayDrop: true}},
		{"accept before the policy", Drop, []Rule{on(Yes, Accept)}, nil, OursAccept, Fate{MayAccept: true}},
		{"a drop that does not match", Accept, []Rule{on(No, Drop)}, nil, OursAccept, Fate{MayAccept: true}},
		{"a drop that may match", Accept, []Rule{on(Maybe, Drop)}, nil, OursAccept, Fate{MayDrop: true, MayAccept: true}},
		{"an accept that may match", Drop, []Rule{on(Maybe, Accept)}, nil, OursAccept, Fate{Drops: true, MayDrop: true, MayAccept: true}},
		{"a drop at the end", Accept, []Rule{on(Maybe, Accept), on(Yes, Drop)}, nil, OursAccept, Fate{Drops: true, MayDrop: true, MayAccept: true}},
		{"a drop behind an accept", Accept, []Rule{on(Yes, Accept), on(Yes, Drop)}, nil, OursAccept, Fate{MayAccept: true}},
		{"queue", Drop, []Rule{on(Yes, Queue)}, nil, OursAccept, Fate{MayDrop: true, MayAccept: true}},
		{"no verdict", Drop, []Rule{fixed{Yes, nil}, on(Yes, Continue)}, nil, OursAccept, Fate{Drops: true, MayDrop: true}},
		{"jump and back", Accept, []Rule{on(Yes, Jump, "a"), on(Yes, Drop)}, map[string][]Rule{"a": nil}, OursAccept, Fate{Drops: true, MayDrop: true}},
		{"jump to a drop", Accept, []Rule{on(Yes, Jump, "a")}, map[string][]Rule{"a": {on(Yes, Drop)}}, OursAccept, Fate{Drops: true, MayDrop: true}},
		{"goto does not come back", Accept, []Rule{on(Yes, Goto, "a"), on(Yes, Drop)}, map[string][]Rule{"a": nil}, OursAccept, Fate{MayAccept: true}},
		{"return", Accept, []Rule{on(Yes, Jump, "a"), on(Yes, Drop)}, map[string][]Rule{"a": {on(Yes, Return), on(Yes, Accept)}}, OursAccept, Fate{Drops: true, MayDrop: true}},
		{"return from the base chain", Accept, []Rule{on(Yes, Return), on(Yes, Drop)}, nil, OursAccept, Fate{MayAccept: true}},
		{"a return that may match", Accept, []Rule{on(Maybe, Return), on(Yes, Drop)}, nil, OursAccept, Fate{Drops: true, MayDrop: true, MayAccept: true}},
		{"a goto that may match", Accept, []Rule{on(Maybe, Goto, "a"), on(Yes, Drop)}, map[string][]Rule{"a": nil}, OursAccept, Fate{Drops: true, MayDrop: true, MayAccept: true}},
		{"a jump that may lead to a drop", Accept, []Rule{on(Maybe, Jump, "a")}, map[string][]Rule{"a": {on(Yes, Drop)}}, OursAccept, Fate{MayDrop: true, MayAccept: true}},
		{"a jump that may lead to an accept", Drop, []Rule{on(Maybe, Goto, "a")}, map[string][]Rule{"a": {on(Yes, Accept)}}, OursAccept, Fate{Drops: true, MayDrop: true, MayAccept: true}},
		{"one of several", Accept, []Rule{fixed{Maybe, []Verdict{{Verb: Accept}, {Verb: Jump, Chain: "a"}}}}, map[string][]Rule{"a": {on(Yes, Drop)}}, OursAccept, Fate{MayDrop: true, MayAccept: true}},
		{"ours first", Drop, []Rule{on(Yes, Jump, "ours")}, map[string][]Rule{"ours": nil}, OursAccept, Fate{MayAccept: true}},
		{"ours behind a drop", Accept, []Rule{on(Yes, Drop), on(Yes, Jump, "ours")}, map[string][]Rule{"ours": nil}, OursAccept, Fate{Drops: true, MayDrop: true}},
		{"without ours", Drop, []Rule{on(Yes, Jump, "ours")}, map[string][]Rule{"ours": nil}, OursAbsent, Fate{Drops: true, MayDrop: true}},
		{"a loop ends", Drop, []Rule{on(Yes, Jump, "a")}, map[string][]Rule{"a": {on(Yes, Jump, "a")}}, OursAccept, Fate{Drops: true, MayDrop: true}},
	} {
		b := Base{Hook: Input, V4: true, Policy: c.policy, Chain: "base", Chains: map[string][]Rule{"base": c.rules}, Ours: map[string]bool{"ours": true}}
		for name, rules := range c.chains {
			b.Chains[name] = rules
		}
		p := Anyone(Input, false)
		if got := b.Judge(&p, c.ours); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestTruth(t *testing.T) {
	for _, c := range []struct{ a, b, and Truth }{{Yes, Yes, Yes}, {Yes, Maybe, Maybe}, {Maybe, No, No}, {Yes, No, No}} {
		if got := c.a.And(c.b); got != c.and {
			t.Errorf("%d and %d = %d, want %d", c.a, c.b, got, c.and)
		}
	}
	if Yes.Not() != No || No.Not() != Yes || Maybe.Not() != Maybe {
		t.Error("the opposite of Maybe is Maybe, of the others the other")
	}
}

// TestPackets: which hooks the packets of a grant pass, and what they look like there.
func TestPackets(t *testing.T) {
	client, inside := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddrPort("10.0.0.2:80")
	ssh := enforce.Grant{Src: client, Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}}
	nat, local := ssh, ssh
	nat.NAT, local.NAT = &enforce.NAT{Target: inside}, &enforce.NAT{Target: inside, Local: true}
	for _, c := range []struct {
		name string
		g    enforce.Grant
		want []Hook
	}{
		{"to the host", ssh, []Hook{Ingress, Prerouting, Input, Output, Postrouting, Egress}},
		{"forwarded", nat, []Hook{Ingress, Prerouting, Forward, Postrouting, Forward}},
		{"translated to the host", local, []Hook{Ingress, Prerouting, Input, Output, Postrouting, Egress}},
	} {
		var hooks []Hook
		for _, p := range packets(c.g) {
			hooks = append(hooks, p.Hook)
			answer := p.State == Established
			wantPort := uint16(22)
			if c.g.NAT != nil && p.Hook > Prerouting {
				wantPort = 80
			}
			if answer && (p.Dst != client || p.Sport != wantPort) || !answer && (p.Src != client || p.Dport != wantPort) {
				t.Errorf("%s: on %s %+v", c.name, p.Hook, p)
			}
		}
		if !slices.Equal(hooks, c.want) {
			t.Errorf("%s: hooks %v, want %v", c.name, hooks, c.want)
		}
	}
	two := ssh
	two.Ports = []enforce.Port{{Proto: enforce.TCP, Number: 22}, {Proto: enforce.UDP, Number: 53}}
	if n := len(packets(two)); n != 12 {
		t.Errorf("%d packets of two ports, want 12", n)
	}
}

func TestBlockers(t *testing.T) {
	base := func(name string, hook Hook, policy Verb, rules ...Rule) *Base {
		return &Base{Name: name, Hook: hook, V4: true, Policy: policy, Chain: "c", Chains: map[string][]Rule{"c": rules}}
	}
	v6only := base("v6", Input, Drop)
	v6only.V4, v6only.V6 = false, true
	bases := []*Base{
		base("in", Input, Drop), base("other in", Input, Accept, on(Maybe, Drop)), base("way through", Forward, Drop),
		base("pre", Prerouting, Accept, on(Yes, Drop)), base("out", Output, Drop), v6only,
	}
	g := enforce.Grant{Src: netip.MustParseAddr("192.0.2.7"), Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}}
	if got := Blockers(bases, g, nil); !slices.Equal(got, []string{"pre", "in", "out"}) {
		t.Errorf("Blockers = %q", got)
	}
	g.NAT = &enforce.NAT{Target: netip.MustParseAddrPort("10.0.0.2:80")}
	if got := Blockers(bases, g, nil); !slices.Equal(got, []string{"pre", "way through"}) {
		t.Errorf("Blockers of a translation = %q", got)
	}
}

func TestCutsConnections(t *testing.T) {
	established := rule(func(p *Packet) ([]Verdict, Truth) { return []Verdict{{Verb: Accept}}, Of(p.State == Established) })
	for _, c := range []struct {
		name   string
		policy Verb
		rules  []Rule
		want   bool
	}{
		{"nothing drops", Accept, nil, false},
		{"all is dropped", Drop, nil, true},
		{"known connections pass", Drop, []Rule{established}, false},
		{"or may pass", Drop, []Rule{on(Maybe, Accept)}, false},
		{"dropped by a rule", Accept, []Rule{on(Yes, Drop)}, true},
	} {
		b := Base{Hook: Input, V6: true, Policy: c.policy, Chain: "c", Chains: map[string][]Rule{"c": c.rules}}
		if got := b.CutsConnections(); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

type rule func(*Packet) ([]Verdict, Truth)

func (r rule) Judge(p *Packet) ([]Verdict, Truth) { return r(p) }

// TestIn: of a prefix it is known whether it lies in a network, only if that holds all of it
// or nothing.
func TestIn(t *testing.T) {
	for _, c := range []struct {
		addr string
		bits uint8
		net  string
		want Truth
	}{
		{"192.0.2.7", 0, "192.0.2.0/24", Yes},
		{"192.0.2.7", 0, "192.0.2.8/32", No},
		{"192.0.2.0", 24, "192.0.0.0/16", Yes},
		{"192.0.2.0", 24, "192.0.2.0/24", Yes},
		{"192.0.2.0", 24, "192.0.2.66/32", Maybe},
		{"192.0.2.0", 24, "192.0.3.0/25", No},
		{"2001:db8::", 64, "2001:db8::1/128", Maybe},
		{"2001:db8::", 64, "192.0.2.0/24", No},
	} {
		if got := In(netip.MustParseAddr(c.addr), c.bits, netip.MustParsePrefix(c.net)); got != c.want {
			t.Errorf("%s/%d in %s: %v, want %v", c.addr, c.bits, c.net, got, c.want)
		}
	}
}

// TestZones: a grant gets through firewalld if the chain of each zone in which its packets may
// land accepts it; what the chains of other zones do does not count.
func TestZones(t *testing.T) {
	policy := []Rule{on(Maybe, Jump, "filter_IN_policy_shut")}
	zones := []Rule{on(Maybe, Goto, "filter_IN_trusted"), on(No, Goto, "filter_IN_drop"), on(Maybe, Goto, "filter_IN_home"), on(Maybe, Goto, "filter_IN_policy"), on(Yes, Goto, "filter_IN_public")}
	chains := map[string][]Rule{
		"base": append(policy, on(Yes, Jump, "zones"), on(Yes, Drop)), "zones": zones,
		"filter_IN_policy_shut": {on(Yes, Drop)}, "filter_IN_trusted": {on(Yes, Accept)}, "filter_IN_drop": {on(Yes, Drop)},
		"filter_IN_home": {on(Yes, Drop)}, "filter_IN_policy": {on(Yes, Accept)}, "filter_IN_public": nil,
	}
	of := func(layer Layer) []*Base {
		return []*Base{{Layer: layer, Name: "in", Hook: Input, V4: true, Policy: Accept, Chain: "base", Chains: chains}}
	}
	g := enforce.Grant{Src: netip.MustParseAddr("192.0.2.7"), Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}}
	for _, c := range []struct {
		name  string
		layer Layer
		zones []string
		want  bool
	}{
		{"a zone that accepts", Firewalld, []string{"trusted"}, false},
		{"a zone that drops, beside one that accepts", Firewalld, []string{"home"}, true},
		{"one of two that drops", Firewalld, []string{"trusted", "home"}, true},
		{"the default zone, whose rule is missing", Firewalld, []string{"public"}, true},
		{"a zone that is named as policies are", Firewalld, []string{"policy"}, false},
		{"a zone that has no chain", Firewalld, []string{"work"}, true},
		{"not known", Firewalld, nil, true},
		{"chains of another program", NFTables, []string{"trusted"}, true},
	} {
		if got := len(Blockers(of(c.layer), g, c.zones)) > 0; got != c.want {
			t.Errorf("%s: blocked %v, want %v", c.name, got, c.want)
		}
	}
}
