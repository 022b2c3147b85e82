package node

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/time/rate"

	"fwknopd/cmd/fwknopd/fleetlink"
)

// Orders are in a stream, in which a gateway that was cut off or did not run finds what it missed. One
// gateway's push out no other's.
const (
	lateStream   = "fwknop_ordered"
	lateSubjects = "fwknop.ordered." // and the gateway that orders it
	maxLate      = 256               // of one gateway
	lateBytes    = 16 << 20          // an order takes some 600 bytes
	// lateEvery is how often a gateway looks for orders that it missed.
	lateEvery = 2 * time.Second
)

var lateConfig = jetstream.StreamConfig{
	Name: lateStream, Subjects: []string{lateSubjects + "*"}, Description: "orders of gateways of fwknopd to revoke grants",
	Storage: jetstream.FileStorage, MaxMsgsPerSubject: maxLate, MaxBytes: lateBytes, MaxMsgSize: fleetlink.MaxSigned,
	MaxAge: fleetlink.LateTime, Duplicates: 2 * time.Minute, Discard: jetstream.DiscardOld, DenyDelete: true,
}

// storing has the orders of this gateway that are to be stored.
type storing struct {
	queue chan []byte
	last  []byte // that was queued; used by add alone
}

func newStoring() storing { return storing{queue: make(chan []byte, maxLate)} }

// add queues an order, unless it is sent again. Calls follow each other.
func (s *storing) add(text []byte) {
	if bytes.Equal(text, s.last) {
		return
	}
	s.last = bytes.Clone(text)
	select {
	case s.queue <- s.last:
	default: // it is not told that it is stored
	}
}

// storeOrders stores orders until ctx ends.
func (n *Node) storeOrders(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case text := <-n.orders.storing.queue:
			err := n.store(ctx, lateConfig, lateSubjects+n.cfg.Name, text, n.now().Add(fleetlink.OrderTime), "orders to revoke")
			if err == nil && n.orders.StoredOrder != nil {
				n.orders.StoredOrder(text)
			}
		}
	}
}

// late is how far the stored orders were read.
type late struct {
	place  Place
	limits map[string]*rate.Limiter // what one gateway may have stored is passed on at once, then as much as may be sent
}

func newLate() late { return late{limits: make(map[string]*rate.Limiter)} }

// hearLate passes on the orders that were stored after the last one that this gateway has heard, until ctx
// ends.
func (n *Node) hearLate(ctx context.Context) {
	if n.orders.LateOrder == nil {
		return
	}
	for failures := 0; Pause(ctx, lateEvery); {
		err := n.catchUp(ctx)
		if failures++; err == nil {
			failures = 0
		} else if why := Reason(err); failures == patience && why != NoQuorum {
			n.logSome("orders to revoke that were missed are not heard: %s", why)
		}
	}
}

// catchUp passes on what is stored behind the place.
func (n *Node) catchUp(ctx context.Context) error {
	s, err := n.lateOrders(ctx)
	if err != nil || s == nil {
		return err
	}
	last, place := s.CachedInfo().State.LastSeq, &n.orders.late.place
	for place.last < last {
		try, cancel := context.WithTimeout(ctx, examineTime)
		m, err := s.GetMsg(try, place.last+1, jetstream.WithGetMsgSubject(lateSubjects+"*"))
		cancel()
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			place.last = last
			return nil
		case err != nil:
			return err
		case m.Time.After(n.cfg.Ordered) && !n.passLate(ctx, m):
			return ctx.Err()
		}
		place.last = m.Sequence
	}
	return nil
}

// lateOrders returns the stream of orders with the place in it; nil if nothing was ever ordered.
func (n *Node) lateOrders(ctx context.Context) (jetstream.Stream, error) {
	try, cancel := context.WithTimeout(ctx, examineTime)
	defer cancel()
	s, err := n.js.Stream(try, lateStream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	if err == nil {
		n.orders.late.place.renew(s.CachedInfo())
	}
	return s, err
}

// passLate passes on an order that is for this gateway, and waits until it is dealt with. It reports false
// if that was not.
func (n *Node) passLate(ctx context.Context, m *jetstream.RawStreamMsg) bool {
	name := strings.TrimPrefix(m.Subject, lateSubjects)
	if !n.isOther(name) {
		return true
	}
	o, err := n.orders.signer.ReadOrder(name, m.Data)
	if err != nil || !o.IsFor(n.cfg.Name) {
		return true
	}
	if !n.orders.late.allow(name) {
		n.logSome("stored orders of %s are dropped: it gives too many", name)
		return true
	}
	return n.orders.LateOrder(ctx, fleetlink.LateOrder{From: name, Text: string(m.Data), Stored: m.Time.UTC()})
}

// allow takes one from the budget of a gateway.
func (l *late) allow(name string) bool {
	if l.limits[name] == nil {
		if len(l.limits) >= maxHeard {
			return false
		}
		l.limits[name] = rate.NewLimiter(ordersRate, maxLate)
	}
	return l.limits[name].Allow()
}
