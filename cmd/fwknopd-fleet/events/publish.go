package events

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"fwknopd/cmd/fwknopd-fleet/node"
	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/policy/conf"
)

const (
	maxQueue    = 4 << 20 // bytes of events that wait for a quorum
	publishTime = 5 * time.Second
	retryEvery  = time.Second
	patience    = 10 // failures in succession, until they are logged
)

// A Publisher publishes what the monitor of this gateway says, one message at a time so that they
// are stored in order. What waits is bounded: the oldest events are dropped, and missing in the
// numbers of the others.
type Publisher struct {
	store *Store
	log   func(string)
	wake  chan struct{} // has room for one signal: something waits

	mu      sync.Mutex
	queue   []fleetlink.Events
	bytes   int
	sending bool   // the first of the queue is being published
	open    string // what is open, which waits; "": nothing does
	run     uint64
	next    uint64 // the number after the last object that came
	tally   fleetlink.EventTally
	dropped uint64 // since something was published

	failures int  // in succession; of Run alone
	tried    bool // the first of the queue may be stored already; of Run alone
}

// NewPublisher returns a publisher, of which [Publisher.Run] has to be called.
func NewPublisher(s *Store, log func(string)) *Publisher {
	return &Publisher{store: s, log: log, wake: make(chan struct{}, 1)}
}

// TakeEvents implements [fleetlink.EventTaker].
func (p *Publisher) TakeEvents(e fleetlink.Events) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.Run != p.run {
		p.run, p.next = e.Run, e.First
	}
	if again := p.next - min(p.next, e.First); again > 0 { // over another link, which begins with what is known
		e.First, e.Objects = p.next, e.Objects[min(again, uint64(len(e.Objects))):]
	}
	if len(e.Objects) == 0 {
		return
	}
	if e.First > p.next { // the monitor had no room
		p.drop(e.First - p.next)
	}
	p.next = e.First + uint64(len(e.Objects))
	p.push(e)
	first := 0
	if p.sending {
		first = 1
	}
	for p.bytes > maxQueue && len(p.queue) > first+1 {
		p.drop(uint64(len(p.queue[first].Objects)))
		p.remove(first)
	}
	p.notify()
}

// push appends events to the queue, to the last ones if they follow them. Those in front may have been
// sent already, and stay what they are: that is how JetStream knows them again. p.mu must be held.
func (p *Publisher) push(e fleetlink.Events) {
	p.bytes += size(&e)
	if n := len(p.queue) - 1; n > 0 {
		last := &p.queue[n]
		if last.Run == e.Run && last.First+uint64(len(last.Objects)) == e.First && size(last)+size(&e) <= fleetlink.MaxObjects {
			last.Objects = append(last.Objects, e.Objects...)
			return
		}
	}
	p.queue = append(p.queue, e)
}

// TakeOpen implements [fleetlink.EventTaker]: only the last one counts.
func (p *Publisher) TakeOpen(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = text
	p.notify()
}

func (p *Publisher) notify() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// drop counts objects that are not published. p.mu must be held.
func (p *Publisher) drop(n uint64) {
	p.tally.Dropped += n
	p.dropped += n
}

// remove removes events from the queue, the first ones or those behind. p.mu must be held.
func (p *Publisher) remove(i int) {
	p.bytes -= size(&p.queue[i])
	p.queue[i] = p.queue[0]
	p.queue[0] = fleetlink.Events{}
	p.queue = p.queue[1:]
}

// size is what events take in the queue, in bytes.
func size(e *fleetlink.Events) (n int) {
	const each = 32 // of a string, and what rounding takes
	for _, object := range e.Objects {
		n += len(object) + each
	}
	return n
}

// Tally returns the counts.
func (p *Publisher) Tally() fleetlink.EventTally {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.tally
	for i := range p.queue {
		t.Queue += uint64(len(p.queue[i].Objects))
	}
	return t
}

// Run publishes what waits until ctx ends.
func (p *Publisher) Run(ctx context.Context) {
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		case <-retry.C:
		}
		more, err := p.publish(ctx)
		for more && err == nil {
			more, err = p.publish(ctx)
		}
		if p.report(err); err != nil {
			retry.Reset(retryEvery)
		}
	}
}

// publish publishes one message, and reports whether there was one.
func (p *Publisher) publish(ctx context.Context) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, publishTime)
	defer cancel()
	e, open := p.head()
	switch {
	case open != "":
		if _, err = p.send(ctx, &p.store.open, openStream, &nats.Msg{Subject: openSubjects + p.store.node.Name(), Data: []byte(open)}); err == nil {
			p.opened(open)
		}
	case len(e.Objects) > 0:
		m := &nats.Msg{Subject: eventSubjects + p.store.node.Name(), Data: []byte(strings.Join(e.Objects, "\n")), Header: nats.Header{}}
		m.Header.Set(header, idOf(p.store.node.Name(), &e))
		err = p.sendOnce(ctx, m)
		p.sent(uint64(len(e.Objects)), err)
	default:
		return false, nil
	}
	return true, err
}

// sendOnce has events stored. If their id is known though they were not sent before, another gateway has
// taken it, or an earlier process of this one has stored them: they are stored under another id, and who
// reads drops those that come twice.
func (p *Publisher) sendOnce(ctx context.Context, m *nats.Msg) error {
	known, err := p.send(ctx, &p.store.events, eventStream, m)
	if err == nil && known && !p.tried {
		m.Header.Set(header, m.Header.Get(header)+"."+rand.Text())
		_, err = p.send(ctx, &p.store.events, eventStream, m)
	}
	return err
}

// send has a message stored, and reports whether its id was known before.
func (p *Publisher) send(ctx context.Context, which *jetstream.Stream, in jetstream.StreamConfig, m *nats.Msg) (known bool, err error) {
	if _, err := p.store.stream(ctx, which, in); err != nil {
		return false, err
	}
	ack, err := p.store.node.JetStream().PublishMsg(ctx, m, jetstream.WithRetryAttempts(0), jetstream.WithExpectStream(in.Name))
	if errors.Is(err, jetstream.ErrNoStreamResponse) {
		p.store.forget()
	}
	return err == nil && ack.Duplicate, err
}

// head returns what is to be published next: no objects and "" if nothing is.
func (p *Publisher) head() (e fleetlink.Events, open string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open != "" || len(p.queue) == 0 {
		return e, p.open
	}
	p.sending = true
	return p.queue[0], ""
}

// sent notes what has become of the first of the queue, n objects. What NATS takes in no case is
// dropped.
func (p *Publisher) sent(n uint64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sending, p.tried = false, err != nil
	switch {
	case err == nil:
		p.tally.Published += n
	case errors.Is(err, nats.ErrMaxPayload):
		p.drop(n)
	default:
		return
	}
	p.tried = false
	p.remove(0)
}

// opened notes that what is open was published, unless it has changed since.
func (p *Publisher) opened(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open == text {
		p.open = ""
	}
}

// report logs why nothing can be published, once it is clear that this lasts, and what was lost when it can
// again. That there is no quorum is told elsewhere.
func (p *Publisher) report(err error) {
	if err != nil {
		p.failures++
		if why := node.Reason(err); p.failures == patience && why != node.NoQuorum {
			p.log("events are not published: " + why)
		}
		return
	}
	p.failures = 0
	p.mu.Lock()
	lost := p.dropped
	p.dropped = 0
	p.mu.Unlock()
	if lost > 0 {
		p.log(fmt.Sprintf("events are published again, %s lost", conf.Count(int(lost), "event")))
	}
}
