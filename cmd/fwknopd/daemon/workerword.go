package daemon

import (
	"context"
	"sync"

	"fwknopd/cmd/fwknopd/report"
)

// A workerWord is what the workers have said about themselves last. Nothing of it is proven.
type workerWord struct {
	mu       sync.Mutex
	counters report.State
	counts   int // how often they were sent
	taken    report.Taken
	madeWay  int           // generation of the configuration for which a worker last made way for another
	changed  chan struct{} // closed at the next change
}

func newWorkerWord() *workerWord { return &workerWord{changed: make(chan struct{})} }

// set changes w and wakes those who wait for that.
func (w *workerWord) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
	close(w.changed)
	w.changed = make(chan struct{})
}

// count keeps counters.
func (w *workerWord) count(s report.State) { w.set(func() { w.counters = s; w.counts++ }) }

// take keeps what a worker said of its configuration.
func (w *workerWord) take(t report.Taken) { w.set(func() { w.taken = t }) }

// makeWay notes that a worker has made way for another, see [privsep.ErrRestart].
func (w *workerWord) makeWay(generation int) { w.set(func() { w.madeWay = generation }) }

// hasMadeWay reports whether one has for the configuration of a generation.
func (w *workerWord) hasMadeWay(generation int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return generation > 0 && w.madeWay == generation
}

// await waits until ready, which is called with the lock held, and reports whether that was
// before the end of ctx.
func (w *workerWord) await(ctx context.Context, ready func() bool) bool {
	for {
		w.mu.Lock()
		ok, changed := ready(), w.changed
		w.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// awaitTaken waits until a worker has spoken of the configuration of a generation, or of a
// later one.
func (w *workerWord) awaitTaken(ctx context.Context, generation int) (taken report.Taken, ok bool) {
	ok = w.await(ctx, func() bool {
		taken = w.taken
		return taken.Generation >= generation
	})
	return taken, ok
}

// awaitCount has ask request the counters and waits for them.
func (w *workerWord) awaitCount(ctx context.Context, ask func()) (counters report.State, ok bool) {
	w.mu.Lock()
	before := w.counts
	w.mu.Unlock()
	ask()
	ok = w.await(ctx, func() bool {
		counters = w.counters
		return w.counts > before
	})
	return counters, ok
}

// notApplied returns why the worker has not taken the configuration over, "" if it has.
func (w *workerWord) notApplied() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.taken.Error
}
