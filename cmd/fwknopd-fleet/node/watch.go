package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	beatEvery   = time.Second            // this member says that it lives, and looks at the fleet
	retryEvery  = 200 * time.Millisecond // while claims are unavailable
	examineTime = 2 * time.Second
	// askEvery is how often the fleet is asked again within that time: what is asked while no member leads is
	// not answered when one does. What was asked before may still be answered, by a slow machine.
	askEvery = 250 * time.Millisecond
)

// twinEvery is how often it is logged that another gateway has the name of this one.
const twinEvery = time.Minute

// beats says that this member lives, until ctx ends.
func (n *Node) beats(ctx context.Context) {
	var said time.Time
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		n.alive.beat(n.nc)
		if n.alive.hasTwin() && time.Since(said) > twinEvery {
			said = time.Now()
			n.log(fmt.Sprintf("another gateway of the fleet is called %s too: give each a FLEET_NAME of its own, "+
				"neither hears what the other one announces or revokes", n.cfg.Name))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// watch finds out whether the fleet has a quorum: each second, and soon after a claim has failed.
func (n *Node) watch(ctx context.Context) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		closed := false
		select {
		case <-ctx.Done():
			return
		case <-n.claims.failed:
			retry.Reset(retryEvery)
			continue
		case <-retry.C:
			closed = true
		case <-tick.C:
		}
		n.minded()
		if _, why := n.claims.current(); (why != "") == closed {
			n.examine(ctx, closed)
		}
	}
}

// minded has the server take part in the fleet only while the clocks of a majority agree with
// this one: claims end by the clock of the member that leads.
func (n *Node) minded() {
	if n.server == nil {
		return
	}
	switch n.alive.verdict() {
	case clockAgrees:
		if err := n.server.join(); err != nil {
			n.claims.fail(err.Error())
		}
	case clockDiffers:
		n.server.leave()
	}
}

// examine opens claims if the fleet can decide them, or says why it cannot. A probe is written:
// a member that still leads without knowing that it is cut off answers reads.
func (n *Node) examine(ctx context.Context, probe bool) {
	use, err := n.ask(ctx, probe)
	switch {
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled):
	case err != nil:
		n.claims.fail(n.reason(err))
	default:
		n.denied.Store(nil)
		n.claims.open(use)
	}
}

// ask looks at the fleet for examineTime, again and again. The first answer counts; but where a claim has
// failed meanwhile only that of a probe.
func (n *Node) ask(ctx context.Context, probe bool) (usable, error) {
	type answer struct {
		usable
		err    error
		probed bool
	}
	ctx, cancel := context.WithTimeout(ctx, examineTime)
	defer cancel()
	failed := n.claims.failed
	if probe {
		failed = nil
	}
	answers := make(chan answer, examineTime/askEvery+2)
	again := time.NewTicker(askEvery)
	defer again.Stop()
	look := func(probe bool) {
		use, err := n.look(ctx)
		if err == nil && probe {
			err = n.probe(ctx, use)
		}
		answers <- answer{use, err, probe}
	}
	go look(probe)
	for {
		select {
		case a := <-answers:
			if a.probed == probe {
				return a.usable, a.err
			}
		case <-failed:
			failed, probe = nil, true
			go look(probe)
		case <-again.C:
			go look(probe)
		case <-ctx.Done():
			return usable{}, ctx.Err()
		}
	}
}

// reason is what an error means for claims. What a cluster does not permit it does not answer.
func (n *Node) reason(err error) string {
	why := Reason(err)
	if denied := n.denied.Load(); why == NoQuorum && denied != nil {
		return "the cluster does not answer, and has not permitted: " + *denied
	}
	return why
}

// look returns the bucket, if this gateway may claim in it.
func (n *Node) look(ctx context.Context) (usable, error) {
	if n.server != nil {
		if why := n.server.apart(); why != "" {
			return usable{}, errors.New(why)
		}
	} else if err := checkServer(n.nc.ConnectedServerVersion()); err != nil {
		return usable{}, err
	}
	s, t, err := n.findTerms(ctx)
	if err == nil {
		err = t.accepts(n.cfg)
	}
	return usable{s, t}, err
}

// probe writes to the bucket, which takes a quorum, and compares the clocks.
func (n *Node) probe(ctx context.Context, use usable) error {
	asked := n.now()
	ack, err := n.js.Publish(ctx, probeKeys+n.cfg.Name, nil, jetstream.WithRetryAttempts(0), jetstream.WithMsgTTL(time.Minute))
	if err != nil {
		return err
	}
	return n.confirm(ctx, use, ack.Sequence, asked)
}

// NoQuorum is the [Reason] of what is not answered.
const NoQuorum = "the fleet has no quorum, or cannot be reached"

// Reason returns what an error of JetStream means, in one line for the user.
func Reason(err error) string {
	var api *jetstream.APIError
	// A member that has begun to lead, and does not know yet all that is stored, has not found it.
	for _, silent := range []error{context.DeadlineExceeded, nats.ErrTimeout, nats.ErrNoResponders, jetstream.ErrNoStreamResponse,
		jetstream.ErrStreamNotFound, jetstream.ErrMsgNotFound,
		jetstream.ErrJetStreamNotEnabled, nats.ErrConnectionReconnecting, nats.ErrReconnectBufExceeded, nats.ErrConnectionClosed, nats.ErrDisconnected} {
		if errors.Is(err, silent) {
			return NoQuorum
		}
	}
	switch {
	case !errors.As(err, &api):
	case strings.Contains(api.Description, "maximum bytes exceeded"):
		return fmt.Sprintf("the fleet has no room for further claims, of %s: those that end make room", humanize.IBytes(maxBytes))
	case api.Code == 503:
		return NoQuorum
	}
	return err.Error()
}
