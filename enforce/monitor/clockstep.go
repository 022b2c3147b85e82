package monitor

import (
	"context"
	"time"

	"fwknopd/enforce"
)

// now reads the clock. If the wall clock was set, the ends of grants are shifted.
// m.mu must be held.
func (m *Monitor) now(ctx context.Context) clockReading {
	now := m.clock.read()
	step := now.stepSince(m.lastReading)
	if step == 0 {
		return now
	}
	m.lastReading = now
	m.table.shift(now, step)
	m.events.add(Event{Time: now.wall, Kind: ClockStep, Step: step})
	if m.cfg.Firewall != nil && len(m.table.entries) > 0 {
		m.applyClockStep(ctx, now, step)
	}
	return now
}

// applyClockStep corrects the firewall after a step of the wall clock, by which the kernel
// ends the rules of some firewalls (xt_time). After a step forward some end too early and
// a reconciliation opens them again. After a step back they would stay too long if this
// process died, so they are replaced. m.mu must be held.
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
	opened, revoked := m.cfg.Firewall.Change(ctx, parts, parts)
	if err := enforce.FirstError(append(revoked, opened...)); err != nil {
		m.events.add(Event{Time: now.wall, Kind: Failed, Err: err})
	}
}
