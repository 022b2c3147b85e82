package daemon

import (
	"net/netip"
	"os"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/fleetlink"
)

// late has an order heard late, and returns when it is dealt with.
func (l *orderLab) late(t *testing.T, from string, stored time.Time, change func(*fleetlink.Order)) {
	t.Helper()
	l.serial++
	o := fleetlink.Order{From: "gw2", Serial: l.serial, At: time.Now().Round(0).UTC()}
	change(&o)
	text, err := l.signer.Order(o)
	if err != nil {
		t.Fatal(err)
	}
	if !l.process.Late(t.Context(), fleetlink.LateOrder{From: from, Text: string(text), Stored: stored}) {
		t.Fatal("it is not dealt with")
	}
}

// TestLateOrders: an order that was stored closes what is open for messages from before it, and nothing else.
// The next daemon goes on behind it.
func TestLateOrders(t *testing.T) {
	l := newOrderLab(t)
	l.loadOrdered()
	first := l.lastOrdered()
	if since := time.Since(first); since < 0 || since > time.Hour {
		t.Fatalf("the first start hears orders since %v", first)
	}
	l.open(t, "192.0.2.7", "192.0.2.8", "192.0.2.9")
	one := func(o *fleetlink.Order) { o.Src = netip.MustParsePrefix("192.0.2.7/32") }
	stored := time.Now()
	for _, c := range []struct {
		name, from string
		change     func(*fleetlink.Order)
		left       int
	}{
		{"before all messages", "gw2", func(o *fleetlink.Order) { o.At = o.At.Add(-10 * time.Minute) }, 3},
		{"of the future", "gw2", func(o *fleetlink.Order) { o.At = o.At.Add(10 * time.Minute) }, 3},
		{"long ago", "gw2", func(o *fleetlink.Order) { o.At = o.At.Add(-8 * 24 * time.Hour) }, 3},
		{"to another one", "gw2", func(o *fleetlink.Order) { o.To = "gw3" }, 3},
		{"of another one", "gw3", func(*fleetlink.Order) {}, 3},
		{"of no stanza here", "gw2", func(o *fleetlink.Order) { o.Stanza = "unknown" }, 3},
		{"one client", "gw2", one, 2},
		{"all", "gw2", func(*fleetlink.Order) {}, 0},
	} {
		stored = stored.Add(time.Millisecond)
		l.late(t, c.from, stored, c.change)
		if n := l.mon.Load().Len(); n != c.left {
			t.Errorf("%s: %d open, want %d", c.name, n, c.left)
		}
		if !l.lastOrdered().Equal(stored) {
			t.Errorf("%s: the next daemon goes on at %v, not behind %v", c.name, l.lastOrdered(), stored)
		}
	}
	next := newFleet(l.d)
	next.loadOrdered()
	if !next.ordered.Equal(stored) {
		t.Errorf("the next daemon goes on at %v", next.ordered)
	}
	l.noteOrdered(time.Now().Add(24 * time.Hour))
	if ahead := time.Until(l.lastOrdered()); ahead > time.Minute {
		t.Errorf("the fleet process has orders of the next %v ignored", ahead)
	}
	if err := os.WriteFile(l.orderedPath(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	next = newFleet(l.d)
	next.loadOrdered()
	if next.ordered.Before(first) {
		t.Errorf("after damage: %v", next.ordered)
	}
}

// TestLateOnce: an order that was carried out when it was given is not again when it is heard late, and one
// that cannot be carried out yet is tried again.
func TestLateOnce(t *testing.T) {
	l := newOrderLab(t)
	l.open(t, "192.0.2.7")
	o, text := l.order("gw2", func(*fleetlink.Order) {})
	if d := l.answer(t, o, text); d.Closed != 1 {
		t.Fatalf("%+v", d)
	}
	l.open(t, "192.0.2.7")
	if l.late(t, "gw2", time.Now(), func(again *fleetlink.Order) { *again = o }); l.mon.Load().Len() != 1 {
		t.Error("it closes what was opened since")
	}
	o.Serial++
	text, err := l.signer.Order(o)
	if err != nil {
		t.Fatal(err)
	}
	m := l.mon.Swap(nil)
	late := fleetlink.LateOrder{From: "gw2", Text: string(text), Stored: time.Now()}
	if l.carryOutLate(late) {
		t.Error("without a monitor it is done")
	}
	l.mon.Store(m)
	if !l.carryOutLate(late) || m.Len() != 0 {
		t.Errorf("%d open", m.Len())
	}
}
