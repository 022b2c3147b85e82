package ruleset

import (
	"slices"
	"testing"

	"fwknopd/enforce"
)

// TestBypasses: what ends the way of a packet in front of the guard is named, and only that.
func TestBypasses(t *testing.T) {
	guard := on(Yes, Jump, "guard")
	rule := func(number int, verb Verb, sure bool) Bypass { return Bypass{"base", "", number, verb, sure} }
	in := func(b Bypass, chain string) Bypass { b.Chain = chain; return b }
	for _, c := range []struct {
		name   string
		policy Verb
		rules  []Rule
		chains map[string][]Rule
		want   []Bypass
	}{
		{"the guard first", Accept, []Rule{guard, on(Yes, Accept)}, nil, nil},
		{"an accept in front", Accept, []Rule{on(Yes, Accept), guard}, nil, []Bypass{rule(1, Accept, true)}},
		{"an accept for others", Accept, []Rule{on(No, Accept), guard}, nil, nil},
		{"a drop in front", Accept, []Rule{on(Yes, Drop), guard}, nil, nil},
		{"an accept that may match", Drop, []Rule{on(No, Accept), on(Maybe, Accept), guard}, nil, []Bypass{rule(2, Accept, false)}},
		{"one that may and one that does", Drop, []Rule{on(Maybe, Accept), on(Yes, Accept), guard}, nil, []Bypass{rule(1, Accept, false), rule(2, Accept, true)}},
		{"a program decides", Drop, []Rule{on(Yes, Queue), guard}, nil, []Bypass{rule(1, Queue, true)}},
		{"an accept in a chain", Drop, []Rule{on(Yes, Jump, "a"), guard}, map[string][]Rule{"a": {on(No, Accept), on(Yes, Accept)}}, []Bypass{in(rule(2, Accept, true), "a")}},
		{"an accept in a chain that may be met", Drop, []Rule{on(Maybe, Jump, "a"), guard}, map[string][]Rule{"a": {on(Yes, Accept)}}, []Bypass{in(rule(1, Accept, false), "a")}},
		{"a chain that returns", Accept, []Rule{on(Yes, Jump, "a"), guard}, map[string][]Rule{"a": {on(Yes, Return), on(Yes, Accept)}}, nil},
		{"a return in front, to an accept", Drop, []Rule{on(Yes, Jump, "user"), on(Yes, Accept)}, map[string][]Rule{"user": {on(Yes, Return), guard}}, []Bypass{in(rule(1, Return, true), "user")}},
		{"a return in front, to one that may match", Drop, []Rule{on(Yes, Jump, "user"), on(Maybe, Accept)}, map[string][]Rule{"user": {on(Yes, Return), guard}}, []Bypass{in(rule(1, Return, false), "user")}},
		{"a return in front, to a drop", Drop, []Rule{on(Yes, Jump, "user")}, map[string][]Rule{"user": {on(Yes, Return), guard}}, nil},
		{"a return in front, to the policy", Accept, []Rule{on(Yes, Jump, "user")}, map[string][]Rule{"user": {on(Yes, Return), guard}}, []Bypass{in(rule(1, Return, true), "user")}},
		{"a return that may match, to a drop", Drop, []Rule{on(Yes, Jump, "user")}, map[string][]Rule{"user": {on(Maybe, Return), guard}}, nil},
		{"a return that may match, to an accept", Drop, []Rule{on(Yes, Jump, "user"), on(Yes, Accept)}, map[string][]Rule{"user": {on(Maybe, Return), guard}}, []Bypass{in(rule(1, Return, false), "user")}},
		{"a return that may match, to a second guard", Accept, []Rule{on(Yes, Jump, "user"), guard}, map[string][]Rule{"user": {on(Maybe, Return), guard}}, nil},
		{"a goto that may match, to a chain that ends", Accept, []Rule{on(Maybe, Goto, "a"), guard}, map[string][]Rule{"a": nil}, []Bypass{rule(1, Goto, false)}},
		{"a goto that may match, to a chain that was met", Accept, []Rule{on(Maybe, Jump, "a"), on(Maybe, Goto, "a"), guard}, map[string][]Rule{"a": nil}, []Bypass{rule(2, Goto, false)}},
		{"a return in front, to a chain that was met", Drop, []Rule{on(Maybe, Jump, "a"), on(Yes, Jump, "user"), on(Maybe, Jump, "a")}, map[string][]Rule{"a": {on(Yes, Accept)}, "user": {on(Yes, Return), guard}},
			[]Bypass{in(rule(1, Accept, false), "a"), in(rule(1, Return, false), "user")}},
		{"a return in a chain that may be met", Drop, []Rule{on(Maybe, Jump, "user")}, map[string][]Rule{"user": {on(Maybe, Return), guard}}, []Bypass{in(rule(1, Return, false), "user")}},
		{"a goto to a chain without the guard", Accept, []Rule{on(Yes, Goto, "a"), guard}, map[string][]Rule{"a": nil}, []Bypass{rule(1, Goto, true)}},
		{"a goto to a drop", Accept, []Rule{on(Maybe, Goto, "a"), guard}, map[string][]Rule{"a": {on(Yes, Drop)}}, nil},
		{"a goto to the guard", Accept, []Rule{on(Yes, Goto, "a"), on(Yes, Accept)}, map[string][]Rule{"a": {guard}}, nil},
		{"no way to the guard", Accept, nil, nil, []Bypass{rule(0, Accept, true)}},
		{"no way to the guard, to a drop", Drop, nil, nil, nil},
		{"a way for some packets", Accept, []Rule{on(Maybe, Jump, "guard")}, nil, []Bypass{rule(0, Accept, false)}},
		{"grants of ours in front", Drop, []Rule{on(Yes, Jump, "ours"), guard}, nil, nil},
	} {
		b := Base{Name: "base", Hook: Forward, V4: true, Policy: c.policy, Chain: "base", Chains: map[string][]Rule{"base": c.rules}, Ours: map[string]bool{"ours": true, "guard": false}}
		for name, rules := range c.chains {
			b.Chains[name] = rules
		}
		p := Anyone(Forward, false)
		if got := b.Bypasses(&p, "guard"); !slices.Equal(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// TestPlannedGuard: DOCKER-USER leads to the guard where every forwarded packet passes it.
func TestPlannedGuard(t *testing.T) {
	for _, c := range []struct {
		name  string
		rules []Rule
		want  string
	}{
		{"without Docker", []Rule{on(Yes, Accept)}, ""},
		{"with Docker", []Rule{on(Yes, Accept), on(Yes, Jump, DockerUser)}, DockerUser},
		{"for some packets", []Rule{on(Maybe, Jump, DockerUser)}, ""},
	} {
		b := Base{Hook: Forward, V4: true, Chain: "base", Chains: map[string][]Rule{"base": c.rules}}
		if got := b.PlannedGuard(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestBypassText: the rule, the ports and for whom.
func TestBypassText(t *testing.T) {
	ports := []enforce.Port{{Proto: enforce.TCP, Number: 8080}, {Proto: enforce.UDP, Number: 5000}}
	for want, b := range map[string]Bypass{
		"the policy of iptables-nft filter FORWARD accepts in front of the guard: all clients reach tcp/8080, udp/5000 without a grant":                 {"iptables-nft filter FORWARD", "", 0, Accept, true},
		"rule 1 of iptables-nft filter FORWARD accepts in front of the guard: all clients reach tcp/8080, udp/5000 without a grant":                     {"iptables-nft filter FORWARD", "", 1, Accept, true},
		"rule 2 of DOCKER-USER (iptables-nft filter FORWARD) returns in front of the guard: what it matches reaches tcp/8080, udp/5000 without a grant": {"iptables-nft filter FORWARD", DockerUser, 2, Return, false},
	} {
		if got := b.Text(ports); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}
