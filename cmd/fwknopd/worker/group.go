package worker

import (
	"context"
	"crypto/sha256"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce/monitor"
	"fwknopd/parse"
	"fwknopd/policy"
	"fwknopd/policy/spa"
)

// Announcements of all other gateways that are decided: so many at once, then this rate. The fleet
// process bounds those of each; it is not trusted to.
const (
	announcedRate  = 100 // a second
	announcedBurst = 500
	// announcedTurn is how many are decided before packets that came here have their turn.
	announcedTurn = 32
)

// A group connects the worker with the other gateways of its group, over a link to the fleet process
// that it gets from the monitor, and again after that process has ended.
type group struct {
	client *monitor.Client
	out    *recordWriter
	counts *groupCounts
	limit  *rate.Limiter
	heard  chan fleetlink.Heard
	wake   chan struct{} // has a value when there is something in heard
	honour chan fleetlink.Announcement
	end    context.CancelFunc
	ended  chan struct{}
}

// groupCounts are those of [report.Announced].
type groupCounts struct{ sent, granted, refused, dropped atomic.Uint64 }

func (c *groupCounts) state() report.Announced {
	return report.Announced{Sent: c.sent.Load(), Granted: c.granted.Load(), Refused: c.refused.Load(), Dropped: c.dropped.Load()}
}

// startGroup starts a group, which lasts until close, and counts in counts.
func startGroup(client *monitor.Client, out *recordWriter, counts *groupCounts) *group {
	ctx, cancel := context.WithCancel(context.Background())
	g := &group{client: client, out: out, counts: counts, limit: rate.NewLimiter(announcedRate, announcedBurst),
		heard: make(chan fleetlink.Heard, announcedBurst), wake: make(chan struct{}, 1),
		honour: make(chan fleetlink.Announcement, announcedBurst), end: cancel, ended: make(chan struct{})}
	go g.run(ctx)
	return g
}

func (g *group) close() {
	if g != nil {
		g.end()
		<-g.ended
	}
}

// awake returns the channel on which announcements are signalled; nil without a group.
func (g *group) awake() <-chan struct{} {
	if g == nil {
		return nil
	}
	return g.wake
}

// announce has the others told of a message. It does not block.
func (g *group) announce(a fleetlink.Announcement) {
	select {
	case g.honour <- a:
	default:
		g.counts.dropped.Add(1)
		g.out.warnf("a message is not announced to the group: too many wait for the fleet process")
	}
}

// run keeps a link until ctx ends.
func (g *group) run(ctx context.Context) {
	defer close(g.ended)
	for ctx.Err() == nil {
		if link, err := g.open(ctx); err == nil {
			g.serve(ctx, link)
		}
		select {
		case <-ctx.Done():
		case <-time.After(relinkPause):
		}
	}
}

func (g *group) open(ctx context.Context) (*fleetlink.Group, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	f, err := g.client.Open(ctx, privsep.FileGroup)
	if err != nil {
		return nil, err
	}
	conn, err := fleetlink.Conn(f)
	if err != nil {
		return nil, err
	}
	return fleetlink.NewGroup(conn), nil
}

// serve passes announcements on, in both directions, until a link or ctx ends.
func (g *group) serve(ctx context.Context, link *fleetlink.Group) {
	defer link.Close()
	for {
		select {
		case <-ctx.Done():
			return
		case <-link.Ended():
			return
		case a := <-g.honour:
			if link.Announce(a) {
				g.counts.sent.Add(1)
			} else {
				g.counts.dropped.Add(1)
				g.out.warnf("a message is not announced to the group: the fleet process is too slow")
			}
		case h := <-link.Heard():
			g.take(h, link.Lost())
		}
	}
}

// take queues an announcement for the engine.
func (g *group) take(h fleetlink.Heard, lost uint64) {
	if !g.limit.Allow() {
		lost++
	} else {
		select {
		case g.heard <- h:
		default:
			lost++
		}
	}
	if g.counts.dropped.Add(lost); lost > 0 {
		g.out.warnf("%d announcements of the group are dropped, the last of %s: too many", lost, h.By)
	}
	g.signal()
}

// signal has the announcements that wait looked at.
func (g *group) signal() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// next returns an announcement that waits.
func (g *group) next() (h fleetlink.Heard, ok bool) {
	select {
	case h = <-g.heard:
		return h, true
	default:
		return h, false
	}
}

// setGroup starts or ends the part in a group, as the configuration has it.
func (w *worker) setGroup() {
	wanted := w.conf.Fleet && w.loaded.Server.FleetGroup != ""
	switch {
	case wanted && w.group == nil:
		w.group = startGroup(w.client, w.out, &w.announced)
	case !wanted:
		w.group.close()
		w.group = nil
	}
}

// decideAnnounced decides messages that other gateways have announced, and has executed what that
// opens.
func (w *worker) decideAnnounced(ctx context.Context) {
	for range announcedTurn {
		h, ok := w.group.next()
		if !ok {
			break
		}
		w.recount(ctx)
		w.stepAnnounced(&h)
	}
	if len(w.group.heard) > 0 {
		w.group.signal()
	}
	w.flush(ctx)
}

// headers is the least length of the headers in front of a payload, which announcements leave out.
const headers = 28

func (w *worker) stepAnnounced(h *fleetlink.Heard) {
	now := time.Now()
	payload := []byte(h.Payload)
	ev := parse.Event{Time: now, Src: h.Src, Dst: h.Dst, Proto: parse.Proto(h.Proto), Origin: parse.OriginSocket,
		Len: uint16(headers + len(payload)), Payload: payload}
	d := w.engine.DecideAnnounced(now, &ev, &policy.Announcement{By: h.By, Digest: h.Digest, Holder: h.Holder, Claimed: h.Claimed, End: h.End})
	if d.Verdict == policy.Allow && !d.Shadow {
		w.announced.granted.Add(1)
	} else {
		w.announced.refused.Add(1)
	}
	if p := w.pend(now, &ev, d); p != nil {
		p.claimed = h.Claimed
	}
}

// announcement returns what the others are told of a message that this gateway has honoured with a claim;
// nil if nothing: one without an end would have none there.
func (w *worker) announcement(now time.Time, ev *parse.Event, d *policy.Decision, m *spa.Message) *fleetlink.Announcement {
	if w.group == nil || d.Verdict != policy.Allow || d.Mode != policy.ModeSPA || d.Announced != "" || d.Shadow || d.Degraded ||
		d.Command != nil || d.Grant.Expires.IsZero() || len(ev.Payload) > fleetlink.MaxPayload || m == nil {
		return nil
	}
	return &fleetlink.Announcement{Payload: string(ev.Payload), Src: ev.Src, Dst: ev.Dst, Proto: uint8(ev.Proto),
		At: now.UTC(), Digest: sha256.Sum256(m.Plaintext), End: d.Grant.Expires.UTC()}
}
