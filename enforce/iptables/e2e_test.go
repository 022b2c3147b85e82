package iptables

import (
	"context"
	"testing"

	"fwknopd/enforce"
	"fwknopd/fixtures/enforcetest"
	"fwknopd/fixtures/netlab"
)

// run returns a function that runs command lines for both families.
func run(program string, lines ...string) func(testing.TB, *netlab.NS) {
	return func(t testing.TB, ns *netlab.NS) {
		t.Helper()
		ns.Tables(t, program, lines...)
	}
}

// variant is iptables of a variant, "nft" or "legacy".
func variant(name string, cfg Config) enforcetest.Variant {
	program := "iptables-" + name
	cfg.Path = program
	protect := func(t testing.TB, ns *netlab.NS) {
		t.Helper()
		ns.ClosedTables(t, program, "INPUT", "FORWARD", "OUTPUT")
	}
	guarding := cfg
	guarding.Guard = enforcetest.Guarded
	return enforcetest.Variant{
		Name: name, Tools: []string{program, "ip6tables-" + name}, Coarse: true,
		Open:    func(ctx context.Context) (enforce.Backend, error) { return New(ctx, cfg) },
		Guard:   func(ctx context.Context) (enforce.Backend, error) { return New(ctx, guarding) },
		Publish: func(t testing.TB, lab *netlab.Lab) { enforcetest.PublishTables(t, lab, program) },
		Protect: protect,
		Strict:  run(program, append([]string{"-F OUTPUT"}, netlab.Discovery("OUTPUT")...)...),
		Wipe: map[string]func(testing.TB, *netlab.NS){
			"everything": run(program, "-F", "-X", "-t nat -F", "-t nat -X"),
			"rules":      run(program, "-F"),
			"jump":       run(program, "-F INPUT"),
		},
		Reload: protect,
	}
}

func TestBackend(t *testing.T) {
	for _, name := range []string{"nft", "legacy"} {
		t.Run(name, func(t *testing.T) {
			enforcetest.Run(t, variant(name, Config{}))
		})
	}
}

var ctx = context.Background()

func BenchmarkBackend(b *testing.B) {
	for _, name := range []string{"nft", "legacy"} {
		b.Run(name, func(b *testing.B) {
			enforcetest.Bench(b, variant(name, Config{}))
		})
	}
}
