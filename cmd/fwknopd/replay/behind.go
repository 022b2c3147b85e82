package replay

import (
	"net/netip"
	"sync/atomic"
	"time"

	"fwknopd/ingest"
	"fwknopd/parse"
	"fwknopd/policy"
)

const (
	// behindBatch is how many decisions are handed over at a time.
	behindBatch = 64
	// behindBatches is how many batches there are: one is filled, one is shown, the others wait.
	behindBatches = 4
)

// A behind enters and prints decisions, in their order, on another processor while the engine is
// at later ones. It is used with an [ahead]: without one the engine is what takes the time.
type behind struct {
	show   func(*handover) error
	full   chan []handover
	empty  chan []handover
	filled []handover // by the engine's side
	until  time.Time  // the latest time of records since the last decision

	failed atomic.Bool
	err    error // the first of show; to be read once failed or ended
	ended  chan struct{}
}

// A handover is a decision with what is needed of its event.
type handover struct {
	until    time.Time // grants that have expired by then end before it
	clock    time.Time // of the records
	time     time.Time
	src, dst netip.AddrPort
	proto    parse.Proto
	at       ingest.Position
	d        policy.Decision // ignored: only grants end
}

// newBehind starts to have decisions shown by show.
func newBehind(show func(*handover) error) *behind {
	b := &behind{show: show, full: make(chan []handover, behindBatches), empty: make(chan []handover, behindBatches), ended: make(chan struct{})}
	for range behindBatches - 1 {
		b.empty <- make([]handover, 0, behindBatch)
	}
	b.filled = make([]handover, 0, behindBatch)
	go b.run()
	return b
}

// run shows what is handed over. Behind an error nothing is shown.
func (b *behind) run() {
	defer close(b.ended)
	for batch := range b.full {
		for i := range batch {
			if b.err == nil {
				b.err = b.show(&batch[i])
			}
		}
		b.failed.Store(b.err != nil)
		clear(batch) // keeps nothing of the decisions
		b.empty <- batch[:0]
	}
}

// passed notes the clock of an event, which may be one without a decision.
func (b *behind) passed(clock time.Time) {
	if clock.After(b.until) {
		b.until = clock
	}
}

// take has a decision on an event shown. The error is that of an earlier one.
func (b *behind) take(clock time.Time, ev *parse.Event, d *policy.Decision, at ingest.Position) error {
	b.filled = append(b.filled, handover{b.until, clock, ev.Time, ev.Src, ev.Dst, ev.Proto, at, *d})
	b.until = time.Time{}
	if len(b.filled) < behindBatch {
		return nil
	}
	b.full <- b.filled
	b.filled = <-b.empty
	if b.failed.Load() {
		return b.err
	}
	return nil
}

// stop has the rest shown, with the grants that have ended by the last event, and returns the
// first error.
func (b *behind) stop() error {
	b.full <- append(b.filled, handover{until: b.until})
	close(b.full)
	<-b.ended
	return b.err
}
