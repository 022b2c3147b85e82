package enforce

import (
	"context"
	"slices"
	"sync"
	"time"
)

// A Recorder is a [Backend] and an [Enforcer] without a firewall, for tests and replay: it
// records what is open and which methods were called. Grants do not end by themselves; see
// Expire. The zero value is ready for use.
type Recorder struct {
	// Fail, if not nil, may refuse an Apply.
	Fail func(Grant) error

	mu     sync.Mutex
	open   map[string]Grant
	log    []string
	signal chan struct{}
}

var (
	_ Backend  = (*Recorder)(nil)
	_ Enforcer = (*Recorder)(nil)
)

// Log returns the calls in order: "apply KEY", "revoke KEY", "flush", ….
func (r *Recorder) Log() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.log)
}

// Apply implements [Enforcer].
func (r *Recorder) Apply(ctx context.Context, g Grant) error {
	return Open(ctx, r, g)
}

// Revoke implements [Enforcer].
func (r *Recorder) Revoke(ctx context.Context, g Grant) error {
	return Revoke(ctx, r, g)
}

// Change implements [Backend].
func (r *Recorder) Change(_ context.Context, open, revoke []Grant) (opened, revoked []error) {
	revoked = r.each(revoke, "revoke ", func(g Grant) error {
		for _, part := range g.Split() {
			delete(r.open, part.Key())
		}
		return nil
	})
	opened = r.each(open, "apply ", func(g Grant) error {
		if r.Fail != nil {
			if err := r.Fail(g); err != nil {
				return err
			}
		}
		for _, part := range g.Split() {
			r.add(part)
		}
		return nil
	})
	return opened, revoked
}

func (r *Recorder) add(part Grant) {
	if r.open == nil {
		r.open = make(map[string]Grant)
	}
	key := part.Key()
	if old, ok := r.open[key]; !ok || Outlives(part.Expires, old.Expires) {
		r.open[key] = part
	}
}

func (r *Recorder) each(gs []Grant, verb string, f func(Grant) error) []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs Errors
	for i, g := range gs {
		r.log = append(r.log, verb+g.Key())
		errs.Set(i, len(gs), f(g))
	}
	return errs
}

// List implements [Enforcer], sorted by key.
func (r *Recorder) List(context.Context) ([]Grant, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	gs := make([]Grant, 0, len(r.open))
	for _, g := range r.open {
		gs = append(gs, g)
	}
	SortGrants(gs)
	return gs, nil
}

// Expire drops what has ended by now, as a kernel would.
func (r *Recorder) Expire(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, g := range r.open {
		if !g.Expires.IsZero() && !g.Expires.After(now) {
			delete(r.open, key)
		}
	}
}

// Compare implements [Backend].
func (r *Recorder) Compare(_ context.Context, want []Grant) (Difference, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, "compare")
	start := time.Unix(0, 0) // without a clock nothing has ended
	return NewDifference(want, r.open, start, func(key string, _ Grant) bool { _, ok := r.open[key]; return ok }), nil
}

// Setup implements [Backend].
func (r *Recorder) Setup(context.Context) error { return r.record("setup", false) }

// Flush implements [Backend].
func (r *Recorder) Flush(context.Context) error { return r.record("flush", true) }

// Teardown implements [Backend].
func (r *Recorder) Teardown(context.Context) error { return r.record("teardown", true) }

func (r *Recorder) record(entry string, clears bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, entry)
	if clears {
		clear(r.open)
	}
	return nil
}

// Disturb simulates a flush by another program: everything is closed and Watch signals.
func (r *Recorder) Disturb() {
	r.record("disturbed", true)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.signal != nil {
		select {
		case r.signal <- struct{}{}:
		default:
		}
	}
}

// Watch implements [Backend].
func (r *Recorder) Watch(context.Context) (<-chan struct{}, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.signal == nil {
		r.signal = make(chan struct{}, 1)
	}
	return r.signal, nil
}

// Notes implements [Backend].
func (r *Recorder) Notes() []string { return nil }

// Close implements [Backend].
func (r *Recorder) Close() error { return nil }
