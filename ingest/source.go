// Package ingest reads events from logs and captures, once or as they grow, from the
// journal, from network interfaces and from sockets. Each of these is a [Source]. A
// followed path is one endless stream through rotation, truncation and half-written
// records. The package takes no decisions on events.
//
// Every record is accounted for: read = events + not ours + malformed ([Counts]).
//
// Once, from beginning to end: [Read], or [Split] for several readers side by side.
// Without end: [followLog], [followPcap], [followJournal], [Capture] for an interface, and
// what a [Spec] describes, which takes two processes. Several at once: [Merge].
package ingest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"fwknopd/parse"
)

// A Source yields events, one per call.
//
// Next fills ev, which the caller owns and reuses; what ev refers to is valid
// until the next call. An error that wraps parse.ErrSkip means this record held
// no event: read on. io.EOF means finished, which only a source that is read once
// returns. Any other error is final. A source whose context is done returns
// its error.
//
// Buffered reports whether Next has a record without waiting and without a system
// call. A caller that batches records goes on while it is true.
//
// A Source is for one goroutine, except that Close may be called from another
// to end a Next that waits, and the Counts of Stats at any time.
type Source interface {
	Next(ctx context.Context, ev *parse.Event) error
	Buffered() bool
	Stats() Stats
	Close() error
}

// isSkip reports whether a record held no event: read on.
func isSkip(err error) bool { return errors.Is(err, parse.ErrSkip) }

// pause waits for d. It ends with the error of ctx, and with os.ErrClosed when done is closed.
func pause(ctx context.Context, done <-chan struct{}, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-done:
		return os.ErrClosed
	case <-t.C:
		return nil
	}
}

// A Problem is something wrong with one record or with an input's end. Reading
// went on unless Next returned a final error.
type Problem struct {
	Position
	Err error
}

// String returns the place and the error.
func (p Problem) String() string { return fmt.Sprintf("%s:%d: %v", p.Name, p.Record, p.Err) }
