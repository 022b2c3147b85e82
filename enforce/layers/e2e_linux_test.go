package layers

import (
	"context"
	"strings"
	"testing"

	"fwknopd/enforce"
	"fwknopd/enforce/iptables"
	"fwknopd/enforce/nftables"
	"fwknopd/enforce/ruleset"
	"fwknopd/fixtures/enforcetest"
	"fwknopd/fixtures/netlab"
)

// config is a host with everything.
func config(t testing.TB) Config { return guarded(t, nil) }

// guarded is config with GUARD_FORWARD.
func guarded(t testing.TB, guard enforce.Guard) Config {
	t.Helper()
	only := func(nat bool) enforce.Guard {
		if !nat {
			return nil
		}
		return guard
	}
	cfg := Config{Hooks: []ruleset.Hook{ruleset.Input, ruleset.Output, ruleset.Forward}}
	var err error
	if cfg.NFTables, err = nftables.New(nftables.Config{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"iptables-nft", "iptables-legacy"} {
		s, err := iptables.NewSurveyor(t.Context(), iptables.Config{Path: name})
		if err != nil {
			t.Fatal(err)
		}
		cfg.IPTables = append(cfg.IPTables, s)
		cfg.Layers = append(cfg.Layers, Layer{s.Layer, name, func(ctx context.Context, nat, _ bool) (enforce.Backend, error) {
			return iptables.New(ctx, iptables.Config{Path: name, Guard: only(nat)})
		}})
	}
	native := Layer{ruleset.NFTables, "nftables", func(_ context.Context, nat, beside bool) (enforce.Backend, error) {
		return nftables.New(nftables.Config{Beside: beside, Guard: only(nat)})
	}}
	cfg.Layers = []Layer{cfg.Layers[0], native, cfg.Layers[1]}
	return cfg
}

// setUp returns a backend that is set up as by a daemon, nil after an error.
func setUp(t testing.TB, cfg Config) *Backend {
	t.Helper()
	b, err := New(t.Context(), cfg)
	if err != nil {
		t.Error(err)
		return nil
	}
	if err := b.Setup(t.Context()); err != nil {
		t.Error(err)
	}
	return b
}

// A wall is one firewall of a host: it drops all but neighbour discovery and known
// connections. strict takes the rule for known connections from the output hook.
type wall struct{ up, strict, wipe func(testing.TB, *netlab.NS) }

func tables(program string) wall {
	up := func(t testing.TB, ns *netlab.NS) {
		t.Helper()
		ns.Tables(t, program, "-t nat -P PREROUTING ACCEPT", "-t nat -P POSTROUTING ACCEPT") // builtin chains stay
		ns.ClosedTables(t, program, "INPUT", "FORWARD", "OUTPUT")
	}
	strict := func(t testing.TB, ns *netlab.NS) {
		t.Helper()
		ns.Tables(t, program, append([]string{"-F OUTPUT"}, netlab.Discovery("OUTPUT")...)...)
	}
	return wall{up, strict, func(t testing.TB, ns *netlab.NS) {
		t.Helper()
		ns.Tables(t, program, "-F", "-X")
		up(t, ns)
	}}
}

var walls = map[string]wall{
	"nft": {enforcetest.Load(enforcetest.Dropping), enforcetest.Load(enforcetest.DroppingStrict),
		enforcetest.Load("delete table inet filter\n" + enforcetest.Dropping)},
	"iptables-nft":    tables("iptables-nft"),
	"iptables-legacy": tables("iptables-legacy"),
}

// together is a host with several walls.
func together(names ...string) enforcetest.Variant {
	all := func(f func(w wall) func(testing.TB, *netlab.NS)) func(testing.TB, *netlab.NS) {
		return func(t testing.TB, ns *netlab.NS) {
			t.Helper()
			for _, n := range names {
				f(walls[n])(t, ns)
			}
		}
	}
	v := enforcetest.Variant{
		Tools: names, Coarse: true,
		Protect: all(func(w wall) func(testing.TB, *netlab.NS) { return w.up }),
		Strict:  all(func(w wall) func(testing.TB, *netlab.NS) { return w.strict }),
		Wipe:    map[string]func(testing.TB, *netlab.NS){},
	}
	for _, n := range names {
		v.Wipe[n] = walls[n].wipe
	}
	return v
}

// TestBackend: the promises of a backend hold with one firewall on a host and with several. Each form
// of grant passes all of them; each firewall alone has its own tests of the forms.
func TestBackend(t *testing.T) {
	for _, names := range [][]string{
		{"nft"}, {"iptables-nft", "nft"}, {"iptables-legacy", "nft"}, {"iptables-nft", "nft", "iptables-legacy"},
	} {
		v := together(names...)
		for _, n := range names {
			v.Name += " " + n
		}
		t.Run(v.Name, func(t *testing.T) {
			v.Open = func(ctx context.Context) (enforce.Backend, error) {
				b, err := New(ctx, config(t))
				if err == nil && len(b.all()) != len(names) {
					t.Errorf("in use: %s, want %d layers", b.Name(), len(names))
				}
				return b, err
			}
			if len(names) == len(walls) {
				enforcetest.Run(t, v)
			} else {
				enforcetest.Promises(t, v)
			}
		})
	}
}

// inputs is a ruleset of nft(8) that drops on the input hook.
const inputs = `table inet host {
	chain in {
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
	}
}
`

// TestGuard: one of several layers guards what is forwarded, of whichever program's
// published ports.
func TestGuard(t *testing.T) {
	host := func(t testing.TB, lab *netlab.Lab) {
		lab.Server.Run(t, "nft flush ruleset")
		lab.Server.RunInput(t, inputs, "nft -f -")
		for _, program := range []string{"iptables-nft", "ip6tables-nft"} {
			lab.Server.Run(t, program+" -A INPUT -p tcp --dport 22 -j DROP")
		}
	}
	for name, publish := range map[string]func(testing.TB, *netlab.Lab){
		"iptables": func(t testing.TB, lab *netlab.Lab) { enforcetest.PublishTables(t, lab, "iptables-nft") },
		"nftables": enforcetest.PublishRuleset,
		"legacy":   func(t testing.TB, lab *netlab.Lab) { enforcetest.PublishTables(t, lab, "iptables-legacy") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			open := func(guard enforce.Guard) func(context.Context) (enforce.Backend, error) {
				return func(ctx context.Context) (enforce.Backend, error) { return New(ctx, guarded(t, guard)) }
			}
			enforcetest.RunGuard(t, enforcetest.Variant{
				Name: name, Tools: []string{"nft", "iptables-nft", "iptables-legacy"}, Coarse: true,
				Open: open(nil), Guard: open(enforcetest.Guarded),
				Publish: func(t testing.TB, lab *netlab.Lab) {
					host(t, lab)
					publish(t, lab)
				},
			})
		})
	}
}

// TestGuardLeftBehind: the guard of an earlier FIREWALL_TYPE is named, and one that this
// configuration knows of is removed.
func TestGuardLeftBehind(t *testing.T) {
	for _, fixed := range []bool{true, false} {
		netlab.Need(t, "nft", "iptables-nft", "iptables-legacy")
		lab := netlab.New(t)
		var notes []string
		lab.Server.Do(func() {
			old, err := iptables.New(t.Context(), iptables.Config{Path: "iptables-nft", Guard: enforcetest.Guarded})
			if err == nil {
				err = old.Setup(t.Context())
			}
			if err != nil {
				t.Error(err)
				return
			}
			cfg := config(t)
			if cfg.Fixed = fixed; fixed {
				cfg.Layers = cfg.Layers[1:2]
			}
			b := setUp(t, cfg)
			if b == nil {
				return
			}
			defer b.Close()
			notes = b.Notes()
		})
		rules := lab.Server.Run(t, "iptables-nft -S")
		if named := strings.Contains(strings.Join(notes, "\n"), "has the chain FWKNOP_GUARD of an earlier FIREWALL_TYPE"); named != fixed {
			t.Errorf("fixed %v: notes %q", fixed, notes)
		}
		if strings.Contains(rules, "FWKNOP_GUARD") != fixed {
			t.Errorf("fixed %v: rules are\n%s", fixed, rules)
		}
	}
}
