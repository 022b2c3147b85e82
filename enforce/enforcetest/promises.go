package enforcetest

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/fixtures/netlab"
)

// testExact: a grant opens this source and this port, and nothing beside.
func testExact(t *testing.T, v Variant) {
	b := newBench(t, v)
	for _, proto := range []string{"tcp", "udp"} {
		netlab.Serve(t, b.Server, proto, 22)
		netlab.Serve(t, b.Server, proto, 23)
	}
	for _, v6 := range []bool{false, true} {
		src, _ := b.ends(v6)
		other := b.Client.AddAddrs(t, netlab.ClientIf, src.Next(), 1)[0]
		if b.reach("tcp", src, 22, never) {
			t.Fatalf("%s: open before the grant", src)
		}
		b.apply(t, enforce.Grant{Src: src, Ports: tcp(22), Expires: time.Now().Add(minute), Stanza: 3})
		if !b.reach("tcp", src, 22, soon) {
			t.Errorf("%s: tcp/22 is not open", src)
		}
		if b.reach("udp", src, 22, never) || b.reach("tcp", src, 23, never) || b.reach("tcp", other, 22, never) {
			t.Errorf("%s: more is open than tcp/22 for this address", src)
		}
	}
}

// testOutput: with an output hook that drops everything, the answers get out with
// the mirror rule and only with it.
func testOutput(t *testing.T, v Variant) {
	b := newBench(t, v)
	v.Strict(t, b.Server)
	netlab.Serve(t, b.Server, "tcp", 22)
	for _, v6 := range []bool{false, true} {
		src, server := b.ends(v6)
		g := enforce.Grant{Src: src, Ports: tcp(22), Expires: time.Now().Add(minute), Stanza: 3}
		b.apply(t, g)
		if b.reach("tcp", src, 22, never) {
			t.Errorf("v6=%v: the output hook does not drop", v6)
		}
		b.revoke(t, g)
		g.Output = true
		b.apply(t, g)
		if !b.reach("tcp", src, 22, soon) {
			t.Errorf("v6=%v: not open with output", v6)
		}
		wantList(t, b.restart(t), g)
		b.revoke(t, g)
		local := enforce.Grant{Src: src, Ports: tcp(8022), Expires: time.Now().Add(minute), Stanza: 3, Output: true,
			NAT: &enforce.NAT{Target: netip.AddrPortFrom(server, 22), Local: true}}
		b.apply(t, local)
		if !b.reach("tcp", src, 8022, soon) {
			t.Errorf("v6=%v: local NAT not open with output", v6)
		}
		wantList(t, b.restart(t), local)
		b.revoke(t, local)
		wantList(t, b)
	}
}

// testExtend: the same opening again moves the end and adds nothing; an earlier
// end changes nothing. The port never closes meanwhile.
func testExtend(t *testing.T, v Variant) {
	b := newBench(t, v)
	netlab.Serve(t, b.Server, "tcp", 22)
	src, _ := b.ends(false)
	g := enforce.Grant{Src: src, Ports: tcp(22), Expires: time.Now().Add(minute), Stanza: 3}
	b.apply(t, g)
	wantList(t, b, g)
	later := g
	later.Expires, later.Stanza = g.Expires.Add(minute), 9
	for range 3 {
		b.apply(t, later)
		b.apply(t, g)
	}
	wantList(t, b, later)
	second := b.restart(t)
	if err := second.Apply(ctx, g); err != nil {
		t.Fatal(err)
	}
	wantList(t, b, later)
	if errs := b.ApplyAll(ctx, []enforce.Grant{g, later, g}); errs != nil {
		t.Fatal(errs)
	}
	wantList(t, b, later)
	if !b.reach("tcp", src, 22, soon) {
		t.Error("not open after extension")
	}
	b.revoke(t, g)
	b.revoke(t, g)
	wantList(t, b)
}

// testKernelEnds: with nothing of ours running a grant ends within a second of
// its time, and not before.
func testKernelEnds(t *testing.T, v Variant) {
	b := newBench(t, v)
	netlab.Serve(t, b.Server, "tcp", 22)
	client4, _ := b.ends(false)
	client6, _ := b.ends(true)
	end := time.Now().Add(2300 * time.Millisecond)
	for _, src := range []netip.Addr{client4, client6} {
		b.apply(t, enforce.Grant{Src: src, Ports: tcp(22), Expires: end, Stanza: 3})
	}
	b.Close()
	for time.Until(end) > 100*time.Millisecond {
		for _, src := range []netip.Addr{client4, client6} {
			if !b.reach("tcp", src, 22, soon) && time.Now().Before(end) {
				t.Fatalf("%s: closed %v before its end", src, time.Until(end))
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	time.Sleep(time.Until(end.Add(time.Second)))
	for _, src := range []netip.Addr{client4, client6} {
		if b.reach("tcp", src, 22, never) {
			t.Errorf("%s: open a second after its end", src)
		}
	}
}

// testAdopt: a new process finds what is open with its end unchanged, extends it
// without adding to it, and closes it.
func testAdopt(t *testing.T, v Variant) {
	b := newBench(t, v)
	netlab.Serve(t, b.Server, "tcp", 22)
	src, _ := b.ends(true)
	ports := append(tcp(22), enforce.Port{Proto: enforce.UDP, Number: 53})
	g := enforce.Grant{Src: src, Ports: ports, Expires: time.Now().Add(minute), Stanza: 3}
	b.apply(t, g)
	b.Close()
	second := b.restart(t)
	if err := second.Setup(ctx); err != nil {
		t.Fatal(err)
	}
	wantList(t, second, g)
	rep, err := second.Reconcile(ctx, []enforce.Grant{g})
	if err != nil || rep.Restored != nil || rep.Found != nil {
		t.Errorf("Reconcile = %+v, %v, want nothing to do", rep, err)
	}
	wantList(t, second, g)
	if rep, err = second.Reconcile(ctx, nil); err != nil || len(rep.Found) != 2 {
		t.Errorf("Reconcile = %+v, %v, want two grants found", rep, err)
	}
	if !b.reach("tcp", src, 22, soon) {
		t.Error("closed by adoption")
	}
	longer := g
	longer.Expires = g.Expires.Add(minute)
	if err := second.Apply(ctx, longer); err != nil {
		t.Fatal(err)
	}
	wantList(t, second, longer)
	if err := second.Revoke(ctx, g); err != nil {
		t.Fatal(err)
	}
	wantList(t, second)
}

// testPermanent: no end is no end, and outlasts every other. What is not a grant is
// refused, and is not there to be revoked.
func testPermanent(t *testing.T, v Variant) {
	b := newBench(t, v)
	src, _ := b.ends(false)
	g := enforce.Grant{Src: src, Ports: tcp(22), Stanza: 3}
	b.apply(t, g)
	timed := g
	timed.Expires = time.Now().Add(minute)
	b.apply(t, timed)
	wantList(t, b, g)
	ended := g
	ended.Expires = time.Now().Add(-time.Second)
	if err := b.Apply(ctx, ended); err == nil {
		t.Error("a grant of the past was applied")
	}
	for name, bad := range map[string]enforce.Grant{
		"for no port":   {Src: src, Expires: timed.Expires},
		"for no client": {Ports: tcp(22), Expires: timed.Expires},
		"for commands":  {Src: src, Ports: tcp(22), Expires: timed.Expires, External: &enforce.External{Open: []string{"/bin/true"}}},
	} {
		if err := b.Apply(ctx, bad); err == nil {
			t.Errorf("a grant %s was applied", name)
		}
		if err := b.Revoke(ctx, bad); err != nil {
			t.Errorf("revoke a grant %s: %v", name, err)
		}
	}
	wantList(t, b, g)
}

// testShared: what two grants need stays until the second ends.
func testShared(t *testing.T, v Variant) {
	b := newBench(t, v)
	b.AddInside(t)
	netlab.Serve(t, b.Inside, "tcp", 80)
	src, _ := b.ends(false)
	target := netip.AddrPortFrom(b.Inside.V4, 80)
	one := enforce.Grant{Src: src, Ports: tcp(8080), Expires: time.Now().Add(minute), Stanza: 3, NAT: &enforce.NAT{Target: target, Masquerade: true}}
	two := one
	two.Ports, two.Expires = tcp(8081), time.Now().Add(2*minute)
	b.apply(t, one)
	b.apply(t, two)
	if !b.reach("tcp", src, 8080, soon) || !b.reach("tcp", src, 8081, soon) {
		t.Fatal("not both are open")
	}
	wantList(t, b.restart(t), one, two)
	b.revoke(t, one)
	if b.reach("tcp", src, 8080, never) {
		t.Error("open after Revoke")
	}
	if !b.reach("tcp", src, 8081, soon) {
		t.Error("the other grant was closed, too")
	}
	wantList(t, b.restart(t), two)
	b.revoke(t, two)
	wantList(t, b)

	// The same port leads elsewhere: the newer holds.
	other := one
	other.NAT = &enforce.NAT{Target: netip.AddrPortFrom(b.Inside.V4, 81), Masquerade: true}
	b.apply(t, other)
	b.apply(t, one)
	if !b.reach("tcp", src, 8080, soon) {
		t.Error("the newer target does not hold")
	}
	b.revoke(t, other)
	if !b.reach("tcp", src, 8080, soon) {
		t.Error("the end of the older closed the newer")
	}
}

// testWipe: after somebody else has flushed, Reconcile opens again what is wanted,
// and a new grant works without it. Where the kernel tells of changes, Watch has
// told.
func testWipe(t *testing.T, v Variant) {
	for name, wipe := range v.Wipe {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, v)
			netlab.Serve(t, b.Server, "tcp", 22)
			src, _ := b.ends(false)
			src6, _ := b.ends(true)
			g := enforce.Grant{Src: src, Ports: tcp(22), Expires: time.Now().Add(minute), Stanza: 3}
			g6 := g
			g6.Src = src6
			b.apply(t, g)
			b.apply(t, g6)
			changed, err := b.Watch(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			wipe(t, b.Server)
			if v.Reload != nil {
				v.Reload(t, b.Server)
			}
			if b.reach("tcp", src, 22, never) {
				t.Fatal("the wipe closed nothing")
			}
			wantSignal(t, changed)
			rep, err := b.Reconcile(ctx, []enforce.Grant{g, g6})
			if err != nil || len(rep.Restored) != 2 && !keepsGrants(name) {
				t.Errorf("Reconcile = %+v, %v, want both restored", rep, err)
			}
			if !b.reach("tcp", src, 22, soon) || !b.reach("tcp", src6, 22, soon) {
				t.Error("not open after Reconcile")
			}
			wantList(t, b, g, g6)

			wipe(t, b.Server)
			if v.Reload != nil {
				v.Reload(t, b.Server)
			}
			g.Expires = g.Expires.Add(minute)
			b.apply(t, g)
			if !b.reach("tcp", src, 22, soon) {
				t.Error("a new grant after a wipe does not open")
			}
		})
	}
}

// keepsGrants names wipes that leave the grants and take the way to them.
func keepsGrants(name string) bool { return name == "jump" || name == "rules of the table" }

// wantSignal waits for a watcher that exists.
func wantSignal(t *testing.T, changed <-chan struct{}) {
	t.Helper()
	if changed == nil {
		return
	}
	select {
	case <-changed:
	case <-time.After(500 * time.Millisecond):
		t.Error("Watch did not tell")
	}
}

// testBatch: many grants open together, of every kind; one that cannot be does
// not keep the others from it.
func testBatch(t *testing.T, v Variant) {
	b := newBench(t, v)
	netlab.Serve(t, b.Server, "tcp", 22)
	first := netip.MustParseAddr("198.18.0.1")
	src, _ := b.ends(false)
	var gs []enforce.Grant
	for i := range 500 {
		gs = append(gs, enforce.Grant{Src: first, Ports: tcp(22), Expires: time.Now().Add(minute + time.Duration(i)*time.Millisecond), Stanza: 3})
		first = first.Next()
	}
	gs = append(gs, enforce.Grant{Src: src, Ports: tcp(22), Expires: time.Now().Add(minute), Stanza: 3})
	if errs := b.ApplyAll(ctx, gs); errs != nil {
		t.Fatal(enforce.FirstError(errs))
	}
	wantList(t, b, gs...)
	if !b.reach("tcp", src, 22, soon) {
		t.Error("the last of the batch is not open")
	}
	if errs := b.RevokeAll(ctx, gs[:400]); errs != nil {
		t.Fatal(enforce.FirstError(errs))
	}
	wantList(t, b, gs[400:]...)
	b.Flush(ctx)
	wantList(t, b)

	bad := gs[1]
	bad.Expires = time.Now().Add(-minute)
	errs := b.ApplyAll(ctx, []enforce.Grant{gs[0], bad, gs[2]})
	if len(errs) != 3 || errs[0] != nil || errs[1] == nil || errs[2] != nil {
		t.Errorf("errors = %v, want one for the second", errs)
	}
	wantList(t, b, gs[0], gs[2])
}

// testTeardown: nothing of ours stays, everything of the user's does.
func testTeardown(t *testing.T, v Variant) {
	b := newBench(t, v)
	b.AddInside(t)
	before := rulesOf(t, b)
	if err := b.Teardown(ctx); err != nil {
		t.Fatal(err)
	}
	clean := rulesOf(t, b)
	for _, line := range clean {
		if !slices.Contains(before, line) {
			t.Errorf("Teardown added %q", line)
		}
	}
	if err := b.Setup(ctx); err != nil {
		t.Fatal(err)
	}
	for _, f := range forms {
		g := f.grant(b.Lab, false)
		g.Src, g.Stanza = b.Client.V4, 3
		b.apply(t, g)
	}
	if err := b.Teardown(ctx); err != nil {
		t.Fatal(err)
	}
	if got := rulesOf(t, b); !slices.Equal(got, clean) {
		t.Errorf("rules after Teardown: %q\nwant %q", got, clean)
	}
	wantList(t, b)
}

// rulesOf lists every rule, of all variants.
func rulesOf(t *testing.T, b *bench) (lines []string) {
	t.Helper()
	for _, cmd := range b.v.Tools {
		out := ""
		switch cmd {
		case "nft":
			out = b.Server.Run(t, "nft list ruleset")
		default:
			for _, table := range []string{"filter", "nat"} {
				out += b.Server.Run(t, fmt.Sprintf("%s -t %s -S", cmd, table))
			}
		}
		lines = append(lines, splitLines(out)...)
	}
	return lines
}

func splitLines(s string) []string { return strings.Split(strings.TrimSpace(s), "\n") }
