package layers

import (
	"context"
	"fmt"
	"slices"
	"time"

	"fwknopd/enforce"
)

// List implements [enforce.Backend]: what is open in all layers in use.
func (b *Backend) List(ctx context.Context) ([]enforce.Grant, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	whole, _, err := b.list(ctx)
	b.legacy.watchUntil(whole)
	return whole, err
}

// Compare implements [enforce.Backend]. It also finds layers that have begun to drop. A
// grant is missing that a layer lacks.
func (b *Backend) Compare(ctx context.Context, want []enforce.Grant) (diff enforce.Difference, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.legacy.dirty.Store(false)
	if err := b.refresh(ctx); err != nil {
		return diff, err
	}
	all := b.all()
	if len(all) == 1 {
		diff, err = all[0].Compare(ctx, want)
	} else {
		diff, err = b.compare(ctx, want)
	}
	b.fresh = false // rules of the legacy variant may have been put back
	if err == nil && !b.isUntouched() {
		err = b.survey(ctx)
	}
	b.legacy.watchUntil(want)
	return diff, err
}

func (b *Backend) compare(ctx context.Context, want []enforce.Grant) (diff enforce.Difference, err error) {
	wanted := parts(want)
	known, missing := make(map[string]bool), make(map[string]bool)
	for _, p := range wanted {
		b.open.put(p.grant)
		known[p.grant.Filtered().Key()] = true
	}
	for _, m := range b.translatorFirst() {
		mine := m.served(wanted)
		d, err := m.Compare(ctx, m.views(mine))
		if err != nil {
			return diff, fmt.Errorf("%s: %w", m.Name, err)
		}
		lacks := enforce.ByKey(d.Missing)
		for _, p := range mine {
			key := p.grant.Key()
			if _, ok := lacks[m.view(p.grant).Key()]; ok && !missing[key] {
				missing[key] = true
				diff.Missing = append(diff.Missing, p.grant)
			}
		}
		for _, g := range d.Found {
			view := g.Filtered().Key()
			if m.nat || g.Foreign != "" || !known[view] {
				diff.Found = append(diff.Found, g)
			}
			known[view] = true
		}
	}
	return diff, b.openFound(ctx, diff.Found)
}

// translatorFirst returns the members, first the one that translates: it has grants as
// they were asked for.
func (b *Backend) translatorFirst() []*member {
	all := slices.Clone(b.all())
	slices.SortStableFunc(all, func(x, y *member) int {
		switch {
		case x.nat == y.nat:
			return 0
		case x.nat:
			return -1
		}
		return 1
	})
	return all
}

// openFound opens in every layer what was found in one.
func (b *Backend) openFound(ctx context.Context, found []enforce.Grant) error {
	now := time.Now()
	alive := slices.DeleteFunc(slices.Clone(found), func(g enforce.Grant) bool { return g.Foreign != "" || !enforce.Outlives(g.Expires, now) })
	if len(alive) == 0 {
		return nil
	}
	return enforce.FirstError(b.apply(ctx, alive))
}

// list asks every layer: whole is open in all of them, partly only in some.
func (b *Backend) list(ctx context.Context) (whole, partly []enforce.Grant, err error) {
	all := b.all()
	if len(all) == 1 {
		whole, err = all[0].List(ctx)
		return whole, nil, err
	}
	found := make([]map[string]enforce.Grant, len(all))
	for i, m := range all {
		gs, err := m.List(ctx)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", m.Name, err)
		}
		found[i] = enforce.ByKey(gs)
	}
	now := time.Now()
	for _, g := range b.union(found) {
		end, everywhere := b.inAllLayers(g, found)
		switch {
		case g.Foreign != "" || !enforce.Outlives(g.Expires, now): // another program's, or the rest of one that has ended
			whole = append(whole, g)
		case everywhere:
			g.Expires = end
			whole = append(whole, g)
		default:
			partly = append(partly, g)
		}
	}
	enforce.SortGrants(whole)
	return whole, partly, nil
}

// union returns the grants that any layer has, in the form in which they were asked for:
// that of the layer which translates.
func (b *Backend) union(found []map[string]enforce.Grant) (gs []enforce.Grant) {
	b.open = newOpenGrants()
	for _, translates := range []bool{true, false} {
		for i, m := range b.all() {
			if m.nat != translates {
				continue
			}
			for key, g := range found[i] {
				_, known := b.open.grants[key]
				switch {
				case g.Foreign != "":
					gs = append(gs, g)
				case !known && (translates || !b.open.shares(g)):
					b.open.put(g)
					gs = append(gs, g)
				}
			}
		}
	}
	return gs
}

// inAllLayers reports whether each layer that can have g has it, and when the first of
// them ends it.
func (b *Backend) inAllLayers(g enforce.Grant, found []map[string]enforce.Grant) (end time.Time, ok bool) {
	end = g.Expires
	for i, m := range b.all() {
		if !m.serves(part{grant: g}) {
			continue
		}
		has, ok := found[i][m.view(g).Key()]
		if !ok {
			return end, false
		}
		if enforce.Outlives(end, has.Expires) {
			end = has.Expires
		}
	}
	return end, true
}
