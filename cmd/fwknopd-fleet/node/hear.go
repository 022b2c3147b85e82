package node

import (
	"context"
	"encoding/base64"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/time/rate"

	"fwknopd/cmd/fwknopd/codec"
	"fwknopd/cmd/fwknopd/fleetlink"
)

// What one gateway may announce: so many at once, then this rate. The rest waits for its turn, or is
// dropped with the oldest; no other gateway waits for it.
const (
	heardRate  = 20 // a second
	heardBurst = 100
)

// hearing is how far announcements were heard, and the queues of the gateways that they are from.
type hearing struct {
	mu   sync.Mutex
	last uint64 // sequence number in the stream
}

// A voice is what is yet to be looked up of one gateway's announcements.
type voice struct {
	name  string
	queue chan fleetlink.Announcement
	limit *rate.Limiter
}

// Hear implements [fleetlink.Announcer]. It goes on where the last call ended.
func (n *Node) Hear(ctx context.Context, f func(fleetlink.Heard) error) error {
	if n.cfg.Group == "" {
		<-ctx.Done()
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	defer running.Wait()
	voices := make(map[string]*voice)
	say := func(by string, a fleetlink.Announcement) {
		v := voices[by]
		if v == nil {
			if len(voices) >= maxHeard {
				return
			}
			v = &voice{by, make(chan fleetlink.Announcement, maxAnnounced), rate.NewLimiter(heardRate, heardBurst)}
			voices[by] = v
			running.Go(func() {
				if err := n.lookUp(ctx, v, f); err != nil {
					cancel(err)
				}
			})
		}
		select {
		case v.queue <- a:
		default:
			n.logSome("announcements of %s are dropped: it makes too many", by)
		}
	}
	for ctx.Err() == nil {
		n.read(ctx, say)
		pause(ctx, retryEvery)
	}
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// read passes announcements on until ctx ends or the fleet has no leader.
func (n *Node) read(ctx context.Context, say func(string, fleetlink.Announcement)) {
	try, cancel := context.WithTimeout(ctx, examineTime)
	defer cancel()
	s, err := n.announcements(try)
	if err != nil {
		return
	}
	c, err := s.OrderedConsumer(try, n.heardFrom())
	if err != nil {
		return
	}
	it, err := c.Messages(jetstream.PullExpiry(4*time.Second), jetstream.PullHeartbeat(time.Second), jetstream.WithMessagesErrOnMissingHeartbeat(true))
	if err != nil {
		return
	}
	defer context.AfterFunc(ctx, it.Stop)()
	defer it.Stop()
	for {
		m, err := it.Next()
		if err != nil {
			return
		}
		n.heard(m, say)
	}
}

// heardFrom is where to read on.
func (n *Node) heardFrom() jetstream.OrderedConsumerConfig {
	c := jetstream.OrderedConsumerConfig{FilterSubjects: []string{announceSubjects + n.cfg.Group + ".*"}, MaxResetAttempts: 1}
	n.hearing.mu.Lock()
	defer n.hearing.mu.Unlock()
	if n.hearing.last > 0 {
		c.DeliverPolicy, c.OptStartSeq = jetstream.DeliverByStartSequencePolicy, n.hearing.last+1
		return c
	}
	c.DeliverPolicy, c.OptStartTime = jetstream.DeliverByStartTimePolicy, new(n.cfg.Since)
	return c
}

// heard passes one announcement on, if it is one.
func (n *Node) heard(m jetstream.Msg, say func(string, fleetlink.Announcement)) {
	meta, err := m.Metadata()
	if err != nil {
		return
	}
	n.hearing.mu.Lock()
	n.hearing.last = meta.Sequence.Stream
	n.hearing.mu.Unlock()
	by := n.announcedBy(m.Subject())
	var a fleetlink.Announcement
	switch {
	case by == "":
	case len(m.Data()) > maxAnnouncement || codec.Decode(m.Data(), &a) != nil || a.Check() != nil:
		n.logSome("%s has announced what cannot be", by)
	default:
		say(by, a)
	}
}

// lookUp finds out who has claimed what a gateway announces, and passes it on.
func (n *Node) lookUp(ctx context.Context, v *voice, f func(fleetlink.Heard) error) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case a := <-v.queue:
			if !n.now().Before(a.End) || v.limit.Wait(ctx) != nil {
				continue
			}
			h := fleetlink.Heard{Announcement: a, By: v.name}
			if !n.findHolder(ctx, &h) {
				continue
			}
			if err := f(h); err != nil {
				return err
			}
		}
	}
}

// findHolder asks the fleet for the claim on a message, and again while it has no quorum, up to the end
// of what was announced. It reports whether there was an answer.
func (n *Node) findHolder(ctx context.Context, h *fleetlink.Heard) bool {
	key := keys + base64.RawURLEncoding.EncodeToString(h.Digest[:])
	for n.now().Before(h.End) {
		if use, why := n.claims.current(); why == "" {
			try, cancel := context.WithTimeout(ctx, answerTime)
			record, err := use.bucket.GetLastMsgForSubject(try, key)
			cancel()
			switch {
			case errors.Is(err, jetstream.ErrMsgNotFound):
				return true
			case err == nil:
				if v, err := decodeClaim(record.Data); err == nil {
					h.Holder, h.Claimed = v.Gateway, record.Time.UTC()
				}
				return true
			}
		}
		if !pause(ctx, retryEvery) {
			return false
		}
	}
	return false
}
