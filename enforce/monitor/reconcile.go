package monitor

import (
	"context"
	"errors"
	"time"

	"golang.org/x/time/rate"

	"fwknopd/enforce"
)

const (
	settleDelay = 20 * time.Millisecond // lets another program finish what it began
	// idleSettleDelay is settle while nothing is open: another daemon's rule can wait that long.
	idleSettleDelay   = 2 * time.Second
	reconcileBurst    = 8                      // looks in a row
	reconcileInterval = 500 * time.Millisecond // after those, one look each
	contestedInterval = time.Minute            // between two reports of a contest
	never             = time.Duration(-1)
)

// errContested is reported when others change the firewall all the time.
var errContested = errors.New("another program changes the firewall again and again; repairs are limited to two a second")

// A reconciler decides when to look whether the firewall still holds what it should: on
// a signal of the kernel, or by the clock where the kernel does not tell, but not
// more often than looks allows.
type reconciler struct {
	notified   bool          // the kernel does
	due        time.Duration // next look; never: none planned
	limiter    *rate.Limiter
	quietUntil time.Duration // no complaints until then
	failures   int           // failed looks in a row
}

// schedule asks for a look at a time; an earlier one that is planned stays.
func (r *reconciler) schedule(at time.Duration) {
	if r.due == never || at < r.due {
		r.due = at
	}
}

// watch asks the kernel to tell.
func (m *Monitor) watch(ctx context.Context) <-chan struct{} {
	if m.cfg.Firewall == nil {
		return nil
	}
	changed, err := m.cfg.Firewall.Watch(ctx)
	if err != nil {
		m.events.add(Event{Time: m.lastReading.wall, Kind: Failed, Err: err})
		return nil
	}
	m.reconciler.notified = changed != nil
	return changed
}

// reconcile, if one is due, makes the firewall hold what it should. It needs m.mu.
func (m *Monitor) reconcile(ctx context.Context, now clockReading) {
	if m.reconciler.due == never || m.reconciler.due > now.elapsed {
		return
	}
	look := m.reconciler.limiter.ReserveN(now.monotonic(), 1)
	if wait := look.DelayFrom(now.monotonic()); wait > 0 {
		look.CancelAt(now.monotonic())
		m.reconciler.due = now.elapsed + wait
		if m.reconciler.notified && now.elapsed >= m.reconciler.quietUntil {
			m.reconciler.quietUntil = now.elapsed + contestedInterval
			m.events.add(Event{Time: now.wall, Kind: Contested, Err: errContested})
		}
		return
	}
	m.reconciler.due = never
	rep, err := m.cfg.Firewall.Reconcile(ctx, m.table.wanted())
	if err != nil {
		if m.reconciler.failures == 0 {
			m.events.add(Event{Time: now.wall, Kind: Failed, Err: err})
		}
		m.reconciler.schedule(now.elapsed + backoff(m.reconciler.failures))
		m.reconciler.failures++
		return
	}
	m.reconciler.failures = 0
	m.reportGrants(now.wall, Repaired, rep.Restored)
	m.dropForeign(rep.Found)
	m.adopt(rep.Found, now)
	m.reportBlocked(ctx, now)
}

// findForeign, while nothing is open, looks for what another daemon left in our
// chains. It makes no chain: --fw-flush may have removed them. m.mu must be held.
func (m *Monitor) findForeign(ctx context.Context, now clockReading) {
	if due := m.reconciler.due; due != never && due <= now.elapsed {
		m.reconciler.due = never
		if open, err := m.cfg.Firewall.List(ctx); err == nil {
			m.adopt(open, now)
		}
	}
	switch {
	case m.reconciler.notified:
	case m.cfg.Idle > 0:
		m.reconciler.schedule(now.elapsed + m.cfg.Idle)
	default:
		m.reconciler.due = never
	}
}

// dropForeign drops rules of others that are gone: they are not ours to put back.
func (m *Monitor) dropForeign(found []enforce.Grant) {
	present := make(map[string]bool)
	for _, g := range found {
		if g.Foreign != "" {
			present[g.Key()] = true
		}
	}
	for key, e := range m.table.entries {
		if e.grant.Foreign != "" && !e.ending && !present[key] {
			m.table.drop(e)
		}
	}
}

// adoptOpen takes over what is open when we start.
func (m *Monitor) adoptOpen(ctx context.Context) error {
	m.reconciler = reconciler{due: never, limiter: rate.NewLimiter(rate.Every(reconcileInterval), reconcileBurst), quietUntil: m.lastReading.elapsed}
	for _, e := range []enforce.Enforcer{m.firewall(), m.cfg.External} {
		if e == nil {
			continue
		}
		open, err := e.List(ctx)
		if err != nil {
			return err
		}
		m.adopt(open, m.lastReading)
	}
	return nil
}

// adopt looks after grants that were opened before, or by somebody else: they
// keep their end. What is overdue goes at once, by the queue. A rule of another program
// that does not say when it ends is none of our business.
func (m *Monitor) adopt(open []enforce.Grant, now clockReading) {
	var adopted []enforce.Grant
	for _, g := range open {
		if e := m.table.entries[g.Key()]; e != nil {
			continue
		}
		if g.Foreign != "" && g.Expires.IsZero() {
			continue
		}
		m.record(g, now)
		if g.Expires.IsZero() || g.Expires.After(now.wall) {
			adopted = append(adopted, g)
		}
	}
	m.reportGrants(now.wall, Adopted, adopted)
}

// applyClockStep follows a step of the wall clock: by that the kernel ends rules of some
// firewalls (xt_time). After a step forward some are over too early and a look
// opens them again. After a step back they would stay too long if we died, so
// they are made anew.
func (m *Monitor) applyClockStep(ctx context.Context, now clockReading, step time.Duration) {
	m.reconciler.schedule(now.elapsed)
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
