package nftables

import (
	"context"
	"errors"
	"fmt"
	"time"

	nft "github.com/google/nftables"

	"fwknopd/enforce"
)

// batchSize is how many grants go into one batch. A netlink attribute ends at
// 64 KiB; that many elements with comments stay below.
const batchSize = 200

// Change implements [enforce.Backend].
func (b *Backend) Change(ctx context.Context, open, revoke []enforce.Grant) (opened, revoked []error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	revoked = b.inBatches(ctx, revoke, func(part enforce.Grant, _ time.Time) error {
		b.refs.drop(part.Key())
		return nil
	})
	return b.inBatches(ctx, open, b.open), revoked
}

func (b *Backend) open(part enforce.Grant, now time.Time) error {
	if err := part.Validate(); err != nil {
		return err
	}
	if !enforce.Outlives(part.Expires, now) {
		return enforce.ErrEnded
	}
	b.refs.add(part, now)
	return nil
}

// A change alters the reference counts for a grant of one port; the kernel follows for
// all elements of this grant.
type change func(part enforce.Grant, now time.Time) error

func (b *Backend) inBatches(ctx context.Context, gs []enforce.Grant, alter change) []error {
	var errs enforce.Errors
	for i := 0; i < len(gs); i += batchSize {
		chunk := gs[i:min(i+batchSize, len(gs))]
		err := b.transact(ctx, chunk, alter)
		if err == nil || len(chunk) == 1 {
			errs.Set(i, len(gs), err)
			continue
		}
		for j, g := range chunk { // find out which one it was
			errs.Set(i+j, len(gs), b.transact(ctx, []enforce.Grant{g}, alter))
		}
	}
	return errs
}

// transact sends one batch. If that fails, the kernel does not hold what we expect:
// another program flushed the ruleset or wrote into our sets. Then transact reads the
// kernel, makes what is missing and tries once more.
func (b *Backend) transact(ctx context.Context, gs []enforce.Grant, alter change) error {
	if err := b.ensureReady(ctx, gs); err != nil {
		return err
	}
	err := b.send(gs, alter)
	if err == nil || errors.Is(err, enforce.ErrEnded) || errors.Is(err, enforce.ErrInvalid) {
		return err
	}
	if err := b.resync(ctx); err != nil {
		return err
	}
	if err = b.send(gs, alter); err != nil {
		return errors.Join(err, b.resync(ctx))
	}
	return nil
}

// ensureReady sets up what is used for the first time, or was changed by others.
func (b *Backend) ensureReady(ctx context.Context, gs []enforce.Grant) error {
	if err := b.usable(ctx); err != nil {
		return err
	}
	missing := !b.isUntouched()
	for _, g := range gs {
		for _, e := range elements(g.Split()[0], b.cfg.Guard) {
			missing = missing || len(b.placements[e.set.role]) == 0
			b.uses[e.set.role] = true
		}
	}
	switch {
	case !b.loaded:
		return b.resync(ctx)
	case missing:
		return b.setup(ctx)
	}
	return nil
}

// resync makes what is missing and reads everything from the kernel.
func (b *Backend) resync(ctx context.Context) error {
	if err := b.setup(ctx); err != nil {
		return err
	}
	_, err := b.load()
	return err
}

// A tableSet is a set in a certain table.
type tableSet struct {
	placement *placement
	id        setID
}

// A setChange is what a batch does to one set: add before, delete before, add after. An
// element of before is there or not; without the add, deleting one that has just timed
// out would undo the whole batch. No packet is handled inside a transaction. (Adding
// alone would refresh an element's time on new kernels only.)
type setChange struct{ before, after []nft.SetElement }

// send alters the reference counts and makes the kernel follow, in one batch.
func (b *Backend) send(gs []enforce.Grant, alter change) error {
	now := time.Now()
	changes := make(map[tableSet]*setChange)
	before := make(map[elemKey]ref)
	for _, g := range gs {
		for _, part := range g.Split() {
			b.saveRefs(before, part, now)
			if err := alter(part, now); err != nil {
				return err
			}
		}
	}
	for k, old := range before {
		b.addChange(changes, k, old, now)
	}
	for s, c := range changes {
		if err := b.queue(s, c); err != nil {
			return b.redial(err)
		}
	}
	letIn := b.letIn(before, now)
	if err := b.queueLetIn(letIn, now); err != nil {
		return b.redial(err)
	}
	if err := b.flush(); err != nil {
		return err
	}
	b.ended.drop(letIn)
	return nil
}

// saveRefs keeps what the elements of a grant hold before it changes them. What is
// not a grant has none.
func (b *Backend) saveRefs(before map[elemKey]ref, part enforce.Grant, now time.Time) {
	if part.Validate() != nil {
		return
	}
	for _, e := range elements(part, b.cfg.Guard) {
		if _, seen := before[e.elemKey]; seen {
			continue
		}
		old, ok := b.refs.current(e.elemKey, now)
		if !ok {
			old = ref{target: e.target}
		}
		before[e.elemKey] = old
	}
}

// addChange adds the change of an element to that of its set, in every table of its role.
func (b *Backend) addChange(changes map[tableSet]*setChange, k elemKey, old ref, now time.Time) {
	next, ok := b.refs.current(k, now)
	for _, p := range b.placements[k.set.role] {
		if !p.serves(k.set) || !ok && p.sets[k.set] == nil {
			continue
		}
		s := tableSet{p, k.set}
		if changes[s] == nil {
			changes[s] = new(setChange)
		}
		c := changes[s]
		c.before = append(c.before, element{k, old.target}.encode(time.Minute, ""))
		if ok {
			c.after = append(c.after, element{k, next.target}.encode(timeout(next.end, now), next.comment))
		}
	}
}

func (b *Backend) queue(s tableSet, c *setChange) error {
	p := s.placement
	if p.sets[s.id] == nil {
		if err := b.addSet(p, s.id); err != nil {
			return err
		}
		b.addLookup(p, s.id)
	}
	set := p.sets[s.id]
	err := errors.Join(b.conn.SetAddElements(set, c.before), b.conn.SetDeleteElements(set, keysOf(c.before)))
	if len(c.after) > 0 {
		err = errors.Join(err, b.conn.SetAddElements(set, c.after))
	}
	if err != nil {
		return fmt.Errorf("queue elements: %w", err)
	}
	return nil
}

// jiffy is how early the kernel may end a timeout, which it counts in its clock
// ticks: the longest of them.
const jiffy = 10 * time.Millisecond

// timeout is the time left in whole milliseconds, a little more rather than less;
// 0 for ever.
func timeout(end, now time.Time) time.Duration {
	if end.IsZero() {
		return 0
	}
	return max(end.Sub(now), 0).Truncate(time.Millisecond) + jiffy
}

func keysOf(els []nft.SetElement) []nft.SetElement {
	keys := make([]nft.SetElement, len(els))
	for i := range els {
		keys[i].Key = els[i].Key
	}
	return keys
}
