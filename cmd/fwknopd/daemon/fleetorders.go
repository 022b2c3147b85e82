package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"fwknopd/cmd/fwknopd/control"
	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
	"fwknopd/policy"
)

// What one gateway may order: so much at once, then this rate. No other's orders wait for its.
const (
	orderEvery = time.Second
	orderBurst = 20
	// maxOrderers bounds the gateways of an outside cluster that are told apart.
	maxOrderers = 64
)

// resendEvery is how long an answer to an order is waited for before it is sent again.
const resendEvery = 400 * time.Millisecond

// maxDoneOrders bounds the orders that are remembered as done.
const maxDoneOrders = 4096

// An orderID names an order.
type orderID struct {
	from   string
	serial uint64
}

// fleetOrders are the orders to revoke grants that other gateways give, and those that this one gives.
// Grants can be closed by them, and nothing else be done.
type fleetOrders struct {
	mu       sync.Mutex
	last     uint64 // serial number of this gateway's
	done     map[orderID]doneOrder
	running  map[string]bool // by the gateway that orders it
	limits   map[string]*rate.Limiter
	answered map[uint64]chan fleetlink.Done // by serial number of this gateway's
	asked    map[string]bool                // by the text of an order of this gateway that is being given: it is stored
}

// A doneOrder was carried out.
type doneOrder struct {
	at     time.Time
	answer fleetlink.Done
}

func newFleetOrders() *fleetOrders {
	return &fleetOrders{done: make(map[orderID]doneOrder), running: make(map[string]bool),
		limits: make(map[string]*rate.Limiter), answered: make(map[uint64]chan fleetlink.Done), asked: make(map[string]bool)}
}

// orderTolerance is how far the time of an order may be from the clock: by the difference of the clocks
// that a fleet allows, and the time for which an order is sent again.
const orderTolerance = policy.ClockSkew + fleetlink.OrderTime

// heardOrder carries an order of another gateway out, once, and answers. What was not carried out is
// tried again when the order is.
func (f *fleet) heardOrder(from string, text []byte) {
	cfg := f.wanted()
	if cfg == nil || !f.orders.begin(from) {
		return
	}
	go func() {
		defer f.orders.end(from)
		signer, err := fleetlink.NewSigner(cfg)
		if err != nil {
			return
		}
		o, err := signer.ReadOrder(from, text)
		if err != nil || !o.IsFor(cfg.Name) {
			return
		}
		answer, known := f.orders.find(o)
		if !known {
			answer = f.carryOut(&o, cfg.Name)
		}
		if answer.By == "" {
			return
		}
		if text, err := signer.Done(answer); err == nil {
			f.tellDone(text)
		}
	}()
}

// carryOut carries out an order that came in time. It is noted when it is done: a crash before that
// leaves it to be done when it is sent again. The zero Done: it is not answered.
func (f *fleet) carryOut(o *fleetlink.Order, self string) fleetlink.Done {
	answer := fleetlink.Done{By: self, From: o.From, Serial: o.Serial}
	if off := time.Since(o.At); off.Abs() > orderTolerance {
		answer.Error = fmt.Sprintf("the order is %v away from the clock here", off.Abs().Round(time.Second))
		return answer
	}
	if !f.orders.allow(o.From) {
		return fleetlink.Done{}
	}
	f.revoke(o, false, &answer)
	if answer.Error == "" {
		f.orders.note(o, answer)
	}
	f.logf(info, "fleet: %s has grants revoked: %s", o.From, revokedLine(answer))
	return answer
}

// revoke closes what an order selects, of that which is open for messages from before a late one. It keeps
// announcements of such messages from opening it again. The clock by which they were claimed may differ
// from that of the order.
func (f *fleet) revoke(o *fleetlink.Order, late bool, answer *fleetlink.Done) {
	mon := f.mon.Load()
	if mon == nil {
		answer.Error = "the daemon is starting"
		return
	}
	d, before := f.d, o.At.Add(policy.ClockSkew)
	var open control.Enforcer = mon
	if late {
		open = earlier{mon, before}
	}
	s := control.Selection{Src: o.Src, Port: o.Port}
	if o.Stanza != "" {
		line, err := d.conf().Access.Line(o.Stanza)
		if err != nil {
			answer.Unknown = true
			return
		}
		s.Stanza = line
	}
	ctx, cancel := context.WithTimeout(context.Background(), fleetlink.OrderTime)
	defer cancel()
	until := time.Now().Add(2*policy.ClockSkew + policy.ClaimLife(d.conf().Server.MaxAge))
	mon.Bar(func(g enforce.Grant) bool { return d.now(s, o.Stanza).Matches(g) }, before, until)
	closed, err := control.Revoke(ctx, open, s)
	answer.Closed = uint64(len(closed))
	if err != nil {
		answer.Error = privsep.Sanitize(err.Error())
		answer.Error = answer.Error[:min(len(answer.Error), fleetlink.MaxWhy)]
	}
}

// now returns a selection with the line that a stanza has now: a reload may have moved it. One that is
// gone keeps its line.
func (d *daemon) now(s control.Selection, stanza string) control.Selection {
	if stanza == "" {
		return s
	}
	if line, err := d.conf().Access.Line(stanza); err == nil {
		s.Stanza = line
	}
	return s
}

// heardDone passes an answer to an order of this gateway on.
func (f *fleet) heardDone(by string, text []byte) {
	cfg := f.wanted()
	if cfg == nil {
		return
	}
	signer, err := fleetlink.NewSigner(cfg)
	if err != nil {
		return
	}
	d, err := signer.ReadDone(by, text)
	if err != nil || d.From != cfg.Name {
		return
	}
	f.orders.mu.Lock()
	defer f.orders.mu.Unlock()
	select {
	case f.orders.answered[d.Serial] <- d:
	default: // nothing waits for it
	}
}

func (f *fleet) tellDone(text []byte) {
	if c := f.controlled(); c != nil {
		_ = c.Done(text) // it is asked for again
	}
}

// controlled returns the link to the process; nil if none runs.
func (f *fleet) controlled() *fleetlink.Control {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.control
}

// revokeEverywhere implements `fwknopd fleet revoke`: this gateway closes at once what is selected, and
// the others are asked until they have answered, or for [fleetlink.OrderTime].
func (f *fleet) revokeEverywhere(ctx context.Context, s control.Selection, o control.FleetOrder) ([]report.FleetRevoked, error) {
	cfg := f.wanted()
	if cfg == nil {
		return nil, errors.New("FLEET is not set: this gateway is alone (fwknopd grants revoke)")
	}
	signer, err := fleetlink.NewSigner(cfg)
	if err != nil {
		return nil, err
	}
	order := fleetlink.Order{From: cfg.Name, To: o.Gateway, Serial: f.orders.next(), At: time.Now().Round(0).UTC(), Src: s.Src, Port: s.Port, Stanza: o.Stanza}
	var list []report.FleetRevoked
	if o.Gateway == "" || o.Gateway == cfg.Name {
		own := fleetlink.Done{By: cfg.Name}
		f.revoke(&order, false, &own)
		list = append(list, revokedOf(own))
	}
	others, err := f.others(ctx, cfg, o.Gateway)
	if err != nil {
		return list, err
	}
	if err := order.Check(); err != nil {
		return list, err
	}
	text, err := signer.Order(order)
	if err != nil {
		return list, err
	}
	return append(list, f.ask(ctx, others, order.Serial, text)...), nil
}

// others returns the other gateways, or the one with the name.
func (f *fleet) others(ctx context.Context, cfg *fleetlink.Config, name string) (names []string, err error) {
	if len(cfg.Servers) == 0 {
		for _, p := range cfg.Peers {
			names = append(names, p.Name)
		}
	} else {
		s, err := f.d.fleetStatus(ctx)
		if err != nil {
			return nil, fmt.Errorf("the other gateways are not known: %w", err)
		}
		for _, m := range s.Members {
			names = append(names, m.Name)
		}
	}
	names = slices.DeleteFunc(names, func(n string) bool { return n == cfg.Name })
	slices.Sort(names)
	switch {
	case name == "":
		return names, nil
	case name == cfg.Name:
		return nil, nil
	case slices.Contains(names, name):
		return []string{name}, nil
	}
	return nil, fmt.Errorf("no gateway %q is known; there are %s", name, strings.Join(append(names, cfg.Name), ", "))
}

// ask publishes an order until all gateways have answered or the time is over. An answer that it failed
// is not the last one.
func (f *fleet) ask(ctx context.Context, names []string, serial uint64, text []byte) []report.FleetRevoked {
	list := make([]report.FleetRevoked, len(names))
	waiting := len(names)
	for i, name := range names {
		list[i] = report.FleetRevoked{Gateway: name, Error: "it did not answer"}
	}
	answers := make(chan fleetlink.Done, maxOrderers)
	f.orders.expect(serial, string(text), answers)
	defer f.orders.expect(serial, string(text), nil)
	over := time.After(fleetlink.OrderTime)
	send := time.NewTicker(resendEvery)
	defer send.Stop()
	for f.send(text); waiting > 0; {
		select {
		case <-send.C:
			f.send(text)
		case d := <-answers:
			i := slices.Index(names, d.By)
			if i < 0 || list[i].Error == "" {
				continue
			}
			if list[i] = revokedOf(d); d.Error == "" {
				waiting--
			}
		case <-over:
			return f.orders.later(list, string(text))
		case <-ctx.Done():
			return f.orders.later(list, string(text))
		}
	}
	return list
}

func (f *fleet) send(text []byte) {
	if c := f.controlled(); c != nil {
		_ = c.Order(text) // it is sent again
	}
}

func revokedOf(d fleetlink.Done) report.FleetRevoked {
	return report.FleetRevoked{Gateway: d.By, Closed: d.Closed, Unknown: d.Unknown, Error: d.Error}
}

// begin reports whether an order of a gateway may be looked at: one at a time is.
func (o *fleetOrders) begin(from string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.running[from] || len(o.running) >= maxOrderers {
		return false
	}
	o.running[from] = true
	return true
}

func (o *fleetOrders) end(from string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.running, from)
}

// allow takes one from the budget of a gateway, which has signed it.
func (o *fleetOrders) allow(from string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.limits[from]
	if l == nil {
		if len(o.limits) >= maxOrderers {
			return false
		}
		l = rate.NewLimiter(rate.Every(orderEvery), orderBurst)
		o.limits[from] = l
	}
	return l.Allow()
}

// find returns the answer to an order that was carried out.
func (o *fleetOrders) find(order fleetlink.Order) (answer fleetlink.Done, known bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	done, known := o.done[orderID{order.From, order.Serial}]
	return done.answer, known
}

// note notes that an order was carried out. What is too old to be accepted again is forgotten.
func (o *fleetOrders) note(order *fleetlink.Order, answer fleetlink.Done) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	for id, done := range o.done {
		if now.Sub(done.at) > 2*orderTolerance {
			delete(o.done, id)
		}
	}
	if len(o.done) < maxDoneOrders {
		o.done[orderID{order.From, order.Serial}] = doneOrder{now, answer}
	}
}

// next returns a serial number, which is higher than those before, also of an earlier daemon.
func (o *fleetOrders) next() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = max(o.last+1, uint64(time.Now().UnixNano()))
	return o.last
}

// expect has answers to an order passed on, and notes whether it is stored; nil: no longer.
func (o *fleetOrders) expect(serial uint64, text string, answers chan fleetlink.Done) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if answers == nil {
		delete(o.answered, serial)
		delete(o.asked, text)
	} else {
		o.answered[serial], o.asked[text] = answers, false
	}
}

// noteStored notes that the fleet has stored an order of this gateway.
func (o *fleetOrders) noteStored(text []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, given := o.asked[string(text)]; given {
		o.asked[string(text)] = true
	}
}

// later marks those that have not done what was ordered, if the order is stored for them.
func (o *fleetOrders) later(list []report.FleetRevoked, text string) []report.FleetRevoked {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range list {
		list[i].Stored = list[i].Error != "" && o.asked[text]
	}
	return list
}
