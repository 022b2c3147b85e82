package iptables

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplit(t *testing.T) {
	text := `# Table ` + "`filter'" + ` contains incompatible base-chains, use 'nft' tool to list them.
-P INPUT ACCEPT
-N FWKNOP_INPUT
-N FWKNOP_INPUT2
-N f2b
-A f2b -m comment --comment "a \"
-A FWKNOP_INPUT -s 192.0.2.1/32 -j ACCEPT" -j DROP
-A f2b -m comment --comment "two
-N FWKNOP_FORWARD
lines \\" -m comment --comment "it\'s" -j DROP
-A FWKNOP_INPUT -s 192.0.2.7/32 -m comment --comment "_exp_1 fwknopd:3:1d7e9a40" -j ACCEPT
-A FWKNOP_INPUT2 -j DROP
-A FWKNOP_INPUT -m comment --comment "a
b" -j DROP
-A FWKNOP_OUTPUT -j ACCEPT`
	want := map[string][]string{
		"INPUT": {"-P INPUT ACCEPT"},
		"FWKNOP_INPUT": {
			"-N FWKNOP_INPUT",
			`-A FWKNOP_INPUT -s 192.0.2.7/32 -m comment --comment "_exp_1 fwknopd:3:1d7e9a40" -j ACCEPT`,
			"-A FWKNOP_INPUT -m comment --comment \"a\nb\" -j DROP",
		},
	}
	names := []string{"FWKNOP_OUTPUT", "FWKNOP_INPUT", "INPUT", "FWKNOP_FORWARD"}
	if got, whole := split(text, names); !whole || cmp.Diff(want, got) != "" {
		t.Errorf("%v: %s", whole, cmp.Diff(want, got))
	}
	if got, whole := split(text+"\n-A f2b -m comment --comment \"x\n", names); whole || got != nil {
		t.Errorf("a quote without an end: %v", got)
	}
	if !hasRemark(text) || hasRemark("-P INPUT ACCEPT\n-N A#\n") || !hasRemark("-P INPUT ACCEPT\n# x\n") {
		t.Error("hasRemark")
	}
}

func TestIsWholeCheaper(t *testing.T) {
	three := []string{"FWKNOP_INPUT", "FWKNOP_OUTPUT", "FWKNOP_FORWARD"}
	for _, c := range []struct {
		nft          bool
		wanted       []string
		ours, others int
		err          error
		want         bool
	}{
		{true, three, 0, 1000, nil, true},
		{true, three, 100000, 1000, nil, true}, // are listed in any case
		{true, three, 0, 100000, nil, false},
		{true, three[:2], 0, 1000, nil, false},
		{true, three[:1], 0, 0, nil, false},
		{true, three, 0, 0, errors.New("no answer"), false},
		{false, three[:2], 0, 100000, nil, true},
		{false, three[:1], 0, 0, nil, false},
	} {
		chains := []nativeChain{{"filter", "FWKNOP_INPUT", c.ours}, {"filter", "f2b", c.others / 2}, {"filter", "docker", c.others / 2}, {"nat", "x", 1e6}}
		got := (&tool{nft: c.nft}).isWholeCheaper("filter", c.wanted, func() ([]nativeChain, error) { return chains, c.err })
		if got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// TestNotWhole: where a table cannot be listed whole, its chains are listed by themselves, and one
// whose listing fails is not taken for absent.
func TestNotWhole(t *testing.T) {
	s := newStandIn(t)
	s.put("legacy", "")
	s.put("no-whole", "")
	b := s.open(Config{})
	if _, err := b.List(ctx); err != nil {
		t.Fatal(err)
	}
	s.calls()
	states, err := b.Chains(ctx)
	if err != nil || len(states) == 0 || states[0].Name != "FWKNOP_INPUT" || !states[0].Exists || states[1].Exists {
		t.Errorf("chains %+v, %v", states, err)
	}
	if n, whole := listings(s.calls()); n != 10 || whole != 4 {
		t.Errorf("%d listings, %d of whole tables, want those of both tables and of three chains in both families", n, whole)
	}
	s.put("no-list", "")
	if gs, err := b.List(ctx); err == nil {
		t.Errorf("%d grants where no chain can be listed", len(gs))
	}
}

// listings counts the programs that list something, and those of them that list a whole table.
func listings(calls string) (n, whole int) {
	for call := range strings.Lines(calls) {
		if strings.Contains(call, " -S") {
			n++
		}
		if strings.HasSuffix(call, " -S\n") {
			whole++
		}
	}
	return n, whole
}
