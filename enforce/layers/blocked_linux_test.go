package layers

import (
	"context"
	"net/netip"
	"slices"
	"testing"

	"fwknopd/enforce"
	"fwknopd/enforce/ruleset"
)

// TestBlockedSurveysOnce: many grants that the same chain drops cost one survey, and what
// was read before a change of ours is not believed. Without programs and nf_tables a
// survey finds nothing, so that the chain is gone when there was one.
func TestBlockedSurveysOnce(t *testing.T) {
	wall := &ruleset.Base{Name: "table inet x chain y", Hook: ruleset.Input, V4: true, Policy: ruleset.Drop, Chain: "y"}
	b := &Backend{findings: &findings{bases: []*ruleset.Base{wall}}, fresh: true}
	b.members.Store(new([]*member))
	g := enforce.Grant{Src: netip.MustParseAddr("192.0.2.7"), Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}}
	blocked := func() []string {
		t.Helper()
		by, err := b.Blocked(context.Background(), g)
		if err != nil {
			t.Fatal(err)
		}
		return by
	}
	for range 3 {
		if by := blocked(); !slices.Equal(by, []string{wall.Name}) {
			t.Fatalf("blocked by %q: it was surveyed again", by)
		}
	}
	for name, change := range map[string]func(){
		"remember": b.noteGeneration,
		"Change":   func() { b.Change(context.Background(), nil, []enforce.Grant{{}}) },
	} {
		b.findings, b.fresh = &findings{bases: []*ruleset.Base{wall}}, true
		if change(); b.fresh {
			t.Errorf("%s: the last survey still counts", name)
		}
		if by := blocked(); len(by) > 0 {
			t.Errorf("%s: blocked by %q, from before", name, by)
		}
	}
}
