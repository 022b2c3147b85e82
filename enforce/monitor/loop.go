package monitor

import (
	"context"
	"time"
)

// loop does what has to be done at its time. Without grants nothing wakes it but
// the kernel and requests.
func (m *Monitor) loop(ctx context.Context, changed <-chan struct{}) {
	defer close(m.looping)
	timer := time.NewTimer(0)
	defer timer.Stop()
	steps := m.clock.Steps
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-m.wake:
		case _, ok := <-steps: // turn reads the clock
			if !ok {
				steps = nil
			}
		case _, ok := <-changed:
			if !ok {
				changed = nil
			}
			m.disturbed(ok)
		}
		if wait, ok := m.turn(ctx); ok {
			timer.Reset(wait)
		} else {
			timer.Stop()
		}
	}
}

// disturbed plans a look after the kernel told of a change, or that it will tell
// no more.
func (m *Monitor) disturbed(tells bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.guard.tells = tells
	if len(m.table.entries) > 0 {
		m.guard.plan(m.clock.Elapsed() + settle)
	} else if tells && m.cfg.Firewall != nil {
		m.guard.plan(m.clock.Elapsed() + idleSettle)
	}
}

// turn does what is due, and says how long nothing will be; ok is false if that is
// for ever.
func (m *Monitor) turn(ctx context.Context) (wait time.Duration, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now(ctx)
	m.expire(ctx, now)
	switch {
	case m.cfg.Firewall == nil:
		m.guard.due = never
	case len(m.table.entries) == 0:
		m.lookForeign(ctx, now)
	default:
		m.look(ctx, now)
		if !m.guard.tells {
			m.guard.plan(now.elapsed + m.cfg.Interval)
		}
	}
	next, ok := m.table.next()
	if due := m.guard.due; due != never && (!ok || due < next) {
		next, ok = due, true
	}
	return max(next-m.clock.Elapsed(), 0), ok
}
