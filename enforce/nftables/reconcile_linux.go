package nftables

import (
	"context"
	"time"

	"fwknopd/enforce"
)

// Reconcile implements [enforce.Backend].
func (b *Backend) Reconcile(ctx context.Context, want []enforce.Grant) (rep enforce.Repair, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.setup(ctx); err != nil {
		return rep, err
	}
	all, err := b.load()
	if err != nil {
		return rep, err
	}
	now := time.Now()
	have := b.index(all)
	wanted := make(map[string]bool)
	for _, g := range want {
		for _, part := range g.Split() {
			wanted[part.Key()] = true
			switch {
			case !enforce.Outlives(part.Expires, now):
			case b.isOpen(part, have):
				b.refs.add(part, now)
			default:
				rep.Restored = append(rep.Restored, part)
			}
		}
	}
	for _, g := range assemble(unique(all)) {
		if !wanted[g.Key()] {
			rep.Found = append(rep.Found, g)
		}
	}
	return rep, enforce.FirstError(b.inBatches(ctx, rep.Restored, b.open))
}

// A placedElem is an element in a certain table.
type placedElem struct {
	place Place
	element
}

func (b *Backend) index(all []listedElem) map[placedElem]time.Time {
	have := make(map[placedElem]time.Time, len(all))
	for _, f := range all {
		have[placedElem{f.place, f.element}] = f.expires
	}
	return have
}

// isOpen reports whether each table has all elements of the grant, to its end.
func (b *Backend) isOpen(part enforce.Grant, have map[placedElem]time.Time) bool {
	for _, e := range elements(part) {
		for _, h := range b.placements[e.set.role] {
			if !h.serves(e.set) {
				continue
			}
			end, ok := have[placedElem{Place{h.table.Family, h.table.Name, e.set.String()}, e}]
			if !ok || enforce.Outlives(part.Expires, end.Add(endTolerance)) && !end.IsZero() {
				return false
			}
		}
	}
	return true
}

// Flush implements [enforce.Backend].
func (b *Backend) Flush(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.usable(ctx); err != nil {
		return err
	}
	l, err := b.readLayout()
	if err != nil {
		return b.redial(err)
	}
	for _, t := range l.tables {
		sets, err := b.conn.GetSets(t)
		if err != nil {
			return b.redial(err)
		}
		for _, s := range sets {
			if _, ok := setIDs[s.Name]; ok {
				b.conn.FlushSet(s)
			}
		}
	}
	b.refs = newRefcounts()
	return b.flush()
}
