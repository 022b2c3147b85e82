package monitor

import (
	"context"
	"errors"
	"time"

	"golang.org/x/time/rate"

	"fwknopd/enforce"
)

const (
	settle = 20 * time.Millisecond // lets another program finish what it began
	// idleSettle is settle while nothing is open: another daemon's rule can wait that long.
	idleSettle = 2 * time.Second
	lookBurst  = 8                      // looks in a row
	perLook    = 500 * time.Millisecond // after those, one look each
	complain   = time.Minute            // between two reports of a contest
	never      = time.Duration(-1)
)

// errContested is reported when others change the firewall all the time.
var errContested = errors.New("another program changes the firewall again and again; repairs are limited to two a second")

// A guard decides when to look whether the firewall still holds what it should: on
// a signal of the kernel, or by the clock where the kernel does not tell, but not
// more often than looks allows.
type guard struct {
	tells bool          // the kernel does
	due   time.Duration // next look; never: none planned
	looks *rate.Limiter
	quiet time.Duration // no complaints until then
	tries int           // failed looks in a row
}

// plan asks for a look at a time; an earlier one that is planned stays.
func (g *guard) plan(at time.Duration) {
	if g.due == never || at < g.due {
		g.due = at
	}
}

// watch asks the kernel to tell.
func (m *Monitor) watch(ctx context.Context) <-chan struct{} {
	if m.cfg.Firewall == nil {
		return nil
	}
	changed, err := m.cfg.Firewall.Watch(ctx)
	if err != nil {
		m.events.add(Event{Time: m.base.wall, Kind: Failed, Err: err})
		return nil
	}
	m.guard.tells = changed != nil
	return changed
}

// look, if one is due, makes the firewall hold what it should. It needs m.mu.
func (m *Monitor) look(ctx context.Context, now stand) {
	if m.guard.due == never || m.guard.due > now.elapsed {
		return
	}
	look := m.guard.looks.ReserveN(now.steady(), 1)
	if wait := look.DelayFrom(now.steady()); wait > 0 {
		look.CancelAt(now.steady())
		m.guard.due = now.elapsed + wait
		if m.guard.tells && now.elapsed >= m.guard.quiet {
			m.guard.quiet = now.elapsed + complain
			m.events.add(Event{Time: now.wall, Kind: Contested, Err: errContested})
		}
		return
	}
	m.guard.due = never
	rep, err := m.cfg.Firewall.Reconcile(ctx, m.table.wanted())
	if err != nil {
		if m.guard.tries == 0 {
			m.events.add(Event{Time: now.wall, Kind: Failed, Err: err})
		}
		m.guard.plan(now.elapsed + backoff(m.guard.tries))
		m.guard.tries++
		return
	}
	m.guard.tries = 0
	m.note(now.wall, Repaired, rep.Restored)
	m.forgetForeign(rep.Found)
	m.takeOver(rep.Found, now)
	m.tellBlocked(ctx, now)
}

// lookForeign, while nothing is open, looks for what another daemon left in our
// chains. It makes no chain: --fw-flush may have removed them. m.mu must be held.
func (m *Monitor) lookForeign(ctx context.Context, now stand) {
	if due := m.guard.due; due != never && due <= now.elapsed {
		m.guard.due = never
		if open, err := m.cfg.Firewall.List(ctx); err == nil {
			m.takeOver(open, now)
		}
	}
	switch {
	case m.guard.tells:
	case m.cfg.Idle > 0:
		m.guard.plan(now.elapsed + m.cfg.Idle)
	default:
		m.guard.due = never
	}
}

// forgetForeign drops rules of others that are gone: they are not ours to put back.
func (m *Monitor) forgetForeign(found []enforce.Grant) {
	there := make(map[string]bool)
	for _, g := range found {
		if g.Foreign != "" {
			there[g.Key()] = true
		}
	}
	for key, e := range m.table.entries {
		if e.grant.Foreign != "" && !e.ending && !there[key] {
			m.table.drop(e)
		}
	}
}

// adopt takes over what is open when we start.
func (m *Monitor) adopt(ctx context.Context) error {
	m.guard = guard{due: never, looks: rate.NewLimiter(rate.Every(perLook), lookBurst), quiet: m.base.elapsed}
	for _, e := range []enforce.Enforcer{m.firewall(), m.cfg.External} {
		if e == nil {
			continue
		}
		open, err := e.List(ctx)
		if err != nil {
			return err
		}
		m.takeOver(open, m.base)
	}
	return nil
}

// takeOver looks after grants that were opened before, or by somebody else: they
// keep their end. What is overdue goes at once, by the queue. A rule of another program
// that does not say when it ends is none of our business.
func (m *Monitor) takeOver(open []enforce.Grant, now stand) {
	var adopted []enforce.Grant
	for _, g := range open {
		if e := m.table.entries[g.Key()]; e != nil {
			continue
		}
		if g.Foreign != "" && g.Expires.IsZero() {
			continue
		}
		m.keep(g, now)
		if g.Expires.IsZero() || g.Expires.After(now.wall) {
			adopted = append(adopted, g)
		}
	}
	m.note(now.wall, Adopted, adopted)
}

// rewrite follows a step of the wall clock: by that the kernel ends rules of some
// firewalls (xt_time). After a step forward some are over too early and a look
// opens them again. After a step back they would stay too long if we died, so
// they are made anew.
func (m *Monitor) rewrite(ctx context.Context, now stand, step time.Duration) {
	m.guard.plan(now.elapsed)
	if step > 0 {
		return
	}
	var parts []enforce.Grant
	for _, g := range m.table.wanted() {
		if !g.Expires.IsZero() && g.Expires.After(now.wall) {
			parts = append(parts, g)
		}
	}
	if len(parts) == 0 {
		return
	}
	errs := append(m.cfg.Firewall.RevokeAll(ctx, parts), m.cfg.Firewall.ApplyAll(ctx, parts)...)
	if err := enforce.FirstError(errs); err != nil {
		m.events.add(Event{Time: now.wall, Kind: Failed, Err: err})
	}
}
