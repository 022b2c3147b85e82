// Package node is a gateway's part in a fleet: NATS JetStream, as a server of its own
// (embedded) or an outside cluster, the bucket of claims and what is known of the other
// members. [Open] starts a Node, [Node.Claim] makes a message the gateway's alone.
package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/time/rate"

	"fwknopd/cmd/fwknopd/fleetlink"
)

// Options are what the caller of [Open] provides. The zero value is usable.
type Options struct {
	Log    func(text string)             // takes one line at a time; what the NATS server says is a few lines a minute
	Quorum func(quorum bool, why string) // is told whenever claims begin to be decided, or cease to be, and why
	Now    func() time.Time              // the clock of this gateway; nil: time.Now

	// HeardOrder and HeardDone get what another gateway orders, or has done about an order of this
	// one, as it has signed it. They do not block. nil: there are no grants here.
	HeardOrder func(from string, text []byte)
	HeardDone  func(by string, text []byte)
	// StoredOrder gets an order of this gateway that the fleet has stored. LateOrder gets one of
	// another gateway that was stored, and returns when it is dealt with, or false at the end of ctx.
	StoredOrder func(text []byte)
	LateOrder   func(ctx context.Context, o fleetlink.LateOrder) bool
}

// A Node is a member of a fleet, until [Node.Close]. Its methods may be called by several
// goroutines.
type Node struct {
	cfg    fleetlink.Config
	now    func() time.Time
	log    func(string)
	server *embedded // nil: an outside cluster
	nc     *nats.Conn
	js     jetstream.JetStream
	alive  *alive
	claims *claims

	announcer announcer
	hearing   hearing
	orders    *orders
	logLimit  *rate.Limiter
	denied    atomic.Pointer[string] // what the cluster did not permit last, since it answered

	stop    context.CancelFunc
	running sync.WaitGroup
}

// Open starts a member, which looks for its fleet until Close. It does not wait for it:
// until there is a quorum claims are unavailable. An error is one of the configuration or
// of the host: credentials, pins, the directory, the address.
func Open(cfg fleetlink.Config, o Options) (*Node, error) {
	n := &Node{cfg: cfg, now: o.Now, log: o.Log, announcer: newAnnouncer(), logLimit: rate.NewLimiter(rate.Every(15*time.Second), 5)}
	if n.now == nil {
		n.now = time.Now
	}
	if n.log == nil {
		n.log = func(string) {}
	}
	n.alive = newAlive(cfg, n.now)
	n.claims = newClaims(o.Quorum)
	var err error
	if n.orders, err = newOrders(n, o); err != nil {
		return nil, err
	}
	if err := n.connect(); err != nil {
		n.Close()
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.stop = cancel
	n.running.Go(func() { n.beats(ctx) })
	n.running.Go(func() { n.watch(ctx) })
	n.running.Go(func() { n.announce(ctx) })
	n.running.Go(func() { n.settles(ctx) })
	n.running.Go(func() { n.storeOrders(ctx) })
	n.running.Go(func() { n.hearLate(ctx) })
	return n, nil
}

// replicas returns how many members hold each claim: all of up to three, five of five and
// more. An outside cluster holds three, or one where it is a single server.
func (n *Node) replicas() int {
	switch members := len(n.alive.all); {
	case n.server == nil && n.nc.ConnectedClusterName() != "":
		return 3
	case n.server == nil:
		return 1
	case members >= 5:
		return 5
	default:
		return min(members, 3)
	}
}

// connect makes the connection to the server, which comes back by itself for ever.
func (n *Node) connect() (err error) {
	options := []nats.Option{
		nats.Name("fwknopd " + n.cfg.Name), nats.MaxReconnects(-1), nats.ReconnectWait(200 * time.Millisecond),
		nats.RetryOnFailedConnect(true), nats.ReconnectBufSize(-1), nats.CustomInboxPrefix(inboxPrefix + n.cfg.Name),
		nats.NoEcho(), // what comes under our name is another gateway's
		nats.PingInterval(2 * time.Second), nats.MaxPingsOutstanding(2), nats.Timeout(2 * time.Second),
		nats.ErrorHandler(n.reportError()),
	}
	url := strings.Join(n.cfg.Servers, ",")
	if len(n.cfg.Servers) == 0 {
		if n.server, err = startServer(n.cfg, n.log); err != nil {
			return err
		}
		options = append(options, nats.InProcessServer(n.server))
	} else {
		outside, err := outsideOptions(n.cfg)
		if err != nil {
			return err
		}
		options = append(options, outside...)
	}
	if n.nc, err = nats.Connect(url, options...); err != nil {
		return err
	}
	if n.js, err = jetstream.New(n.nc); err != nil {
		return err
	}
	return errors.Join(n.alive.listen(n.nc), n.listenOrders())
}

// reportError returns what is called with errors that answer no call, such as a denied
// subject. They are logged, a few a minute.
func (n *Node) reportError() nats.ErrHandler {
	limit := rate.NewLimiter(rate.Every(30*time.Second), 5)
	return func(_ *nats.Conn, _ *nats.Subscription, err error) {
		if errors.Is(err, nats.ErrPermissionViolation) {
			n.denied.Store(new(err.Error()))
		}
		if limit.Allow() {
			n.log(fmt.Sprintf("NATS: %v", err))
		}
	}
}

// JetStream returns the connection for what else the fleet stores.
func (n *Node) JetStream() jetstream.JetStream { return n.js }

// Close ends the member. Claims are unavailable afterwards.
func (n *Node) Close() {
	n.claims.fail("the fleet process ends")
	if n.stop != nil {
		n.stop()
		n.running.Wait()
	}
	if n.server != nil && n.js != nil {
		n.handOver()
	}
	if n.nc != nil {
		n.nc.Close()
	}
	if n.server != nil {
		n.server.close()
	}
}
