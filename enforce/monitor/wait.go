package monitor

import (
	"context"
	"slices"

	"fwknopd/enforce"
)

// A waiter waits until no grant with an end is open for which match reports true.
type waiter struct {
	match func(*enforce.Grant) bool
	done  chan struct{}
}

// Wait returns when the last grant that has an end is closed.
func (m *Monitor) Wait(ctx context.Context) error {
	return m.wait(ctx, func(*enforce.Grant) bool { return true })
}

// WaitExternal is Wait for the grants that only commands can close.
func (m *Monitor) WaitExternal(ctx context.Context) error {
	return m.wait(ctx, func(g *enforce.Grant) bool { return g.External != nil })
}

func (m *Monitor) wait(ctx context.Context, until func(*enforce.Grant) bool) error {
	w := waiter{until, make(chan struct{})}
	m.mu.Lock()
	m.waiters = append(m.waiters, w)
	m.notifyIdle()
	m.mu.Unlock()
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// notifyIdle wakes the waiters whose condition holds. m.mu must be held.
func (m *Monitor) notifyIdle() {
	m.waiters = slices.DeleteFunc(m.waiters, func(w waiter) bool {
		for _, e := range m.table.entries {
			if !e.permanent() && w.match(&e.grant) {
				return false
			}
		}
		close(w.done)
		return true
	})
}
