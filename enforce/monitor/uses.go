package monitor

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"fwknopd/enforce/schedule"
)

// errUsed refuses a request as its stanza has had as many as it grants, or as that is not
// known.
var errUsed = errors.New("the uses of the stanza are used up")

// errOtherUses: the use that was written is none of the stanza any more.
var errOtherUses = errors.New("the stanza has other ACCESS_USES since the configuration was loaded again")

// uses counts what stanzas with a number of uses open and run. A request is one use, whatever
// it opens: a worker sends one for each decision, and a worker that sends others gets no more.
//
// A use is reserved, then kept: it is on disk when keep returns. Nothing else need wait for the
// disk meanwhile, and nothing is opened before.
type uses struct {
	writing sync.Mutex                   // held while the counts are written
	save    func(*schedule.Counts) error // nil: they are in memory alone

	mu       sync.Mutex
	counts   schedule.Counts // as they are on disk
	reserved []*use          // not on disk yet
}

// A use of a stanza.
type use struct {
	name  string
	limit schedule.Uses
	at    time.Time
}

// fits reports whether a use, nil for none, is what a stanza with a number of uses wants.
func (u *use) fits(name string, limit schedule.Uses) bool {
	return limit.IsZero() || u != nil && u.name == name && u.limit.String() == limit.String()
}

// take counts a use of a stanza, if it has one left; nil if the stanza has any number. It returns
// when the count is kept; a request that fails afterwards has had its use.
func (u *uses) take(name string, limit schedule.Uses, now time.Time) (*use, error) {
	one, err := u.reserve(name, limit, now)
	if err != nil || one == nil {
		return nil, err
	}
	return one, u.keep([]*use{one})
}

// reserve takes a use of a stanza, if it has one left; nil if the stanza has any number. The use
// has to be kept.
func (u *uses) reserve(name string, limit schedule.Uses, now time.Time) (*use, error) {
	if limit.IsZero() {
		return nil, nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	counts := u.taken()
	n, err := counts.Used(name, limit, now)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errUsed, err)
	case n >= limit.Max:
		return nil, fmt.Errorf("%w: %s (ACCESS_USES)", errUsed, limit.Words())
	}
	one := &use{name, limit, now}
	u.reserved = append(u.reserved, one)
	return one, nil
}

// taken returns the counts with what is reserved. u.mu must be held.
func (u *uses) taken() schedule.Counts {
	counts := u.counts.Clone()
	addUses(&counts, u.reserved)
	return counts
}

// keep returns when reserved uses are on disk. With an error they are none.
func (u *uses) keep(list []*use) error {
	return u.change(func(c *schedule.Counts) { addUses(c, list) }, func() {
		u.reserved = slices.DeleteFunc(u.reserved, func(r *use) bool { return slices.Contains(list, r) })
	})
}

func addUses(counts *schedule.Counts, list []*use) {
	for _, one := range list {
		counts.Add(one.name, one.limit, one.at)
	}
}

// change makes a change of the counts that is kept, or none, and calls done with u.mu held in
// either case.
func (u *uses) change(f func(*schedule.Counts), done func()) error {
	u.writing.Lock()
	defer u.writing.Unlock()
	u.mu.Lock()
	next := u.counts.Clone()
	u.mu.Unlock()
	f(&next)
	var err error
	if u.save != nil {
		err = u.save(&next)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	done()
	if err != nil {
		return fmt.Errorf("uses of stanzas could not be recorded: %w", err)
	}
	u.counts = next
	return nil
}

// Uses returns how often stanzas with a number have granted.
func (m *Monitor) Uses() schedule.Counts {
	m.uses.mu.Lock()
	defer m.uses.mu.Unlock()
	return m.uses.taken()
}

// ResetUses has the uses of a stanza counted from zero, for which the administrator asked.
func (m *Monitor) ResetUses(name string) error {
	return m.uses.change(func(c *schedule.Counts) { c.Reset(name) }, func() {})
}
