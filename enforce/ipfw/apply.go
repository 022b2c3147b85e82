package ipfw

import (
	"context"
	"errors"
	"strconv"
	"time"

	"fwknopd/enforce"
)

// Change implements [enforce.Backend]. There are no transactions: each rule is one run
// of the program.
func (b *Backend) Change(ctx context.Context, open, revoke []enforce.Grant) (opened, revoked []error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	revoked = b.each(ctx, revoke, b.revoke)
	return b.each(ctx, open, b.apply), revoked
}

// each runs f for every part of every grant, with the policy as read at the start. b.mu
// must be held.
func (b *Backend) each(ctx context.Context, gs []enforce.Grant, f func(context.Context, *policy, enforce.Grant) error) []error {
	if len(gs) == 0 {
		return nil
	}
	p, err := b.read(ctx)
	var errs enforce.Errors
	for i, g := range gs {
		if err != nil {
			errs.Set(i, len(gs), err)
			continue
		}
		var bad error
		for _, part := range g.Split() {
			bad = errors.Join(bad, f(ctx, &p, part))
		}
		errs.Set(i, len(gs), bad)
	}
	return errs
}

// apply adds the rule of a grant before it retires older ones.
func (b *Backend) apply(ctx context.Context, p *policy, part enforce.Grant) error {
	switch {
	case part.NAT != nil || part.Output || part.External != nil:
		return errForm
	case !enforce.Outlives(part.Expires, time.Now()):
		return errEnded
	}
	var old []rule
	for _, r := range b.rulesOf(p, part) {
		if !enforce.Outlives(part.Expires, r.grant.Expires) {
			return nil
		}
		old = append(old, r)
	}
	num, err := b.freeNumber(p)
	if err != nil {
		return err
	}
	if _, err := b.run(ctx, b.addArgs(num, part)...); err != nil {
		return err
	}
	p.used[num] = true
	p.rules = append(p.rules, rule{num: num, grant: part, ours: true})
	for _, r := range old {
		if err := b.retire(ctx, p, r); err != nil {
			return err
		}
	}
	return nil
}

func (b *Backend) revoke(ctx context.Context, p *policy, part enforce.Grant) error {
	for _, r := range b.rulesOf(p, part) {
		if err := b.retire(ctx, p, r); err != nil {
			return err
		}
	}
	return nil
}

// rulesOf returns the active rules of a grant.
func (b *Backend) rulesOf(p *policy, part enforce.Grant) (rules []rule) {
	key := part.Key()
	for _, r := range p.rules {
		if !b.retired(r) && r.grant.Key() == key {
			rules = append(rules, r)
		}
	}
	return rules
}

// retired reports whether a rule is in our disabled set.
func (b *Backend) retired(r rule) bool { return r.set == b.cfg.SetNum }

func (b *Backend) freeNumber(p *policy) (int, error) {
	for n := b.cfg.RuleNum; n <= maxRule; n++ {
		if !p.used[n] {
			return n, nil
		}
	}
	return 0, errFull
}

// retire deletes or disables a rule as the policy requires, see the package comment.
func (b *Backend) retire(ctx context.Context, p *policy, r rule) error {
	num := strconv.Itoa(r.num)
	if !b.dynamic {
		_, err := b.run(ctx, "-q", "delete", num)
		if err == nil {
			p.drop(r)
		}
		return err
	}
	if _, err := b.run(ctx, "-q", "set", "move", "rule", num, "to", strconv.Itoa(b.cfg.SetNum)); err != nil {
		return err
	}
	b.schedulePurge()
	for i := range p.rules {
		if p.rules[i].num == r.num {
			p.rules[i].set = b.cfg.SetNum
		}
	}
	return nil
}

func (p *policy) drop(gone rule) {
	delete(p.used, gone.num)
	for i, r := range p.rules {
		if r.num == gone.num {
			p.rules = append(p.rules[:i:i], p.rules[i+1:]...)
			return
		}
	}
}

// schedulePurge runs purgeSet after the interval. b.mu must be held.
func (b *Backend) schedulePurge() {
	if b.purge == nil && !b.closed {
		b.purge = time.AfterFunc(b.cfg.Interval, b.purgeSet)
	}
}

// purgeSet deletes the rules of the disabled set to which no dynamic state refers, and
// schedules itself again while some are left.
func (b *Backend) purgeSet() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.purge = nil
	if b.closed {
		return
	}
	ctx := context.Background()
	p, err := b.read(ctx)
	left := err != nil
	for _, r := range p.rules {
		if !b.retired(r) {
			continue
		}
		if p.states[r.num] {
			left = true
		} else if _, err := b.run(ctx, "-q", "delete", strconv.Itoa(r.num)); err != nil {
			left = true
		}
	}
	if left {
		b.schedulePurge()
	}
}
