package node

import (
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	"golang.org/x/time/rate"

	"fwknopd/cmd/fwknopd/fleetlink"
)

// Orders to revoke grants, and what was done about them: the one who gives an order sends it again until
// all have answered, or for [fleetlink.OrderTime]. Those that do not get it then find it in a stream, see
// [Node.hearLate].
const (
	orderSubjects = "fwknop.revoke."  // and the gateway that orders it
	doneSubjects  = "fwknop.revoked." // and the gateway that answers
)

// What one gateway may say of orders: so much at once, then this rate. No other's wait for it.
const (
	ordersRate  = 10 // a second
	ordersBurst = 50
)

// orders passes orders and answers between the others and the monitor of this gateway.
type orders struct {
	Options
	signer *fleetlink.Signer

	storing storing
	late    late

	mu     sync.Mutex
	limits map[string]*rate.Limiter
}

func newOrders(n *Node, o Options) (*orders, error) {
	s, err := fleetlink.NewSigner(&n.cfg)
	return &orders{Options: o, signer: s, storing: newStoring(), late: newLate(), limits: make(map[string]*rate.Limiter)}, err
}

// listen hears orders and answers from now on.
func (n *Node) listenOrders() error {
	for _, subject := range []string{orderSubjects, doneSubjects} {
		if _, err := n.nc.Subscribe(subject+"*", func(m *nats.Msg) { n.hearOrder(subject, m) }); err != nil {
			return err
		}
	}
	return nil
}

// Order publishes an order of this gateway, and has it stored, once; Done publishes what it has done about
// one. What cannot be published now is not published later.
func (n *Node) Order(text []byte) {
	_ = n.nc.Publish(orderSubjects+n.cfg.Name, text)
	n.orders.storing.add(text)
}
func (n *Node) Done(text []byte) { _ = n.nc.Publish(doneSubjects+n.cfg.Name, text) }

// hearOrder passes on what is signed by the gateway that the subject names. A witness has nothing to
// revoke, and says so.
func (n *Node) hearOrder(subject string, m *nats.Msg) {
	name := strings.TrimPrefix(m.Subject, subject)
	if !n.isOther(name) || len(m.Data) > fleetlink.MaxSigned {
		return
	}
	o := n.orders
	if subject == doneSubjects {
		if d, err := o.signer.ReadDone(name, m.Data); err == nil && d.From == n.cfg.Name && o.allow(name) && o.HeardDone != nil {
			o.HeardDone(name, m.Data)
		}
		return
	}
	order, err := o.signer.ReadOrder(name, m.Data)
	switch {
	case err != nil || !order.IsFor(n.cfg.Name) || !o.allow(name):
	case n.cfg.Witness:
		if text, err := o.signer.Done(fleetlink.Done{By: n.cfg.Name, From: name, Serial: order.Serial}); err == nil {
			n.Done(text)
		}
	case o.HeardOrder != nil:
		o.HeardOrder(name, m.Data)
	}
}

// allow takes one from the budget of a gateway.
func (o *orders) allow(name string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.limits[name]
	if l == nil {
		if len(o.limits) >= maxHeard {
			return false
		}
		l = rate.NewLimiter(ordersRate, ordersBurst)
		o.limits[name] = l
	}
	return l.Allow()
}
