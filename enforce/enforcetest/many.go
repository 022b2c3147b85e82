package enforcetest

import (
	"net/netip"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/fixtures/netlab"
)

const (
	many     = 5000
	longOnes = 100 // behind and before the others, and longer
	firstEnd = 4 * time.Second
	spread   = 4 * time.Second
	tick     = 250 * time.Millisecond // how often what has ended is deleted
	late     = time.Second            // what the promise allows
)

// testMany: of thousands of grants of mixed lengths each ends within a second of
// its time, with longer ones before and behind it.
func testMany(t *testing.T, v Variant) {
	b := newBench(t, v)
	netlab.Serve(t, b.Server, "tcp", 22)
	start := time.Now()
	gs := mixed(start)
	probe := gs[longOnes+many/2]
	probe.Src = b.Client.V4
	gs = append(gs, probe)
	begin := time.Now()
	if errs := b.ApplyAll(ctx, gs); errs != nil {
		t.Fatal(enforce.FirstError(errs))
	}
	t.Logf("%d grants opened in %v", len(gs), time.Since(begin))
	for time.Since(start) < firstEnd+spread+late {
		if v.Coarse {
			revokeEnded(t, b, gs)
		}
		wantOnTime(t, b, gs)
		wantProbe(t, b, probe)
		time.Sleep(tick)
	}
	left, err := b.List(ctx)
	if err != nil || len(left) != 2*longOnes {
		t.Errorf("%d grants left, %v, want the %d long ones", len(left), err, 2*longOnes)
	}
}

// wantProbe sends real packets. Shortly before the end it is content with either.
func wantProbe(t *testing.T, b *bench, probe enforce.Grant) {
	t.Helper()
	left, within := time.Until(probe.Expires), never
	if left > soon {
		within = soon
	}
	open := b.reach("tcp", probe.Src, 22, within)
	if open && left < -late || !open && left > soon {
		t.Fatalf("open = %v with %v left", open, left)
	}
}

// mixed grants end in no order between firstEnd and firstEnd+spread.
func mixed(start time.Time) (gs []enforce.Grant) {
	src := netip.MustParseAddr("198.18.0.1")
	for i := range longOnes + many + longOnes {
		end := start.Add(time.Hour)
		if i >= longOnes && i < longOnes+many {
			end = start.Add(firstEnd + time.Duration(i*7919%many)*spread/many)
		}
		gs = append(gs, enforce.Grant{Src: src, Ports: tcp(22), Expires: end, Stanza: 3})
		src = src.Next()
	}
	return gs
}

// revokeEnded does what the monitor does.
func revokeEnded(t *testing.T, b *bench, gs []enforce.Grant) {
	t.Helper()
	now := time.Now()
	var ended []enforce.Grant
	for _, g := range gs {
		if past := now.Sub(g.Expires); past >= 0 && past < 2*late {
			ended = append(ended, g)
		}
	}
	begin := time.Now()
	if errs := b.RevokeAll(ctx, ended); errs != nil {
		t.Fatal(enforce.FirstError(errs))
	}
	if took := time.Since(begin); took > late/2 {
		t.Logf("%d grants deleted in %v", len(ended), took)
	}
}

// wantOnTime wants nothing in the list that should be gone, and nothing gone that
// should be there.
func wantOnTime(t *testing.T, b *bench, gs []enforce.Grant) {
	t.Helper()
	before := time.Now()
	got, err := b.List(ctx)
	if err != nil {
		t.Fatal(err)
	}
	after := time.Now()
	least := 0
	for _, g := range gs {
		if g.Expires.After(after) {
			least++
		}
	}
	if len(got) < least {
		t.Fatalf("%d grants are open, %d should be", len(got), least)
	}
	for _, g := range got {
		if past := before.Sub(g.Expires); past > late {
			t.Fatalf("%s is there %v after its end", g.Src, past)
		}
	}
}
