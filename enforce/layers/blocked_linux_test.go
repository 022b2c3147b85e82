package layers

import (
	"context"
	"errors"
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

// TestOneLayerFails: a new grant is open in all layers or in none; one that is restored
// stays where it is open.
func TestOneLayerFails(t *testing.T) {
	ctx := context.Background()
	first, second := new(enforce.Recorder), new(enforce.Recorder)
	b := &Backend{open: newOpenGrants()}
	b.members.Store(&[]*member{{Backend: first, nat: true}, {Backend: second}})
	old, fresh := grantOf(netip.MustParseAddr("192.0.2.1")), grantOf(netip.MustParseAddr("192.0.2.2"))
	if err := enforce.Open(ctx, b, old); err != nil {
		t.Fatal(err)
	}
	second.Flush(ctx)
	second.Fail = func(enforce.Grant) error { return errors.New("locked") }
	diff, err := b.Compare(ctx, []enforce.Grant{old})
	if err != nil || len(diff.Missing) != 1 {
		t.Fatalf("Compare = %+v, %v, want one missing", diff, err)
	}
	opened, _ := b.Change(ctx, []enforce.Grant{old, fresh}, nil)
	if len(opened) != 2 || opened[0] == nil || opened[1] == nil {
		t.Errorf("errors = %v, want two", opened)
	}
	if left, _ := first.List(ctx); len(left) != 1 || left[0].Src != old.Src {
		t.Errorf("open in the first layer: %v, want what was open before", left)
	}
}
