package monitor

import (
	"context"
	"errors"
	"time"

	"golang.org/x/time/rate"

	"fwknopd/enforce"
)

const (
	settleDelay = 20 * time.Millisecond // after a notification: lets another program finish its changes
	// idleSettleDelay is used in place of settleDelay while no grant is open.
	idleSettleDelay   = 2 * time.Second
	reconcileBurst    = 8                      // reconciliations without delay
	reconcileInterval = 500 * time.Millisecond // after those, one each
	contestedInterval = time.Minute            // between two Contested events
	recheckDelay      = 300 * time.Millisecond // until the second check of what other programs have begun to drop or let past
	never             = time.Duration(-1)
)

// errContested is reported when another program changes the firewall continuously.
var errContested = errors.New("another program changes the firewall again and again; repairs are limited to two a second")

// A reconciler decides when the firewall is reconciled with the table: after a
// notification of the kernel, or at an interval where there are none, but not more often
// than limiter allows.
type reconciler struct {
	notified   bool          // the kernel sends notifications of changes
	due        time.Duration // next reconciliation; never: none scheduled
	limiter    *rate.Limiter
	quietUntil time.Duration // no Contested event before
	failures   int           // failed reconciliations in a row
}

// schedule makes a reconciliation due at the given time, unless one is due earlier.
func (r *reconciler) schedule(at time.Duration) {
	if r.due == never || at < r.due {
		r.due = at
	}
}

// watch subscribes to notifications of changes to the firewall.
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

// reconcile, if it is due, opens what is missing in the firewall. m.mu must be held.
func (m *Monitor) reconcile(ctx context.Context, now clockReading) {
	if m.reconciler.due == never || m.reconciler.due > now.elapsed {
		return
	}
	reservation := m.reconciler.limiter.ReserveN(now.monotonic(), 1)
	if wait := reservation.DelayFrom(now.monotonic()); wait > 0 {
		reservation.CancelAt(now.monotonic())
		m.reconciler.due = now.elapsed + wait
		if m.reconciler.notified && now.elapsed >= m.reconciler.quietUntil {
			m.reconciler.quietUntil = now.elapsed + contestedInterval
			m.events.add(Event{Time: now.wall, Kind: Contested, Err: errContested})
		}
		return
	}
	m.reconciler.due = never
	diff, err := m.cfg.Firewall.Compare(ctx, m.table.wanted())
	var restored []enforce.Grant
	if err == nil {
		restored, err = m.restore(ctx, diff.Missing)
	}
	if err != nil {
		if m.reconciler.failures == 0 {
			m.events.add(Event{Time: now.wall, Kind: Failed, Err: err})
		}
		m.reconciler.schedule(now.elapsed + backoff(m.reconciler.failures))
		m.reconciler.failures++
		return
	}
	m.reconciler.failures = 0
	m.repaired(len(restored))
	m.reportGrants(now.wall, Repaired, restored)
	m.dropForeign(diff.Found)
	m.adopt(diff.Found, now)
	recheck := m.reportBlocked(ctx, now)
	if m.reportBypasses(ctx, now) || recheck {
		m.reconciler.schedule(now.elapsed + recheckDelay)
	}
}

// restore opens what is missing in the firewall and returns it without what has ended
// meanwhile.
func (m *Monitor) restore(ctx context.Context, missing []enforce.Grant) (restored []enforce.Grant, err error) {
	if len(missing) == 0 {
		return nil, nil
	}
	opened, _ := m.cfg.Firewall.Change(ctx, missing, nil)
	for i, g := range missing {
		switch {
		case opened == nil || opened[i] == nil:
			restored = append(restored, g)
		case !errors.Is(opened[i], enforce.ErrEnded):
			return nil, opened[i]
		}
	}
	return restored, nil
}

// findForeign adopts rules of another daemon in our chains while no grant is open. It
// creates no chain, because --fw-flush may have removed them. m.mu must be held.
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

// dropForeign drops rules of other programs that were removed: they are not restored.
// m.mu must be held.
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

// adoptOpen adopts the grants that are open at start.
func (m *Monitor) adoptOpen(ctx context.Context) error {
	m.reconciler = reconciler{due: never, limiter: rate.NewLimiter(rate.Every(reconcileInterval), reconcileBurst), quietUntil: m.lastReading.elapsed}
	open, err := m.listOpen(ctx)
	if err != nil {
		return err
	}
	m.adopt(open, m.lastReading)
	return nil
}

// adopt enters grants into the table that an earlier process or another program opened;
// their ends stay. Those that are overdue are closed by the next expire. A rule of another
// program without an end is left alone. m.mu must be held, except in New.
func (m *Monitor) adopt(open []enforce.Grant, now clockReading) {
	var adopted []enforce.Grant
	for _, g := range open {
		if e := m.table.entries[g.Key()]; e != nil {
			continue
		}
		if g.Foreign != "" && g.Expires.IsZero() {
			continue
		}
		m.record(g, time.Time{}, now)
		for _, part := range g.Split() {
			m.table.entries[part.Key()].adopted = true
		}
		if g.Expires.IsZero() || g.Expires.After(now.wall) {
			adopted = append(adopted, g)
		}
	}
	m.reportGrants(now.wall, Adopted, adopted)
}
