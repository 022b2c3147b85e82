package daemon

import (
	"context"
	"sync"

	"fwknopd/cmd/fwknopd/report"
)

// A workerReports is what the workers have reported about themselves last. None of it is verified.
type workerReports struct {
	mu       sync.Mutex
	counters report.State
	counts   int // how often they were sent
	taken    report.Taken
	replaced int           // generation of the configuration for which a worker was last replaced
	changed  chan struct{} // closed at the next change
}

func newWorkerReports() *workerReports { return &workerReports{changed: make(chan struct{})} }

// count keeps counters.
func (r *workerReports) count(s report.State) { r.set(func() { r.counters = s; r.counts++ }) }

// take keeps what a worker reported about its configuration.
func (r *workerReports) take(t report.Taken) { r.set(func() { r.taken = t }) }

// noteReplaced notes that a worker was replaced by another, see [privsep.ErrRestart].
func (r *workerReports) noteReplaced(generation int) { r.set(func() { r.replaced = generation }) }

// set changes r and wakes the goroutines that wait for that.
func (r *workerReports) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
	close(r.changed)
	r.changed = make(chan struct{})
}

// wasReplaced reports whether one was for the configuration of a generation.
func (r *workerReports) wasReplaced(generation int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return generation > 0 && r.replaced == generation
}

// awaitTaken waits until a worker has reported on the configuration of a generation, or of a
// later one.
func (r *workerReports) awaitTaken(ctx context.Context, generation int) (taken report.Taken, ok bool) {
	ok = r.await(ctx, func() bool {
		taken = r.taken
		return taken.Generation >= generation
	})
	return taken, ok
}

// awaitCount has ask request the counters and waits for them.
func (r *workerReports) awaitCount(ctx context.Context, ask func()) (counters report.State, ok bool) {
	r.mu.Lock()
	before := r.counts
	r.mu.Unlock()
	ask()
	ok = r.await(ctx, func() bool {
		counters = r.counters
		return r.counts > before
	})
	return counters, ok
}

// await waits until ready, which is called with the lock held, and reports whether that was
// before the end of ctx.
func (r *workerReports) await(ctx context.Context, ready func() bool) bool {
	for {
		r.mu.Lock()
		ok, changed := ready(), r.changed
		r.mu.Unlock()
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

// notApplied returns why the worker has not taken the configuration over, "" if it has.
func (r *workerReports) notApplied() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.taken.Error
}
