package iptables

import (
	"context"
	"fmt"
	"strings"
	"time"

	"fwknopd/enforce"
)

// Change implements [enforce.Backend]: one transaction for each list and family. An
// extended grant gets its new rules before the old ones go, in the same
// transaction, so that it is open all the time.
func (b *Backend) Change(ctx context.Context, open, revoke []enforce.Grant) (opened, revoked []error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	revoked = b.change(ctx, revoke, func(p *plan, part enforce.Grant) error {
		p.close(part.Key())
		return nil
	})
	opened = b.change(ctx, open, func(p *plan, part enforce.Grant) error {
		if !enforce.Outlives(part.Expires, time.Now()) {
			return enforce.ErrEnded
		}
		if old := p.entry(part.Key()); old != nil && !enforce.Outlives(part.Expires, old.grant.Expires) {
			if b.isComplete(old, old.grant) {
				return nil
			}
			part.Expires = old.grant.Expires
		}
		return p.open(part)
	})
	return opened, revoked
}

// change runs f for every part of every grant and carries the plan out; if that
// fails, grant by grant. What f refuses does not hinder the others.
func (b *Backend) change(ctx context.Context, gs []enforce.Grant, f func(*plan, enforce.Grant) error) []error {
	var errs enforce.Errors
	if len(gs) == 0 {
		return nil
	}
	err := b.transact(ctx, gs, f, &errs)
	if err == nil {
		return errs
	}
	for i := range gs {
		if len(gs) > 1 && !isHanging(err) {
			var own enforce.Errors
			if err = b.transact(ctx, gs[i:i+1], f, &own); err == nil {
				err = enforce.FirstError(own)
			}
		}
		errs.Set(i, len(gs), err)
	}
	return errs
}

// transact carries a plan out. A failure means that another program has changed our
// chains; then they are read, repaired, and the plan is made again. refused gets the
// errors of f.
func (b *Backend) transact(ctx context.Context, gs []enforce.Grant, f func(*plan, enforce.Grant) error, refused *enforce.Errors) (err error) {
	for n := range max(b.cfg.Tries, 2) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if n > 0 || !b.loaded {
			if err := b.resync(ctx); err != nil {
				return err
			}
		}
		p := b.newPlan()
		for i, g := range gs {
			for _, part := range g.Split() {
				refused.Set(i, len(gs), f(p, part))
			}
		}
		if err = p.run(ctx); err == nil {
			return nil
		}
		if isHanging(err) {
			break
		}
		sleep(ctx, b.cfg.Pause)
	}
	b.loaded = false
	return err
}

// resync makes chains and jumps that are missing and reads our chains.
func (b *Backend) resync(ctx context.Context) error {
	s := b.snapshot(ctx, append(b.setupChains(), b.ourChains()...))
	if err := b.setup(ctx, s); err != nil {
		return err
	}
	return b.load(ctx, s)
}

func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// A plan is a transaction in the making: what the programs are to do, and what the
// chains hold after it.
type plan struct {
	b       *Backend
	scripts [2]script
	deletes map[chainID][]listed   // follow what the scripts insert
	lengths map[chainID]int        // change of the chains' lengths
	changed map[string]*entry      // nil: gone
	needs   [enforce.Roles][2]bool // chains by role and family
}

func (b *Backend) newPlan() *plan {
	return &plan{b: b, deletes: make(map[chainID][]listed), lengths: make(map[chainID]int), changed: make(map[string]*entry)}
}

func (p *plan) entry(key string) *entry {
	if e, ok := p.changed[key]; ok {
		return e
	}
	return p.b.entries[key]
}

// open adds the rules of a grant and deletes those it had.
func (p *plan) open(part enforce.Grant) error {
	if err := part.Validate(); err != nil {
		return err
	}
	v6 := part.Src.Is6()
	if p.b.toolFor(v6) == nil {
		return ErrFamily
	}
	e := &entry{grant: part}
	for _, r := range p.b.rules(part) {
		text := r.spec.args()
		p.insert(v6, r.role, text)
		e.rules = append(e.rules, listed{r, v6, text})
	}
	key := part.Key()
	p.close(key)
	p.changed[key] = e
	return nil
}

// insert adds a rule at the position of its chain's definition, or at the end
// when the chain is shorter.
func (p *plan) insert(v6 bool, role enforce.Role, text string) {
	c := p.b.cfg.Chains[role]
	id := chainID{v6, c.Table, c.To}
	command := "-A " + c.To + " "
	if c.RulePos > 0 {
		pos := min(c.RulePos, p.b.length[id]+p.lengths[id]+1)
		command = fmt.Sprintf("-I %s %d ", c.To, pos)
	}
	p.scripts[family(v6)].add(c.Table, command+text)
	p.lengths[id]++
	p.needs[role][family(v6)] = true
}

func (p *plan) close(key string) {
	old := p.entry(key)
	p.changed[key] = nil
	if old == nil {
		return
	}
	for _, r := range old.rules {
		c := p.b.cfg.Chains[r.role]
		id := chainID{r.v6, c.Table, c.To}
		p.deletes[id] = append(p.deletes[id], r)
		p.lengths[id]--
	}
}

// run runs the scripts and, if they succeed, notes what the chains hold now.
func (p *plan) run(ctx context.Context) error {
	if err := p.ensureChains(ctx); err != nil {
		return err
	}
	for _, t := range p.b.tools() {
		sc := &p.scripts[family(t.v6)]
		if err := p.addDeletes(ctx, t, sc); err != nil {
			return err
		}
		if err := t.run(ctx, sc); err != nil {
			return err
		}
	}
	p.b.noteGeneration()
	for id, n := range p.lengths {
		p.b.length[id] += n
	}
	for key, e := range p.changed {
		if e == nil {
			delete(p.b.entries, key)
		} else {
			p.b.entries[key] = e
		}
	}
	return nil
}

// ensureChains makes the chains that the plan needs, and the jumps to them, unless they
// are there.
func (p *plan) ensureChains(ctx context.Context) error {
	if !p.b.isUntouched() {
		p.b.ready = [enforce.Roles][2]bool{}
	}
	var want []chainID
	for _, t := range p.b.tools() {
		for role := range enforce.Roles {
			if p.isMissing(role, t) {
				want = append(want, p.b.jumpChains(t, role)...)
			}
		}
	}
	s := p.b.snapshot(ctx, want)
	for _, t := range p.b.tools() {
		for role := range enforce.Roles {
			if !p.isMissing(role, t) {
				continue
			}
			p.b.uses[role] = true
			if err := p.b.ensureChain(ctx, s, t, role); err != nil {
				return err
			}
			p.b.ready[role][family(t.v6)] = true
		}
	}
	return nil
}

// isMissing reports whether the plan needs a chain that is not known to be there.
func (p *plan) isMissing(role enforce.Role, t *tool) bool {
	return p.needs[role][family(t.v6)] && !p.b.ready[role][family(t.v6)]
}

// addDeletes completes a script with the deletions of the plan.
func (p *plan) addDeletes(ctx context.Context, t *tool, sc *script) error {
	for id, rules := range p.deletes {
		if id.v6 != t.v6 {
			continue
		}
		length := p.b.length[id]
		if -p.lengths[id] == len(rules) && t.nft && isRebuildCheaper(len(rules), length) {
			if err := p.addRebuild(ctx, t, sc, id, rules); err != nil {
				return err
			}
			continue
		}
		for _, r := range rules {
			sc.add(id.table, "-D "+id.chain+" "+r.text)
		}
	}
	return nil
}

// isRebuildCheaper weighs deleting some rules of a chain against writing it anew. The
// nf_tables variant compares a rule to be deleted with every rule of the chain, at
// about 1 µs each; writing one costs about 50 µs, and listing the chain first some
// milliseconds.
func isRebuildCheaper(deletes, length int) bool {
	const compare, write, list = 1, 50, 20000 // µs
	return deletes*length*compare > (length-deletes)*write+list
}

// addRebuild writes a chain anew without the deleted rules, in order and with the rules
// of other programs, in one transaction: no packet passes the empty chain.
func (p *plan) addRebuild(ctx context.Context, t *tool, sc *script, id chainID, deleted []listed) error {
	lines, _, err := p.b.snapshot(ctx, []chainID{id}).chain(ctx, t, id.table, id.chain)
	if err != nil {
		return err
	}
	specs, texts := make(map[spec]int), make(map[string]int)
	for _, r := range deleted {
		if r.spec.unknown {
			texts[r.text]++
		} else {
			specs[r.spec]++
		}
	}
	sc.add(id.table, "-F "+id.chain)
	for _, line := range lines {
		_, s, ok := parseRule(line)
		text := strings.TrimPrefix(line, "-A "+id.chain+" ")
		switch {
		case !strings.HasPrefix(line, "-A "):
		case ok && !s.unknown && specs[s] > 0:
			specs[s]--
		case texts[text] > 0:
			texts[text]--
		default:
			sc.add(id.table, line)
		}
	}
	return nil
}
