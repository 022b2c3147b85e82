package iptables

import (
	"context"
	"testing"

	"fwknopd/enforce"
	"fwknopd/fixtures/enforcetest"
	"fwknopd/fixtures/netlab"
)

// A pair is iptables and ip6tables of one variant.
type pair struct{ v4, v6 string }

// run runs command lines of iptables for both families.
func (p pair) run(args ...string) func(testing.TB, *netlab.NS) {
	return func(t testing.TB, ns *netlab.NS) {
		t.Helper()
		for _, a := range args {
			ns.Run(t, p.v4+" "+a)
			ns.Run(t, p.v6+" "+a)
		}
	}
}

// protect makes every hook drop what it does not know.
func (p pair) protect(t testing.TB, ns *netlab.NS) {
	t.Helper()
	for _, chain := range []string{"INPUT", "FORWARD", "OUTPUT"} {
		p.run("-A "+chain+" -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT", "-P "+chain+" DROP")(t, ns)
		p.discovery(t, ns, chain)
	}
}

func (p pair) discovery(t testing.TB, ns *netlab.NS, chain string) {
	for _, kind := range []string{"135", "136"} {
		ns.Run(t, p.v6+" -A "+chain+" -p icmpv6 --icmpv6-type "+kind+" -j ACCEPT")
	}
}

func (p pair) variant(name string, cfg Config) enforcetest.Variant {
	cfg.Path = p.v4
	guarding := cfg
	guarding.Guard = enforcetest.Guarded
	return enforcetest.Variant{
		Name: name, Tools: []string{p.v4, p.v6}, Coarse: true,
		Open:    func(ctx context.Context) (enforce.Backend, error) { return New(ctx, cfg) },
		Guard:   func(ctx context.Context) (enforce.Backend, error) { return New(ctx, guarding) },
		Publish: func(t testing.TB, lab *netlab.Lab) { enforcetest.PublishTables(t, lab, p.v4) },
		Protect: p.protect,
		Strict: func(t testing.TB, ns *netlab.NS) {
			p.run("-F OUTPUT")(t, ns)
			p.discovery(t, ns, "OUTPUT")
		},
		Wipe: map[string]func(testing.TB, *netlab.NS){
			"everything": p.run("-F", "-X", "-t nat -F", "-t nat -X"),
			"rules":      p.run("-F"),
			"jump":       p.run("-F INPUT"),
		},
		Reload: p.protect,
	}
}

func TestBackend(t *testing.T) {
	for _, name := range []string{"nft", "legacy"} {
		t.Run(name, func(t *testing.T) {
			enforcetest.Run(t, pair{"iptables-" + name, "ip6tables-" + name}.variant(name, Config{}))
		})
	}
}

var ctx = context.Background()

func BenchmarkBackend(b *testing.B) {
	for _, name := range []string{"nft", "legacy"} {
		b.Run(name, func(b *testing.B) {
			enforcetest.Bench(b, pair{"iptables-" + name, "ip6tables-" + name}.variant(name, Config{}))
		})
	}
}
