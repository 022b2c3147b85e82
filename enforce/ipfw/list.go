package ipfw

import (
	"context"
	"strconv"
	"time"

	"fwknopd/enforce"
)

// List implements [enforce.Backend], sorted by key.
func (b *Backend) List(ctx context.Context) ([]enforce.Grant, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, err := b.read(ctx)
	if err != nil {
		return nil, err
	}
	return b.active(&p), nil
}

// active returns the grants outside the disabled set. Of two rules for the same grant,
// while one replaces the other, the later end holds.
func (b *Backend) active(p *policy) []enforce.Grant {
	open := make(map[string]enforce.Grant)
	for _, r := range p.rules {
		key := r.grant.Key()
		if old, ok := open[key]; !b.retired(r) && (!ok || enforce.Outlives(r.grant.Expires, old.Expires)) {
			open[key] = r.grant
		}
	}
	gs := make([]enforce.Grant, 0, len(open))
	for _, g := range open {
		gs = append(gs, g)
	}
	enforce.SortGrants(gs)
	return gs
}

// Compare implements [enforce.Backend].
func (b *Backend) Compare(ctx context.Context, want []enforce.Grant) (diff enforce.Difference, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.setup(ctx); err != nil {
		return diff, err
	}
	p, err := b.read(ctx)
	if err != nil {
		return diff, err
	}
	open := enforce.ByKey(b.active(&p))
	return enforce.NewDifference(want, open, time.Now(), func(key string, part enforce.Grant) bool {
		old, ok := open[key]
		return ok && !enforce.Outlives(part.Expires, old.Expires)
	}), nil
}

// Flush implements [enforce.Backend]. Connections that depend on dynamic state of the
// rules end, too.
func (b *Backend) Flush(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, err := b.read(ctx)
	if err != nil {
		return err
	}
	for _, r := range p.rules {
		if _, err := b.run(ctx, "-q", "delete", strconv.Itoa(r.num)); err != nil {
			return err
		}
	}
	return nil
}

// Teardown implements [enforce.Backend].
func (b *Backend) Teardown(ctx context.Context) error { return b.Flush(ctx) }
