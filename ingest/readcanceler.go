package ingest

import (
	"context"
	"os"
	"sync"
	"time"
)

// A readCanceler makes the end of a context end a blocked read, by its deadline.
type readCanceler struct {
	deadline func(time.Time) error // sets the read deadline

	mu     sync.Mutex
	ctx    context.Context // whose end is watched
	stop   func() bool
	closed bool
}

// watch begins to watch ctx, if it is not being watched already.
func (e *readCanceler) watch(ctx context.Context) error {
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
	if e.closed {
		return os.ErrClosed
	}
	if err := e.deadline(time.Time{}); err != nil {
		return err
	}
	e.ctx = ctx
	e.stop = context.AfterFunc(ctx, func() { e.end(ctx) })
	return nil
}

// end ends a read for ctx, which has ended. Another context may be watched by now.
func (e *readCanceler) end(ctx context.Context) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ctx == ctx {
		_ = e.deadline(time.Unix(1, 0))
	}
}

// release stops watching, for good.
func (e *readCanceler) release() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	if e.stop != nil {
		e.stop()
	}
}

// cause returns why a read failed: the context, os.ErrClosed after release, or err.
func (e *readCanceler) cause(ctx context.Context, err error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case e.closed || isClosed(err):
		return os.ErrClosed
	}
	return err
}
