package layers

import (
	"context"
	"slices"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/iptables"
)

// Apply implements [enforce.Enforcer].
func (b *Backend) Apply(ctx context.Context, g enforce.Grant) error {
	return enforce.FirstError(b.ApplyAll(ctx, []enforce.Grant{g}))
}

// Revoke implements [enforce.Enforcer].
func (b *Backend) Revoke(ctx context.Context, g enforce.Grant) error {
	return enforce.FirstError(b.RevokeAll(ctx, []enforce.Grant{g}))
}

// ApplyAll implements [enforce.Batcher]. A grant is open in all layers in use, or, with
// an error, as it was before. If another program changed the firewall, that is looked at
// after opening, since it takes long where there are many rules; if it cannot be looked
// at, [Backend.Blocked] says so.
func (b *Backend) ApplyAll(ctx context.Context, gs []enforce.Grant) []error {
	b.mu.Lock()
	defer b.mu.Unlock()
	untouched := b.isUntouched()
	errs := b.apply(ctx, gs)
	if !untouched {
		before := len(b.all())
		untouched = b.refresh(ctx) == nil
		if len(b.all()) > before {
			errs = b.apply(ctx, gs)
		}
	}
	if untouched {
		b.noteGeneration()
	}
	b.legacy.dirty.Store(true)
	b.legacy.watchUntil(gs)
	return errs
}

func (b *Backend) apply(ctx context.Context, gs []enforce.Grant) []error {
	all := b.all()
	if len(all) == 1 {
		return all[0].ApplyAll(ctx, gs)
	}
	var errs enforce.Errors
	todo := parts(gs)
	for _, p := range todo {
		if !slices.ContainsFunc(all, func(m *member) bool { return m.serves(p) }) {
			errs.Set(p.owner, len(gs), iptables.ErrFamily)
		}
	}
	for _, m := range all {
		mine := m.served(todo)
		for i, err := range m.ApplyAll(ctx, m.views(mine)) {
			errs.Set(mine[i].owner, len(gs), err)
		}
		todo = slices.DeleteFunc(todo, func(p part) bool { return errs != nil && errs[p.owner] != nil })
	}
	b.keepOrUndo(ctx, gs, errs)
	return errs
}

// keepOrUndo notes what is open, and takes back what is not open everywhere.
func (b *Backend) keepOrUndo(ctx context.Context, gs []enforce.Grant, errs []error) {
	for i, g := range gs {
		if errs == nil || errs[i] == nil {
			b.held.put(g)
		}
	}
	for i, g := range gs {
		if errs == nil || errs[i] == nil {
			continue
		}
		for _, p := range g.Split() {
			before, was := b.held.grants[p.Key()]
			_ = b.revoke(ctx, []enforce.Grant{p})
			if was && enforce.Outlives(before.Expires, time.Now()) {
				_ = b.apply(ctx, []enforce.Grant{before})
			}
		}
	}
}

// RevokeAll implements [enforce.Batcher].
func (b *Backend) RevokeAll(ctx context.Context, gs []enforce.Grant) []error {
	b.mu.Lock()
	defer b.mu.Unlock()
	untouched := b.isUntouched()
	errs := b.revoke(ctx, gs)
	b.fresh = false
	b.legacy.dirty.Store(true)
	if untouched { // else the next opening looks again
		b.noteGeneration()
	}
	return errs
}

func (b *Backend) revoke(ctx context.Context, gs []enforce.Grant) []error {
	all := b.all()
	if len(all) == 1 {
		return all[0].RevokeAll(ctx, gs)
	}
	var errs enforce.Errors
	todo := parts(gs)
	for _, p := range todo {
		b.held.drop(p.grant)
	}
	for _, m := range all {
		var mine []part
		for _, p := range todo {
			if m.nat || !b.held.shares(p.grant) {
				mine = append(mine, p)
			}
		}
		for i, err := range m.RevokeAll(ctx, m.views(mine)) {
			errs.Set(mine[i].owner, len(gs), err)
		}
	}
	return errs
}

// A part is a grant of one port, and which of those it came with it is of.
type part struct {
	grant enforce.Grant
	owner int
}

func parts(gs []enforce.Grant) (ps []part) {
	for i, g := range gs {
		for _, p := range g.Split() {
			ps = append(ps, part{p, i})
		}
	}
	return ps
}

// views are the parts as the layer has them.
func (m *member) views(ps []part) []enforce.Grant {
	gs := make([]enforce.Grant, len(ps))
	for i, p := range ps {
		gs[i] = m.view(p.grant)
	}
	return gs
}

func (m *member) view(g enforce.Grant) enforce.Grant {
	if m.nat || g.Foreign != "" {
		return g
	}
	return g.Filtered()
}

// A server is a backend that may lack the program for an address family: then the
// layer has no tables of it, either.
type server interface{ Serves(g enforce.Grant) bool }

func (m *member) serves(p part) bool {
	s, ok := m.Backend.(server)
	return !ok || s.Serves(p.grant)
}

// served are the parts that the layer can have.
func (m *member) served(ps []part) []part {
	return slices.DeleteFunc(slices.Clone(ps), func(p part) bool { return !m.serves(p) })
}

// padded is a list of errors with an entry for each grant.
func padded(errs []error, n int) []error {
	if errs == nil {
		return make([]error, n)
	}
	return errs
}

// openGrants are the grants that are open, by key; and of those that look the same to a layer
// which only filters, which they are.
type openGrants struct {
	grants map[string]enforce.Grant
	byView map[string]map[string]bool
}

func newHeld() openGrants {
	return openGrants{make(map[string]enforce.Grant), make(map[string]map[string]bool)}
}

func (h *openGrants) put(g enforce.Grant) {
	for _, p := range g.Split() {
		key, view := p.Key(), p.Filtered().Key()
		if old, ok := h.grants[key]; ok && !enforce.Outlives(p.Expires, old.Expires) {
			continue
		}
		h.grants[key] = p
		if h.byView[view] == nil {
			h.byView[view] = make(map[string]bool)
		}
		h.byView[view][key] = true
	}
}

func (h *openGrants) drop(p enforce.Grant) {
	key, view := p.Key(), p.Filtered().Key()
	delete(h.grants, key)
	delete(h.byView[view], key)
	if len(h.byView[view]) == 0 {
		delete(h.byView, view)
	}
}

// shares reports whether another grant that is open looks like g.
func (h *openGrants) shares(g enforce.Grant) bool { return len(h.byView[g.Filtered().Key()]) > 0 }
