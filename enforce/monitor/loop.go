package monitor

import (
	"context"
	"time"
)

// loop runs what is due. While no grant is open, only notifications of the kernel and
// requests wake it.
func (m *Monitor) loop(ctx context.Context, changed <-chan struct{}) {
	defer close(m.loopDone)
	timer := time.NewTimer(0)
	defer timer.Stop()
	steps := m.clock.Steps
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-m.wake:
		case _, ok := <-steps: // runDue reads the clock
			if !ok {
				steps = nil
			}
		case _, ok := <-changed:
			if !ok {
				changed = nil
			}
			m.firewallChanged(ok)
		}
		if wait, ok := m.runDue(m.firewallLife); ok { // finishes what it has begun when ctx ends
			timer.Reset(wait)
		} else {
			timer.Stop()
		}
	}
}

// firewallChanged schedules a reconciliation after a notification of the kernel, or
// after the end of notifications (notified is false).
func (m *Monitor) firewallChanged(notified bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reconciler.notified = notified
	if m.mustHold() {
		m.reconciler.schedule(m.clock.Elapsed() + settleDelay)
	} else if notified && m.cfg.Firewall != nil {
		m.reconciler.schedule(m.clock.Elapsed() + idleSettleDelay)
	}
}

// mustHold reports whether the firewall has to be kept as it is: for open grants or a guard.
func (m *Monitor) mustHold() bool { return len(m.table.entries) > 0 || m.cfg.Guards }

// runDue does what is due and returns the time until something is due again; ok is
// false if nothing is scheduled.
func (m *Monitor) runDue(ctx context.Context) (wait time.Duration, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now(ctx)
	m.expire(ctx, now)
	switch {
	case m.cfg.Firewall == nil:
		m.reconciler.due = never
	case !m.mustHold():
		m.findForeign(ctx, now)
	default:
		m.reconcile(ctx, now)
		if !m.reconciler.notified {
			m.reconciler.schedule(now.elapsed + m.interval())
		}
	}
	next, ok := m.table.next()
	if due := m.reconciler.due; due != never && (!ok || due < next) {
		next, ok = due, true
	}
	return max(next-m.clock.Elapsed(), 0), ok
}

// interval is how often the firewall is reconciled if it sends no notifications; for a guard
// alone as often as it is searched while nothing is open.
func (m *Monitor) interval() time.Duration {
	if len(m.table.entries) == 0 {
		return max(m.cfg.Idle, m.cfg.Interval)
	}
	return m.cfg.Interval
}
