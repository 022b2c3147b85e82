package node

import (
	"context"
	"encoding/base64"
	"errors"
	"sync"

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

// hearing is how far announcements were heard. Its place is used by Hear alone.
type hearing struct {
	place Place
	mu    sync.Mutex
	open  map[uint64]bool // sequence numbers of those that were read, and are not yet passed on or given up
}

// again goes back to the first that is open: what waited in the last call of Hear is lost.
func (h *hearing) again() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for seq := range h.open {
		h.place.last = min(h.place.last, seq-1)
	}
	h.open = make(map[uint64]bool)
}

// set notes whether a message is open.
func (h *hearing) set(seq uint64, open bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if open {
		h.open[seq] = true
	} else {
		delete(h.open, seq)
	}
}

// A spoken is an announcement, and its sequence number.
type spoken struct {
	fleetlink.Announcement
	seq uint64
}

// A voice is what is yet to be looked up of one gateway's announcements.
type voice struct {
	name  string
	queue chan spoken
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
	n.hearing.again()
	voices := make(map[string]*voice)
	say := func(by string, a spoken) {
		v := voices[by]
		if v == nil {
			if len(voices) >= maxHeard {
				n.logSome("announcements of %s are dropped: those of %d gateways are heard", by, maxHeard)
				return
			}
			v = &voice{by, make(chan spoken, maxAnnounced), rate.NewLimiter(heardRate, heardBurst)}
			voices[by] = v
			running.Go(func() {
				if err := n.lookUp(ctx, v, f); err != nil {
					cancel(err)
				}
			})
		}
		n.hearing.set(a.seq, true)
		select {
		case v.queue <- a:
		default:
			n.hearing.set(a.seq, false)
			n.logSome("announcements of %s are dropped: it makes too many", by)
		}
	}
	for failures := 0; ctx.Err() == nil; Pause(ctx, retryEvery) {
		err := n.read(ctx, say)
		if failures++; err == nil {
			failures = 0
		} else if why := Reason(err); failures == patience && why != NoQuorum {
			n.logSome("announcements of the group are not heard: %s", why)
		}
	}
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// read passes announcements on until ctx ends or the fleet has no leader. The error is why it could not
// begin.
func (n *Node) read(ctx context.Context, say func(string, spoken)) error {
	try, cancel := context.WithTimeout(ctx, examineTime)
	defer cancel()
	s, err := n.announcements(try)
	if err != nil {
		return err
	}
	r, err := n.hearing.place.Read(try, s, announceSubjects+n.cfg.Group+".*", n.cfg.Since)
	if err != nil {
		return err
	}
	defer r.Stop()
	for {
		m, meta, err := r.Next(ctx)
		if err != nil {
			return nil
		}
		n.heard(m, meta.Sequence.Stream, say)
	}
}

// heard passes on the announcement with a sequence number, if it is one.
func (n *Node) heard(m jetstream.Msg, seq uint64, say func(string, spoken)) {
	by := n.announcedBy(m.Subject())
	var a fleetlink.Announcement
	switch {
	case by == "":
	case len(m.Data()) > maxAnnouncement || codec.Decode(m.Data(), &a) != nil || a.Check() != nil:
		n.logSome("%s has announced what cannot be", by)
	default:
		say(by, spoken{a, seq})
	}
}

// lookUp finds out who has claimed what a gateway announces, and passes it on.
func (n *Node) lookUp(ctx context.Context, v *voice, f func(fleetlink.Heard) error) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case a := <-v.queue:
			h := fleetlink.Heard{Announcement: a.Announcement, By: v.name}
			if n.now().Before(a.End) && v.limit.Wait(ctx) == nil && n.findHolder(ctx, &h) {
				if err := f(h); err != nil {
					return err
				}
			}
			if ctx.Err() == nil {
				n.hearing.set(a.seq, false)
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
		if !Pause(ctx, retryEvery) {
			return false
		}
	}
	return false
}
