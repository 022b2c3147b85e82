package firewalld

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/ruleset"
)

const (
	// hangs is how long firewalld may take to answer before grants that end meanwhile are shut
	// in the kernel.
	hangs = time.Second
	// hangPause is between two looks at what has ended.
	hangPause = 500 * time.Millisecond
)

// endedTable is there as long as firewalld has the rules of what it drops.
const endedTable = ruleset.EndedTable

// RemoveEnded removes the table of an earlier process, for a host that has no rules of firewalld
// any more.
func RemoveEnded() error { return writeEnded(nil, nil) }

// An ended shuts grants whose rules firewalld cannot be asked to remove.
type ended struct {
	mu      sync.Mutex
	dropped map[string]enforce.Grant // parts, by their keys
	// stale is whether the table has more than dropped.
	stale bool
	// table is whether there may be a table: at start one that another process has left.
	table bool
}

// shut drops new connections of parts of grants, but for what other grants leave open.
func (e *ended) shut(parts []enforce.Grant, open map[string]enforce.Grant) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := maps.Clone(e.dropped)
	if all == nil {
		all = make(map[string]enforce.Grant)
	}
	for _, part := range parts {
		if _, err := bodyOf(part); err == nil { // else no rule of ours is for it
			all[part.Key()] = part
		}
	}
	if len(all) == len(e.dropped) {
		return nil
	}
	return e.replace(all, open)
}

// replace makes the table one of these parts. e.mu must be held.
func (e *ended) replace(parts, open map[string]enforce.Grant) error {
	var passed []enforce.Grant
	for key, g := range open {
		if _, drop := parts[key]; !drop && enforce.Outlives(g.Expires, time.Now()) && overlapsAny(g, parts) {
			passed = append(passed, g)
		}
	}
	if err := writeEnded(passed, slices.Collect(maps.Values(parts))); err != nil {
		return fmt.Errorf("table inet %s: %w", endedTable, err)
	}
	e.dropped, e.stale, e.table = parts, false, len(parts) > 0
	return nil
}

// reopen lets go of a grant that is open again, with the next settle.
func (e *ended) reopen(g enforce.Grant) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, part := range g.Split() {
		if _, has := e.dropped[part.Key()]; has {
			delete(e.dropped, part.Key())
			e.stale = true
		}
	}
}

// overlapsAny reports whether a grant may be for packets of one of these.
func overlapsAny(g enforce.Grant, parts map[string]enforce.Grant) bool {
	for _, part := range parts {
		if g.Source().Overlaps(part.Source()) && (g.All || part.All || slices.Equal(g.Ports, part.Ports)) {
			return true
		}
	}
	return false
}

// settle lets go of what firewalld has no rule for any more, or has opened again. It returns an
// error if the table could not be changed.
func (e *ended) settle(s *state, known map[string]enforce.Grant) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.table {
		return nil
	}
	now, open := time.Now(), s.grants(known)
	left := make(map[string]enforce.Grant)
	for key, g := range open {
		if enforce.Outlives(g.Expires, now) {
			continue
		}
		if _, ours := e.dropped[key]; ours || e.dropped == nil {
			left[key] = g
		}
	}
	// One that was revoked before its end is in the journal until its rule is gone.
	for key, g := range e.dropped {
		if has, is := open[key]; is && enforce.Outlives(has.Expires, now) && has.Expires.Equal(g.Expires) {
			left[key] = g
		}
	}
	if e.dropped != nil && len(left) == len(e.dropped) && !e.stale {
		return nil
	}
	return e.replace(left, known)
}

// during runs f, which waits for firewalld, and shuts what ends meanwhile: grants of the journal, as
// it is now, and those that are being revoked. The kernel is changed by the calling goroutine, as
// its thread may be in a network namespace of its own; f talks to the bus alone.
func (e *ended) during(f func(), known map[string]enforce.Grant, revoke []enforce.Grant) {
	known = maps.Clone(known)
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	for wait := time.NewTimer(hangs); ; wait.Reset(hangPause) {
		select {
		case <-done:
			wait.Stop()
			return
		case <-wait.C:
		}
		due := slices.Clone(revoke)
		for _, g := range known {
			if !enforce.Outlives(g.Expires, time.Now()) {
				due = append(due, g)
			}
		}
		_ = e.shut(due, known) // the change that revokes them says so
	}
}

// shutFailed shuts those parts of grants that could not be revoked, or opened with certainty, for
// which is holds, and says so, and why, with their errors.
func (b *Backend) shutFailed(ctx context.Context, gs []enforce.Grant, is func(enforce.Grant) bool, errs []error, why string) []error {
	if errs == nil || ctx.Err() != nil {
		return errs
	}
	for i, g := range gs {
		parts := partsThat(g, is)
		if errs[i] == nil || len(parts) == 0 {
			continue
		}
		err := b.ended.shut(parts, b.known())
		if err != nil {
			errs[i] = fmt.Errorf("%w; nor are its connections dropped: %w", errs[i], err)
		} else {
			errs[i] = fmt.Errorf("%w; %s, table inet %s drops new connections of it", errs[i], why, endedTable)
		}
	}
	return errs
}

// known returns the grants of the journal as they were read last.
func (b *Backend) known() map[string]enforce.Grant {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.journal.Grants())
}

// settle is called with what firewalld has, after a change of it.
func (b *Backend) settle(s *state, err error) error {
	if err != nil {
		return err
	}
	return b.ended.settle(s, b.journal.Grants())
}
