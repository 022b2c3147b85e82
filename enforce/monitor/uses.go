package monitor

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"fwknopd/enforce/schedule"
)

// ErrUsed refuses a request as its stanza has had as many as it grants, or as that is not
// known.
var ErrUsed = errors.New("the uses of the stanza are used up")

// uses counts what stanzas with a number of uses open and run. A request is one use, whatever
// it opens: a worker sends one for each decision, and a worker that sends others gets no more.
type uses struct {
	mu     sync.Mutex
	counts schedule.Counts
	save   func(*schedule.Counts) error // nil: they are in memory alone
}

// take counts a use of a stanza, if it has one left. It returns when the count is kept; a
// request that fails afterwards has had its use.
func (u *uses) take(name string, limit schedule.Uses, now time.Time) error {
	if limit.IsZero() {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	n, err := u.counts.Used(name, limit, now)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrUsed, err)
	case n >= limit.Max:
		return fmt.Errorf("%w: %s (ACCESS_USES)", ErrUsed, limit.Words())
	}
	return u.change(func(c *schedule.Counts) { c.Add(name, limit, now) })
}

// change makes a change of the counts that is kept, or none. u.mu must be held.
func (u *uses) change(f func(*schedule.Counts)) error {
	next := u.counts.Clone()
	f(&next)
	if u.save != nil {
		if err := u.save(&next); err != nil {
			return fmt.Errorf("uses of stanzas could not be recorded: %w", err)
		}
	}
	u.counts = next
	return nil
}

// Uses returns how often stanzas with a number have granted.
func (m *Monitor) Uses() schedule.Counts {
	m.uses.mu.Lock()
	defer m.uses.mu.Unlock()
	return m.uses.counts.Clone()
}

// ResetUses has the uses of a stanza counted from zero, for which the administrator asked.
func (m *Monitor) ResetUses(name string) error {
	m.uses.mu.Lock()
	defer m.uses.mu.Unlock()
	return m.uses.change(func(c *schedule.Counts) { c.Reset(name) })
}
