package node

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"fwknopd/cmd/fwknopd-fleet/fleetlab"
	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/fixtures/wait"
)

// lateOf has a node pass the orders on that it hears late.
func lateOf() (Options, <-chan fleetlink.LateOrder) {
	heard := make(chan fleetlink.LateOrder, 2*maxLate)
	return Options{LateOrder: func(_ context.Context, o fleetlink.LateOrder) bool { heard <- o; return true }}, heard
}

// orderOf returns an order of a node, as it is published.
func orderOf(t testing.TB, n *Node, serial uint64, to string) []byte {
	t.Helper()
	text, err := n.orders.signer.Order(fleetlink.Order{From: n.cfg.Name, To: to, Serial: serial, At: time.Now().Round(0).UTC()})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// give gives an order until it is stored, which may be twice where the fleet answers late.
func give(t testing.TB, n *Node, stored <-chan string, text []byte) {
	t.Helper()
	wait.For(t, "the order to be stored", func() bool {
		n.Order(text)
		select {
		case got := <-stored:
			return got == string(text)
		case <-time.After(time.Second):
			n.orders.storing.last = nil // no leader: as another order does
			return false
		}
	})
}

// nextLate returns the next order, but for those with the text of the one before.
func nextLate(t testing.TB, heard <-chan fleetlink.LateOrder, before string) (o fleetlink.LateOrder) {
	t.Helper()
	late := time.After(wait.Timeout)
	for {
		select {
		case o = <-heard:
		case <-late:
			t.Fatal("nothing is heard")
		}
		if o.Text != before {
			return o
		}
	}
}

// TestLateOrders: a member that was not there when orders were given hears them when it is, in their order, and those
// alone that are for it; started again it goes on behind the last one. Forged ones pass nowhere.
func TestLateOrders(t *testing.T) {
	t.Parallel()
	list := configs(t, 3)
	stored := make(chan string, 100)
	a := open(t, list[0], Options{StoredOrder: func(text []byte) { stored <- string(text) }})
	b, c := open(t, list[1], Options{}), open(t, list[2], Options{})
	ready(t, a)
	c.Close()
	first := orderOf(t, a, 1, "")
	give(t, a, stored, first)
	give(t, a, stored, orderOf(t, a, 2, "gw2"))
	forger := b.orders.signer
	forged, err := forger.Order(fleetlink.Order{From: "gw1", Serial: 9, At: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{lateSubjects + "gw1", lateSubjects + "gw2", lateSubjects + "stranger"} {
		if _, err := b.js.Publish(t.Context(), subject, forged); err != nil {
			t.Fatal(err)
		}
	}
	last := orderOf(t, a, 3, "gw3")
	give(t, a, stored, last)

	o, heard := lateOf()
	c = open(t, list[2], o)
	if got := nextLate(t, heard, ""); got.Text != string(first) || got.From != "gw1" || time.Since(got.Stored).Abs() > time.Minute {
		t.Errorf("first %+v", got)
	}
	got := nextLate(t, heard, string(first))
	if got.Text != string(last) {
		t.Errorf("then %+v", got)
	}
	fourth := orderOf(t, a, 4, "")
	give(t, a, stored, fourth)
	if got := nextLate(t, heard, string(last)); got.Text != string(fourth) {
		t.Errorf("while it runs: %+v", got)
	}
	c.Close()
	list[2].Ordered = got.Stored
	o, heard = lateOf()
	open(t, list[2], o)
	if got := nextLate(t, heard, string(last)); got.Text != string(fourth) {
		t.Errorf("started again: %+v", got)
	}
}

// TestLateOutside: with the permissions of FLEET.md an order that was missed is heard in an outside cluster, none can
// store one as another gateway, and a stream that was made anew is read from its beginning. One gateway that
// stores too many keeps no other's from being heard.
func TestLateOutside(t *testing.T) {
	t.Parallel()
	address := fleetlab.Outside(t, "gw1", "gw2", "gw3")
	stored := make(chan string, 100)
	a := open(t, outsideConfig("gw1", address), Options{StoredOrder: func(text []byte) { stored <- string(text) }})
	first := orderOf(t, a, 1, "")
	give(t, a, stored, first)
	o, heard := lateOf()
	open(t, outsideConfig("gw2", address), o)
	if got := nextLate(t, heard, ""); got.Text != string(first) {
		t.Errorf("%+v", got)
	}

	denied := make(chan error, 10)
	nc, err := nats.Connect("nats://gw3:gw3@"+address, nats.CustomInboxPrefix(inboxPrefix+"gw3"),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { denied <- err }))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.Publish(lateSubjects+"gw1", []byte("x")); err != nil {
		t.Fatal(err)
	}
	select {
	case <-denied:
	case <-time.After(wait.Timeout):
		t.Error("gw3 stores orders of gw1")
	}

	admin, err := nats.Connect("nats://admin:admin@" + address)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	js, err := jetstream.New(admin)
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(t.Context(), lateStream); err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), lateConfig); err != nil {
		t.Fatal(err)
	}
	for i := range 3 * maxLate {
		flood, err := a.orders.signer.Order(fleetlink.Order{From: "gw3", Serial: uint64(i + 1), At: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := js.PublishAsync(lateSubjects+"gw3", flood); err != nil {
			t.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	second := orderOf(t, a, 2, "")
	give(t, a, stored, second)
	floods := 0
	for got := nextLate(t, heard, string(first)); got.Text != string(second); got = nextLate(t, heard, got.Text) {
		if floods++; got.From != "gw3" {
			t.Fatalf("%+v", got)
		}
	}
	if floods > 2*maxLate {
		t.Errorf("%d of a flood were heard before an honest one", floods)
	}
}
