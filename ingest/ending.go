package ingest

import (
	"context"
	"sync"
	"time"
)

// An ending makes the end of a context end a blocked read, by its deadline.
type ending struct {
	deadline func(time.Time) error // sets the read deadline

	mu   sync.Mutex
	ctx  context.Context // whose end is watched
	stop func() bool
}

// watch begins to watch ctx, if it is not being watched already.
func (e *ending) watch(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ctx == ctx {
		return nil
	}
	if e.stop != nil {
		e.stop()
	}
	if err := e.deadline(time.Time{}); err != nil {
		return err
	}
	e.ctx = ctx
	e.stop = context.AfterFunc(ctx, func() { _ = e.deadline(time.Unix(1, 0)) })
	return nil
}

// release stops watching.
func (e *ending) release() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stop != nil {
		e.stop()
	}
}
