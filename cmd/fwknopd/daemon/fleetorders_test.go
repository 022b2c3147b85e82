package daemon

import (
	"bytes"
	"context"
	"io"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/control"
	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/enforce"
	"fwknopd/enforce/monitor"
	"fwknopd/fixtures/wait"
)

// An orderLab is a gateway gw1 whose fleet process is the test.
type orderLab struct {
	*fleet
	fw      *enforce.Recorder
	process *fleetlink.Monitor
	signer  *fleetlink.Signer
	orders  chan []byte // of this gateway
	done    chan fleetlink.Done
	serial  uint64
}

func newOrderLab(t *testing.T) *orderLab {
	t.Helper()
	s, problems := prepare(files(t, "ALERTING_METHODS noemail;\n", plainStanza))
	if problems.Failed() {
		t.Fatal(problems)
	}
	d := newDaemon(files(t, "", plainStanza), s, "1", io.Discard)
	cfg := fleetlink.Config{Servers: []string{"nats://127.0.0.1:1"}, Name: "gw1"}
	l := &orderLab{fleet: d.fleet, fw: new(enforce.Recorder), orders: make(chan []byte, 100), done: make(chan fleetlink.Done, 1000)}
	m, err := monitor.New(t.Context(), monitor.Config{Firewall: l.fw, Policy: s.policy})
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs, err := fleetlink.Pair()
	if err != nil {
		t.Fatal(err)
	}
	c := fleetlink.NewControl(ours)
	conn, err := fleetlink.Conn(theirs)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Configure(&cfg); err != nil {
		t.Fatal(err)
	}
	if l.process, _, err = fleetlink.NewMonitor(conn); err != nil {
		t.Fatal(err)
	}
	if l.signer, err = fleetlink.NewSigner(&cfg); err != nil {
		t.Fatal(err)
	}
	l.fleet.cfg, l.fleet.control = &cfg, c
	l.mon.Store(m)
	go c.Run(l.listener(t.Context(), c))
	go l.process.Run(context.Background(), fleetlink.Handler{
		Order: func(text []byte) { l.orders <- bytes.Clone(text) },
		Done: func(text []byte) {
			if d, err := l.signer.ReadDone("gw1", text); err == nil {
				l.done <- d
			}
		},
		Status: func() fleetlink.Status {
			return fleetlink.Status{V: 1, Name: "gw1", Members: []fleetlink.Member{{Name: "gw3"}, {Name: "gw1", Self: true}, {Name: "gw2"}}}
		},
	})
	t.Cleanup(func() { c.Close(); m.Close(context.Background()) })
	return l
}

// open opens grants to clients.
func (l *orderLab) open(t *testing.T, clients ...string) {
	t.Helper()
	for _, c := range clients {
		g := enforce.Grant{Src: netip.MustParseAddr(c), Ports: []enforce.Port{{Proto: 6, Number: 22}}, Stanza: 1, Expires: time.Now().Add(20 * time.Second)}
		if err := l.mon.Load().Apply(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
}

// order has another gateway order something, and returns the order as it was signed.
func (l *orderLab) order(from string, change func(*fleetlink.Order)) (o fleetlink.Order, text []byte) {
	l.serial++
	o = fleetlink.Order{From: from, Serial: l.serial, At: time.Now().Round(0).UTC()}
	change(&o)
	text, err := l.signer.Order(o)
	if err != nil {
		panic(err)
	}
	l.process.Order(from, text)
	return o, text
}

// answer returns the answer to an order, which is sent again until there is one: what comes while one of
// the same gateway is looked at is dropped.
func (l *orderLab) answer(t *testing.T, o fleetlink.Order, text []byte) fleetlink.Done {
	t.Helper()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	late := time.After(wait.Timeout)
	for {
		select {
		case d := <-l.done:
			if d.From == o.From && d.Serial == o.Serial {
				return d
			}
		case <-again.C:
			l.process.Order(o.From, text)
		case <-late:
			t.Fatal("no answer")
		}
	}
}

// TestOrdersOfOthers: an order closes what it selects, once, in its time, and keeps no other's waiting.
func TestOrdersOfOthers(t *testing.T) {
	l := newOrderLab(t)
	l.open(t, "192.0.2.7", "192.0.2.8")
	one := func(o *fleetlink.Order) { o.Src = netip.MustParsePrefix("192.0.2.7/32") }
	o, text := l.order("gw2", one)
	if d := l.answer(t, o, text); d.Closed != 1 || d.Error != "" || d.By != "gw1" || l.mon.Load().Len() != 1 {
		t.Errorf("%+v, %d open", d, l.mon.Load().Len())
	}
	l.open(t, "192.0.2.7")
	if d := l.answer(t, o, text); d.Closed != 1 || l.mon.Load().Len() != 2 {
		t.Errorf("again: %+v, %d open", d, l.mon.Load().Len())
	}
	for away, done := range map[time.Duration]bool{-time.Minute: false, time.Minute: false, -25 * time.Second: true, 29 * time.Second: true} {
		l.open(t, "192.0.2.7")
		o, text := l.order("gw2", func(o *fleetlink.Order) { one(o); o.At = o.At.Add(away) })
		if d := l.answer(t, o, text); (d.Error == "") != done || (l.mon.Load().Len() == 1) != done {
			t.Errorf("%v away: %+v, %d open", away, d, l.mon.Load().Len())
		}
	}
	o, text = l.order("gw2", func(o *fleetlink.Order) { o.Stanza = "unknown" })
	if d := l.answer(t, o, text); !d.Unknown || d.Error != "" {
		t.Errorf("of no stanza: %+v", d)
	}
	l.order("gw2", func(o *fleetlink.Order) { o.From = "gw3" })
	l.order("gw2", func(o *fleetlink.Order) { o.To = "gw4" })
	l.flood(t, one)
	o, text = l.order("gw2", func(*fleetlink.Order) {})
	if d := l.answer(t, o, text); d.Closed != 1 || l.mon.Load().Len() != 0 {
		t.Errorf("after a flood of another: %+v, %d open", d, l.mon.Load().Len())
	}
}

// flood has gw3 order more than it may, and counts what is carried out.
func (l *orderLab) flood(t *testing.T, change func(*fleetlink.Order)) {
	t.Helper()
	began := time.Now()
	for range 10 * orderBurst {
		l.settle(t)
		l.order("gw3", change)
	}
	o, text := l.order("gw2", change)
	l.answer(t, o, text) // the orders before it have been received
	l.settle(t)
	n := 0
	for len(l.done) > 0 {
		<-l.done
		n++
	}
	if n > orderBurst+int(time.Since(began)/orderEvery)+1 {
		t.Errorf("%d orders of a flood were carried out", n)
	}
}

// settle waits until no order is being looked at.
func (l *orderLab) settle(t *testing.T) {
	t.Helper()
	wait.For(t, "orders to be carried out", func() bool {
		l.fleet.orders.mu.Lock()
		defer l.fleet.orders.mu.Unlock()
		return len(l.fleet.orders.running) == 0
	})
}

// TestOwnOrder: this gateway closes at once; the others are asked until they have answered or the time is
// over, and each is named.
func TestOwnOrder(t *testing.T) {
	l := newOrderLab(t)
	l.open(t, "192.0.2.7", "192.0.2.8")
	var asked atomic.Int32
	go func() {
		for text := range l.orders {
			o, err := l.signer.ReadOrder("gw1", text)
			if err != nil || l.mon.Load().Len() != 0 {
				t.Errorf("%v, %d open here", err, l.mon.Load().Len())
			}
			l.process.Stored(text)
			d := fleetlink.Done{By: "gw2", From: "gw1", Serial: o.Serial, Closed: 4}
			if asked.Add(1) == 1 {
				d.Error = "the firewall is busy"
			}
			if text, err := l.signer.Done(d); err == nil {
				l.process.Done("gw2", text)
				l.process.Done("gw3", text) // which is gw2's
			}
		}
	}()
	list, err := l.revokeEverywhere(t.Context(), control.Selection{}, control.FleetOrder{})
	if err != nil || len(list) != 3 || list[0].Closed != 2 || list[1].Closed != 4 || list[1].Error != "" || list[2].Error == "" {
		t.Errorf("%+v, %v", list, err)
	}
	if asked.Load() < 3 {
		t.Errorf("asked %d times", asked.Load())
	}
	if list[1].Stored || !list[2].Stored {
		t.Errorf("stored for those that have done it, or not for the other: %+v", list)
	}
	if list, err := l.revokeEverywhere(t.Context(), control.Selection{}, control.FleetOrder{Gateway: "gw2"}); err != nil || len(list) != 1 || list[0].Gateway != "gw2" {
		t.Errorf("one: %+v, %v", list, err)
	}
	if _, err := l.revokeEverywhere(t.Context(), control.Selection{}, control.FleetOrder{Gateway: "gw9"}); err == nil || !strings.Contains(err.Error(), "gw2, gw3, gw1") {
		t.Errorf("unknown: %v", err)
	}
	l.fleet.mu.Lock()
	l.fleet.cfg = nil
	l.fleet.mu.Unlock()
	if _, err := l.revokeEverywhere(t.Context(), control.Selection{}, control.FleetOrder{}); err == nil {
		t.Error("without a fleet")
	}
}

// TestMovedStanza: a revocation by NAME bars the stanza of that name where a reload has put it.
func TestMovedStanza(t *testing.T) {
	load := func(front string) *setup {
		s, problems := prepare(files(t, "ALERTING_METHODS noemail;\n", front+plainStanza+"NAME alice\n"))
		if problems.Failed() {
			t.Fatal(problems)
		}
		return s
	}
	d := newDaemon(files(t, "", plainStanza), load(""), "1", io.Discard)
	before := d.now(control.Selection{Stanza: 1}, "alice")
	d.setup = load("\n\n")
	if after := d.now(before, "alice"); before.Stanza != 1 || after.Stanza != 3 {
		t.Errorf("line %d, then %d", before.Stanza, after.Stanza)
	}
	d.setup = load("#NAME\n")
	if gone := d.now(before, "bob"); gone.Stanza != 1 {
		t.Errorf("a stanza that is gone: line %d", gone.Stanza)
	}
}
