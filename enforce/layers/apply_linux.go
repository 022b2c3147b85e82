package layers

import (
	"context"
	"slices"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/iptables"
	"fwknopd/enforce/ruleset"
)

// Change implements [enforce.Backend]. A grant is open in all layers in use, or, with an
// error, as it was before.
func (b *Backend) Change(ctx context.Context, open, revoke []enforce.Grant) (opened, revoked []error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(revoke) > 0 {
		revoked = b.revokeAll(ctx, revoke)
	}
	if len(open) > 0 {
		opened = b.openAll(ctx, open)
	}
	return opened, revoked
}

// openAll surveys after opening if another program changed the firewall, since a survey
// takes long where there are many rules; if it fails, [Backend.Blocked] returns the error.
func (b *Backend) openAll(ctx context.Context, gs []enforce.Grant) []error {
	untouched, before := b.isUntouched(), len(b.all())
	errs := b.apply(ctx, gs)
	if !untouched {
		untouched = b.refresh(ctx) == nil
	}
	added := len(b.all()) > before
	if added {
		errs = b.apply(ctx, gs)
	}
	if untouched {
		b.noteGeneration()
	}
	if added || b.uses(ruleset.IPTablesLegacy) {
		b.legacy.dirty.Store(true)
	}
	b.legacy.watchUntil(gs)
	return errs
}

func (b *Backend) apply(ctx context.Context, gs []enforce.Grant) []error {
	all := b.all()
	if len(all) == 1 {
		opened, _ := all[0].Change(ctx, gs, nil)
		return opened
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
		opened, _ := m.Change(ctx, m.views(mine), nil)
		for i, err := range opened {
			errs.Set(mine[i].owner, len(gs), err)
		}
		todo = slices.DeleteFunc(todo, func(p part) bool { return errs != nil && errs[p.owner] != nil })
	}
	b.keepOrUndo(ctx, gs, errs)
	return errs
}

// keepOrUndo records what is open, and undoes what failed in one of the layers. A grant
// that was to be restored stays in the others, which may be all that drop it.
func (b *Backend) keepOrUndo(ctx context.Context, gs []enforce.Grant, errs []error) {
	for i, g := range gs {
		if errs == nil || errs[i] == nil {
			b.open.put(g)
		}
	}
	for i, g := range gs {
		if errs == nil || errs[i] == nil {
			continue
		}
		for _, p := range g.Split() {
			before, was := b.open.grants[p.Key()]
			if was && !enforce.Outlives(p.Expires, before.Expires) {
				continue
			}
			_ = b.revoke(ctx, []enforce.Grant{p})
			if was && enforce.Outlives(before.Expires, time.Now()) {
				_ = b.apply(ctx, []enforce.Grant{before})
			}
		}
	}
}

func (b *Backend) revokeAll(ctx context.Context, gs []enforce.Grant) []error {
	untouched := b.isUntouched()
	errs := b.revoke(ctx, gs)
	b.fresh = false
	if b.uses(ruleset.IPTablesLegacy) {
		b.legacy.dirty.Store(true)
	}
	if untouched { // else the next openAll surveys again
		b.noteGeneration()
	}
	return errs
}

func (b *Backend) revoke(ctx context.Context, gs []enforce.Grant) []error {
	all := b.all()
	if len(all) == 1 {
		_, revoked := all[0].Change(ctx, nil, gs)
		return revoked
	}
	var errs enforce.Errors
	todo := parts(gs)
	for _, p := range todo {
		b.open.drop(p.grant)
	}
	for _, m := range all {
		var mine []part
		for _, p := range todo {
			if m.nat || !b.open.shares(p.grant) {
				mine = append(mine, p)
			}
		}
		_, revoked := m.Change(ctx, nil, m.views(mine))
		for i, err := range revoked {
			errs.Set(mine[i].owner, len(gs), err)
		}
	}
	return errs
}

// A part is a grant of one port, and the index of the grant that it is of.
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

// served returns the parts that the layer can have.
func (m *member) served(ps []part) []part {
	return slices.DeleteFunc(slices.Clone(ps), func(p part) bool { return !m.serves(p) })
}

func (m *member) serves(p part) bool {
	s, ok := m.Backend.(server)
	return !ok || s.Serves(p.grant)
}

// A server is a backend that may lack the program for an address family: then the
// layer has no tables of it, either.
type server interface{ Serves(g enforce.Grant) bool }

// views returns the parts as the layer has them.
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

// openGrants are the grants that are open, by key; and by the key that they have in a
// layer which only filters, where several may be the same.
type openGrants struct {
	grants map[string]enforce.Grant
	byView map[string]map[string]bool
}

func newOpenGrants() openGrants {
	return openGrants{make(map[string]enforce.Grant), make(map[string]map[string]bool)}
}

func (o *openGrants) put(g enforce.Grant) {
	for _, p := range g.Split() {
		key, view := p.Key(), p.Filtered().Key()
		if old, ok := o.grants[key]; ok && !enforce.Outlives(p.Expires, old.Expires) {
			continue
		}
		o.grants[key] = p
		if o.byView[view] == nil {
			o.byView[view] = make(map[string]bool)
		}
		o.byView[view][key] = true
	}
}

func (o *openGrants) drop(p enforce.Grant) {
	key, view := p.Key(), p.Filtered().Key()
	delete(o.grants, key)
	delete(o.byView[view], key)
	if len(o.byView[view]) == 0 {
		delete(o.byView, view)
	}
}

// shares reports whether another grant that is open is the same as g in a layer which
// only filters.
func (o *openGrants) shares(g enforce.Grant) bool { return len(o.byView[g.Filtered().Key()]) > 0 }
