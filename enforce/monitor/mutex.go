package monitor

import (
	"context"
	"fmt"
)

// A mutex is a lock that one need not wait for: it is held for as long as a change of
// the firewall takes.
type mutex chan struct{}

func newMutex() mutex { return make(mutex, 1) }

// Lock locks m.
func (m mutex) Lock() { m <- struct{}{} }

// Unlock unlocks m, which must be locked.
func (m mutex) Unlock() { <-m }

// LockContext locks m unless ctx ends before.
func (m mutex) LockContext(ctx context.Context) error {
	select {
	case m <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the firewall is busy: %w", ctx.Err())
	}
}
