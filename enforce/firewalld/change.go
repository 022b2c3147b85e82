package firewalld

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/journal"
)

// Change implements [enforce.Backend]. firewalld has no transactions: each rule is one call.
// A grant that is both to be revoked and to be opened gets a new rule before the old one goes.
func (b *Backend) Change(ctx context.Context, open, revoke []enforce.Grant) (opened, revoked []error) {
	replace := make(map[string]bool)
	for _, g := range open {
		for _, part := range g.Split() {
			replace[part.Key()] = false
		}
	}
	c := change{Backend: b, replace: replace}
	isGone := func(part enforce.Grant) bool { return !c.isReplaced(part.Key()) }
	var gone []enforce.Grant // parts that are not opened again
	for _, g := range revoke {
		gone = append(gone, partsThat(g, isGone)...)
	}
	defer func() {
		revoked = b.shutFailed(ctx, revoke, isGone, revoked, "until it is removed")
		opened = b.shutFailed(ctx, open, func(part enforce.Grant) bool { return c.doubtful[part.Key()] }, opened, "as firewalld may have opened it all the same")
	}()
	err := b.locked(ctx, gone, func(s *state) error {
		c.s = s
		revoked = each(revoke, func(g enforce.Grant) error { return c.revokeWhole(ctx, g) })
		opened = each(open, func(g enforce.Grant) error { return c.openWhole(ctx, g) })
		for i, g := range open {
			if opened == nil || opened[i] == nil {
				b.ended.reopen(g)
			}
		}
		return nil
	})
	switch {
	case err == nil:
		return opened, revoked
	case b.isDead(ctx, err):
		return all(len(open), err), b.closeInKernel(ctx, revoke, err)
	}
	return all(len(open), err), all(len(revoke), err)
}

// partsThat returns the parts of a grant for which is holds.
func partsThat(g enforce.Grant, is func(enforce.Grant) bool) []enforce.Grant {
	return slices.DeleteFunc(g.Split(), func(part enforce.Grant) bool { return !is(part) })
}

// isDead reports whether the bus says that there is no firewalld: what it left in the kernel
// stays until the next one starts.
func (b *Backend) isDead(ctx context.Context, err error) bool {
	if !errors.Is(err, errGone) {
		return false
	}
	owned, err := b.bus.isOwned(ctx)
	return err == nil && !owned
}

// closeInKernel removes rules of grants that a dead firewalld left. cause is why it was not
// asked.
func (b *Backend) closeInKernel(ctx context.Context, gs []enforce.Grant, cause error) []error {
	b.mu.Lock()
	defer b.mu.Unlock()
	unlock, err := b.lockJournal(ctx)
	if err != nil {
		return all(len(gs), errors.Join(cause, err))
	}
	defer unlock()
	var errs enforce.Errors
	for i, g := range gs {
		for _, part := range g.Split() {
			if err := b.closePartInKernel(part); err != nil {
				errs.Set(i, len(gs), fmt.Errorf("%w; its rule in the kernel: %w", cause, err))
			}
		}
	}
	return errs
}

// closePartInKernel closes a grant of one port: its rule stays while another grant has it.
func (b *Backend) closePartInKernel(part enforce.Grant) error {
	key := part.Key()
	body, err := bodyOf(part)
	if err != nil {
		return nil // no rule of ours is for it
	}
	if !b.isShared(key, body) {
		if err := removeFromKernel(part); err != nil {
			return err
		}
	}
	return b.forget(key)
}

// forget removes a grant from the journal, which must be locked.
func (b *Backend) forget(key string) error {
	if _, known := b.journal.Grants()[key]; !known {
		return nil
	}
	return b.journal.Add(journal.Record{Closed: key})
}

// all returns an error for each of n grants; nil for none.
func all(n int, err error) []error {
	var errs enforce.Errors
	for i := range n {
		errs.Set(i, n, err)
	}
	return errs
}

// A change is one call of Change.
type change struct {
	*Backend
	s        *state
	replace  map[string]bool // keys that are to be open in the end; true: revoked before
	doubtful map[string]bool // keys that were refused, of which firewalld may have or get a rule
}

// each calls f for every grant. Once firewalld has not answered, the others are not tried.
func each(gs []enforce.Grant, f func(enforce.Grant) error) []error {
	var errs enforce.Errors
	var stop error
	for i, g := range gs {
		err := stop
		if stop == nil {
			if err = f(g); isLost(err) {
				stop = err
			}
		}
		errs.Set(i, len(gs), err)
	}
	return errs
}

// revokeWhole revokes every part of a grant that it can.
func (c *change) revokeWhole(ctx context.Context, g enforce.Grant) (err error) {
	for _, part := range g.Split() {
		if err = errors.Join(err, c.revoke(ctx, part)); isLost(err) {
			return err
		}
	}
	return err
}

// openWhole opens every part of a grant, or with an error none that was not open before.
func (c *change) openWhole(ctx context.Context, g enforce.Grant) error {
	var fresh []enforce.Grant
	for _, part := range g.Split() {
		_, known := c.journal.Grants()[part.Key()]
		if err := c.open(ctx, part); err != nil {
			for _, opened := range fresh {
				err = errors.Join(err, c.takeBack(ctx, opened, isLost(err)))
			}
			return err
		}
		if !known {
			fresh = append(fresh, part)
		}
	}
	return nil
}

// takeBack closes a part of a grant that is refused. lost: firewalld cannot be asked.
func (c *change) takeBack(ctx context.Context, part enforce.Grant, lost bool) error {
	if !lost {
		return c.close(ctx, part)
	}
	c.doubt(part.Key())
	return c.forget(part.Key())
}

func (c *change) doubt(key string) {
	if c.doubtful == nil {
		c.doubtful = make(map[string]bool)
	}
	c.doubtful[key] = true
}

// revoke closes a grant of one port, unless it is to be opened anew.
func (c *change) revoke(ctx context.Context, part enforce.Grant) error {
	if key := part.Key(); c.isReplaced(key) {
		c.replace[key] = true
		return nil
	}
	return c.close(ctx, part)
}

func (c *change) isReplaced(key string) bool {
	_, is := c.replace[key]
	return is
}

// close removes the rules of a grant, and then its end from the journal.
func (c *change) close(ctx context.Context, part enforce.Grant) error {
	key := part.Key()
	body, err := bodyOf(part)
	if err != nil {
		return nil // no rule of ours is for it
	}
	if !c.isShared(key, body) {
		for _, zone := range c.s.zones {
			if err := c.removeAll(ctx, zone, body, 0); err != nil {
				return err
			}
		}
	}
	return c.forget(key)
}

// isShared reports whether another grant has the same rule: one whose target is this host, and
// one whose target is the same address of another.
func (b *Backend) isShared(key, body string) bool {
	for other, g := range b.journal.Grants() {
		if same, err := bodyOf(g); other != key && err == nil && same == body {
			return true
		}
	}
	return false
}

// removeAll removes the rules of a zone that open the same, but for the one of priority keep.
func (c *change) removeAll(ctx context.Context, zone, body string, keep int) error {
	for _, r := range slices.Clone(c.s.rules[zone]) {
		if r.body != body || r.priority == keep {
			continue
		}
		if err := c.remove(ctx, c.s, zone, r); err != nil {
			return err
		}
	}
	return nil
}

// remove removes a rule; that it is not there is success.
func (b *Backend) remove(ctx context.Context, s *state, zone string, r rule) error {
	if err := b.bus.removeRule(ctx, zone, r.String()); err != nil {
		return err
	}
	s.rules[zone] = slices.DeleteFunc(s.rules[zone], func(other rule) bool { return other == r })
	return nil
}

// wanted returns the end that a grant is to have: the later of the one asked for and the one it
// has, unless it was revoked before.
func (c *change) wanted(part, old enforce.Grant, known bool) enforce.Grant {
	if known && !c.replace[part.Key()] && enforce.Outlives(old.Expires, part.Expires) {
		return old
	}
	return part
}

// open opens a grant in each zone of its client.
func (c *change) open(ctx context.Context, part enforce.Grant) error {
	body, err := bodyOf(part)
	switch {
	case err != nil:
		return err
	case !enforce.Outlives(part.Expires, time.Now()):
		return enforce.ErrEnded
	}
	key, zones := part.Key(), c.route(c.s, part.Source())
	old, known := c.journal.Grants()[key]
	isOpen := known && c.s.bodies()[body] // what the journal alone has, a reload has closed
	if part = c.wanted(part, old, isOpen); isOpen && c.s.everywhere(zones, body) && old.Expires.Equal(part.Expires) {
		return nil
	}
	if err := c.journal.Add(journal.Record{Open: &part}); err != nil {
		return fmt.Errorf("write down when it ends: %w", err)
	}
	c.replace[key] = false
	if err := c.put(ctx, zones, part, body); err != nil {
		if isLost(err) && !errors.Is(err, errDenied) && !(known && enforce.Outlives(old.Expires, time.Now())) {
			c.doubt(key)
		}
		return errors.Join(err, c.restore(old, known, part))
	}
	return nil
}

// restore puts into the journal what was there before a grant that could not be opened. A rule
// that is opened all the same, because firewalld answers late, is then found as one that has
// ended.
func (c *change) restore(old enforce.Grant, known bool, part enforce.Grant) error {
	if known {
		return c.journal.Add(journal.Record{Open: &old})
	}
	return c.journal.Add(journal.Record{Closed: part.Key()})
}

// put adds a rule to each zone, then removes those that it takes the place of.
func (c *change) put(ctx context.Context, zones []string, part enforce.Grant, body string) error {
	added := make(map[string]rule)
	for _, zone := range zones {
		r := rule{freePriority(c.s.rules[zone], body), body}
		err := errNoRoom
		if r.priority != 0 {
			err = c.bus.addRule(ctx, zone, r.String(), c.seconds(part))
		}
		if err != nil {
			for zone, r := range added {
				_ = c.remove(ctx, c.s, zone, r) // with an error it is found as one that has ended
			}
			return err
		}
		added[zone] = r
		c.s.rules[zone] = append(c.s.rules[zone], r)
	}
	for _, zone := range c.s.zones {
		if err := c.removeAll(ctx, zone, body, added[zone].priority); err != nil {
			return err
		}
	}
	return nil
}

// seconds returns after how many seconds firewalld is to remove a rule; 0 is never. Grants
// that have the same rule are open until the last of them ends.
func (c *change) seconds(part enforce.Grant) int32 {
	end := part.Expires
	body, _ := bodyOf(part)
	for _, g := range c.journal.Grants() {
		if same, err := bodyOf(g); err == nil && same == body && enforce.Outlives(g.Expires, end) {
			end = g.Expires
		}
	}
	if end.IsZero() {
		return 0
	}
	return timerSeconds(time.Until(end))
}

// timerEarly is how much too early a timer of firewalld may end: g_timeout_add_seconds of GLib moves
// it to a second that all timers share, back by less than a quarter of one or forward.
const timerEarly = 250 * time.Millisecond

// timerSeconds returns the timer that does not end before left has passed.
func timerSeconds(left time.Duration) int32 {
	return int32(min(max(math.Ceil((left+timerEarly).Seconds()), 1), math.MaxInt32))
}
