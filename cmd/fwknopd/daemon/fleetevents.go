package daemon

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
)

const (
	// publishPause is before another link in place of one that ended, and between two lists of
	// what is open.
	publishPause = time.Second
	// openEvery is how often what is open is listed, whether it has changed or not.
	openEvery = 30 * time.Second
)

// fleetLink returns one end of a link on which the fleet process is asked what the fleet has stored.
func (d *daemon) fleetLink() (*os.File, error) {
	if d.conf().fleet == nil {
		return nil, errors.New("this gateway belongs to no fleet: FLEET is not set")
	}
	return d.fleet.open(fleetlink.ForReading)
}

// openChanged notes that what is open here is no longer what was published.
func (f *fleet) openChanged() {
	select {
	case f.changes <- struct{}{}:
	default:
	}
}

// publish publishes the events of this gateway through a fleet process until stop is called.
func (f *fleet) publish(ctx context.Context, c *fleetlink.Control) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-f.begin: // the monitor is there
		case <-ctx.Done():
		}
		for ctx.Err() == nil {
			f.publishOver(ctx, c)
			pause(ctx, publishPause)
		}
	}()
	return func() {
		cancel()
		<-done
		f.countPublished(fleetlink.EventTally{}, true)
	}
}

// pause waits for a time, or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// publishOver publishes over one link, until that or ctx ends. What could not be sent when a link ended is
// sent over the next one, as far as the feed still has it; the numbers tell what was not.
func (f *fleet) publishOver(ctx context.Context, c *fleetlink.Control) {
	file, err := c.Open(fleetlink.ForEvents)
	if err != nil {
		return
	}
	conn, err := fleetlink.Conn(file)
	if err != nil {
		return
	}
	p := fleetlink.NewPublisher(conn)
	ctx, cancel := context.WithCancel(ctx)
	var publishing sync.WaitGroup
	defer publishing.Wait()
	defer p.Close()
	defer cancel()
	publishing.Go(func() {
		defer cancel()
		_ = p.Tallies(func(t fleetlink.EventTally) { f.countPublished(t, false) }) // it ends with the link
	})
	publishing.Go(func() {
		defer cancel()
		f.publishOpen(ctx, p)
	})
	run := uint64(f.d.started.UnixNano())
	_ = f.d.events.feed.Follow(ctx, func(first uint64, objects [][]byte) error {
		for _, e := range fleetlink.Pack(run, first, objects) {
			if err := p.Events(e); err != nil {
				return err
			}
		}
		return nil
	})
}

// publishOpen publishes what is open whenever that changes, and now and then: all of it, so that what was
// lost on the way does not matter. It ends with ctx or the link.
func (f *fleet) publishOpen(ctx context.Context, p fleetlink.Publisher) {
	tick := time.NewTicker(openEvery)
	defer tick.Stop()
	for {
		if text, err := f.d.openHere(ctx); err == nil && p.Open(text) != nil {
			return
		}
		pause(ctx, publishPause)
		select {
		case <-ctx.Done():
			return
		case <-f.changes:
		case <-tick.C:
		}
	}
}

// openHere returns what is open, as it is published.
func (d *daemon) openHere(ctx context.Context) ([]byte, error) {
	grants, err := d.mon.List(ctx)
	unconfirmed := errors.Is(err, enforce.ErrUnconfirmed)
	if err != nil && !unconfirmed {
		return nil, err
	}
	o := report.Open{Grants: grants, Titles: report.TitlesOf(d.conf().Access, grants), Unconfirmed: unconfirmed}
	return o.JSON(fleetlink.MaxOpen)
}

// countPublished notes the counts of a fleet process, whose word they are; at its end they are added to
// those of the processes before.
func (f *fleet) countPublished(t fleetlink.EventTally, ended bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !ended {
		f.tally = fleetlink.EventTally{Published: max(t.Published, f.tally.Published), Dropped: max(t.Dropped, f.tally.Dropped), Queue: t.Queue}
		return
	}
	f.published.Published += f.tally.Published
	f.published.Dropped += f.tally.Dropped + f.tally.Queue
	f.tally = fleetlink.EventTally{}
}

// events returns the counts of all fleet processes of this daemon.
func (f *fleet) events() fleetlink.EventTally {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts()
}

// counts is events; f.mu must be held.
func (f *fleet) counts() fleetlink.EventTally {
	return fleetlink.EventTally{
		Published: f.published.Published + f.tally.Published, Dropped: f.published.Dropped + f.tally.Dropped, Queue: f.tally.Queue,
	}
}
