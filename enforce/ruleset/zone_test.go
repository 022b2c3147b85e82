package ruleset

import (
	"net/netip"
	"testing"

	"fwknopd/enforce"
)

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
