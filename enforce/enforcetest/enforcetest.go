// Package enforcetest checks that a backend keeps the promises of
// [enforce.Backend], with real packets in private networks.
//
// Entry point: [Run].
package enforcetest

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/fixtures/netlab"
)

// A Variant is a kind of firewall to be tested.
type Variant struct {
	Name  string
	Tools []string // programs the tests need
	// Open makes a backend; its thread is in the server's namespace.
	Open func(context.Context) (enforce.Backend, error)
	// Protect loads the rules of a careful user: input, output and forwarding drop
	// what is not neighbour discovery or an established connection.
	Protect func(testing.TB, *netlab.NS)
	// Strict takes the rule for established connections from the output hook.
	Strict func(testing.TB, *netlab.NS)
	// Wipe plays other programs that flush the firewall. The user's rules need not
	// survive, ours will not.
	Wipe map[string]func(testing.TB, *netlab.NS)
	// Reload brings the user's rules back after a Wipe; nil: they were not wiped.
	Reload func(testing.TB, *netlab.NS)
	// Coarse backends end grants at full seconds.
	Coarse bool
}

const (
	soon   = 2 * time.Second        // long enough for an open port to answer
	never  = 150 * time.Millisecond // long enough to say that it does not
	minute = time.Minute
)

var ctx = context.Background()

// Run checks everything.
func Run(t *testing.T, v Variant) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Variant)
	}{
		{"Exact", testExact},
		{"Forms", testForms},
		{"Output", testOutput},
		{"Extend", testExtend},
		{"KernelEnds", testKernelEnds},
		{"Adopt", testAdopt},
		{"Permanent", testPermanent},
		{"Shared", testShared},
		{"Wipe", testWipe},
		{"Batch", testBatch},
		{"Teardown", testTeardown},
		{"Many", testMany},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, v)
		})
	}
}

// A bench is a lab with a backend in its server namespace.
type bench struct {
	*netlab.Lab
	enforce.Backend
	v Variant
}

func newBench(t testing.TB, v Variant) *bench {
	t.Helper()
	netlab.Need(t, v.Tools...)
	b := &bench{Lab: netlab.New(t), v: v}
	v.Protect(t, b.Server)
	b.Backend = b.restart(t)
	if err := b.Setup(ctx); err != nil {
		t.Fatal(err)
	}
	return b
}

// restart is a new process: a backend that knows only what the kernel says.
func (b *bench) restart(t testing.TB) enforce.Backend {
	t.Helper()
	var backend enforce.Backend
	b.Server.Do(func() {
		var err error
		if backend, err = b.v.Open(ctx); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { backend.Close() })
	return inside{backend, b.Server}
}

// ends are the addresses of client and server in one family.
func (b *bench) ends(v6 bool) (client, server netip.Addr) {
	return pick(b.Client, v6), pick(b.Server, v6)
}

func pick(ns *netlab.NS, v6 bool) netip.Addr {
	if v6 {
		return ns.V6
	}
	return ns.V4
}

// reach tries tcp or udp from an address of the client's to the server.
func (b *bench) reach(proto string, src netip.Addr, port uint16, within time.Duration) bool {
	_, server := b.ends(src.Is6())
	return netlab.CanReach(b.Client, proto, src, netip.AddrPortFrom(server, port), within)
}

func (b *bench) apply(t testing.TB, g enforce.Grant) {
	t.Helper()
	if err := b.Apply(ctx, g); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) revoke(t testing.TB, g enforce.Grant) {
	t.Helper()
	if err := b.Revoke(ctx, g); err != nil {
		t.Fatal(err)
	}
}

// wantList wants exactly these grants in the kernel.
func wantList(t testing.TB, b enforce.Backend, want ...enforce.Grant) {
	t.Helper()
	got, err := b.List(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var parts []enforce.Grant
	for _, g := range want {
		parts = append(parts, g.Split()...)
	}
	for _, g := range missing(parts, got) {
		t.Errorf("not in the list: %s", show(g))
	}
	for _, g := range missing(got, parts) {
		t.Errorf("in the list, not wanted: %s", show(g))
	}
	if len(got) != len(parts) {
		t.Errorf("%d in the list, want %d", len(got), len(parts))
	}
}

// missing are the first few of want that are not in have.
func missing(want, have []enforce.Grant) (few []enforce.Grant) {
	const enough = 3
	byKey := make(map[string]enforce.Grant, len(have))
	for _, g := range have {
		byKey[g.Key()] = g
	}
	for _, g := range want {
		if !sameGrant(byKey[g.Key()], g) && len(few) < enough {
			few = append(few, g)
		}
	}
	return few
}

func show(g enforce.Grant) string {
	return fmt.Sprintf("%s until %s, stanza %d", g.Key(), g.Expires.UTC().Format(time.StampMilli), g.Stanza)
}

// sameGrant compares what a restart must find: the opening, its end to the
// millisecond, its stanza.
func sameGrant(a, b enforce.Grant) bool {
	return a.Key() == b.Key() && a.Expires.UnixMilli() == b.Expires.UnixMilli() && a.Stanza == b.Stanza
}

func tcp(n uint16) []enforce.Port { return []enforce.Port{{Proto: enforce.TCP, Number: n}} }

// inside runs each call with its thread in the namespace.
type inside struct {
	enforce.Backend
	ns *netlab.NS
}

func (i inside) Apply(ctx context.Context, g enforce.Grant) (err error) {
	i.ns.Do(func() { err = i.Backend.Apply(ctx, g) })
	return err
}

func (i inside) Revoke(ctx context.Context, g enforce.Grant) (err error) {
	i.ns.Do(func() { err = i.Backend.Revoke(ctx, g) })
	return err
}

func (i inside) List(ctx context.Context) (gs []enforce.Grant, err error) {
	i.ns.Do(func() { gs, err = i.Backend.List(ctx) })
	return gs, err
}

func (i inside) ApplyAll(ctx context.Context, gs []enforce.Grant) (errs []error) {
	i.ns.Do(func() { errs = i.Backend.ApplyAll(ctx, gs) })
	return errs
}

func (i inside) RevokeAll(ctx context.Context, gs []enforce.Grant) (errs []error) {
	i.ns.Do(func() { errs = i.Backend.RevokeAll(ctx, gs) })
	return errs
}

func (i inside) Setup(ctx context.Context) (err error) {
	i.ns.Do(func() { err = i.Backend.Setup(ctx) })
	return err
}

func (i inside) Reconcile(ctx context.Context, want []enforce.Grant) (rep enforce.Repair, err error) {
	i.ns.Do(func() { rep, err = i.Backend.Reconcile(ctx, want) })
	return rep, err
}

func (i inside) Flush(ctx context.Context) (err error) {
	i.ns.Do(func() { err = i.Backend.Flush(ctx) })
	return err
}

func (i inside) Teardown(ctx context.Context) (err error) {
	i.ns.Do(func() { err = i.Backend.Teardown(ctx) })
	return err
}

func (i inside) Watch(ctx context.Context) (ch <-chan struct{}, err error) {
	i.ns.Do(func() { ch, err = i.Backend.Watch(ctx) })
	return ch, err
}
