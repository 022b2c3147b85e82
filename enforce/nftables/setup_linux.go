package nftables

import (
	"context"
	"fmt"
	"slices"

	nft "github.com/google/nftables"

	"fwknopd/enforce"
)

// Setup implements [enforce.Backend].
func (b *Backend) Setup(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.setup(ctx)
}

// setup reads what is there and adds what is missing, in one batch.
func (b *Backend) setup(ctx context.Context) error {
	if err := b.usable(ctx); err != nil {
		return err
	}
	var err error
	if b.gen, err = b.counter.Now(); err != nil {
		return err
	}
	l, err := b.readLayout()
	if err != nil {
		return b.redial(err)
	}
	for _, placements := range l.placements {
		for _, p := range placements {
			if err := b.ensurePlacement(l, p); err != nil {
				return b.redial(err)
			}
		}
	}
	if err := b.keepEnded(l); err != nil {
		return b.redial(err)
	}
	if err := b.dropOwn(l); err != nil {
		return b.redial(err)
	}
	if err := b.flush(); err != nil {
		return fmt.Errorf("set up chains: %w", err)
	}
	b.placements, b.notes = l.placements, l.notes
	if b.ended.wanted {
		return b.setupEnded(l)
	}
	return nil
}

// ensurePlacement queues what is missing in a placement.
func (b *Backend) ensurePlacement(l *layout, p *placement) error {
	if p.own {
		b.addOwnBase(p)
	}
	ours := &nft.Chain{Table: p.table, Name: chainName(p.role)}
	rules := map[string]bool{}
	if l.chain(p.table, ours.Name) == nil {
		b.conn.AddChain(ours)
	} else if err := b.readPlacement(p, ours, rules); err != nil {
		return err
	}
	for _, base := range p.base {
		if err := b.addJump(l, p, base); err != nil {
			return err
		}
	}
	for _, id := range p.firstSets() {
		if err := b.addSet(p, id); err != nil {
			return err
		}
	}
	for id := range p.sets {
		if !rules[id.String()] {
			b.addLookup(p, id)
		}
	}
	if p.role == enforce.Guarded {
		b.repairDrops(p, rules)
	}
	return nil
}

// addLookup queues the rule that uses a set. It stands before the drops of the guard.
func (b *Backend) addLookup(p *placement, id setID) {
	if p.role == enforce.Guarded {
		b.conn.InsertRule(id.lookupRule(p.table))
		return
	}
	b.conn.AddRule(id.lookupRule(p.table))
}

// addOwnBase makes our own table with a base chain that accepts.
func (b *Backend) addOwnBase(p *placement) {
	b.conn.AddTable(p.table)
	facts, accept := roleFacts[p.role], nft.ChainPolicyAccept
	b.conn.AddChain(&nft.Chain{
		Table: p.table, Name: p.role.String(), Type: facts.kind,
		Hooknum: facts.hook, Priority: facts.priority, Policy: &accept,
	})
}

// readPlacement reads which of our sets and rules the table has. Rules whose set is
// gone cannot exist: the kernel keeps a set while a rule uses it.
func (b *Backend) readPlacement(p *placement, ours *nft.Chain, rules map[string]bool) error {
	rs, err := b.rulesOf(p.table, ours)
	if err != nil {
		return fmt.Errorf("list rules: %w", err)
	}
	for _, r := range rs {
		if !isOutdated(p.role, r) && !(p.role == enforce.Guarded && b.isStaleDrop(r)) {
			rules[ruleComment(r)] = true
		} else if err := b.conn.DelRule(r); err != nil {
			return fmt.Errorf("delete rule: %w", err)
		}
	}
	sets, err := b.ourSets(p.table)
	if err != nil {
		return err
	}
	p.sets = make(map[setID]*nft.Set)
	for _, s := range sets {
		if id, _ := parseSetID(s.Name); id.role == p.role {
			p.sets[id] = id.set(p.table)
		}
	}
	return nil
}

// addJump puts a jump first into a base chain unless there is one.
func (b *Backend) addJump(l *layout, p *placement, base string) error {
	if c := l.chain(p.table, base); c != nil {
		rules, err := b.rulesOf(p.table, c)
		if err != nil {
			return fmt.Errorf("list rules: %w", err)
		}
		if slices.ContainsFunc(rules, func(r *nft.Rule) bool { return isJump(r, chainName(p.role)) }) {
			return nil
		}
	}
	b.conn.InsertRule(jumpRule(p.table, base, chainName(p.role)))
	return nil
}

// firstSets are what nearly every grant needs; others come with the first grant
// that does.
func (p *placement) firstSets() (ids []setID) {
	first := shapes[0]
	if p.role == enforce.SNAT {
		first = shapes[1]
	}
	for _, v6 := range []bool{false, true} {
		if id := (setID{role: p.role, v6: v6, shape: first}); p.serves(id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// addSet queues a set unless the placement has it.
func (b *Backend) addSet(p *placement, id setID) error {
	if p.sets[id] != nil {
		return nil
	}
	if p.sets == nil {
		p.sets = make(map[setID]*nft.Set)
	}
	s := id.set(p.table)
	b.setID++
	s.ID = b.setID // the library's own count is not safe for several connections
	p.sets[id] = s
	return b.conn.AddSet(s, nil)
}

// dropOwn removes our own table when it is not in use any more, as the user has loaded a
// ruleset, or what is in it for roles that are not.
func (b *Backend) dropOwn(l *layout) error {
	var uses [roles]bool
	for role, placements := range l.placements {
		uses[role] = slices.ContainsFunc(placements, func(p *placement) bool { return p.own })
	}
	i := slices.IndexFunc(l.tables, func(t *nft.Table) bool { return sameTable(t, &ownTable) })
	switch {
	case i < 0:
		return nil
	case !slices.Contains(uses[:], true) && !b.ended.wanted:
		b.conn.DelTable(&ownTable)
		return nil
	}
	for role := range roles {
		if uses[role] {
			continue
		}
		if err := b.dropOwnRole(l, l.tables[i], role); err != nil {
			return err
		}
	}
	return nil
}

// dropOwnRole removes the chains and sets of one role from our own table.
func (b *Backend) dropOwnRole(l *layout, t *nft.Table, role enforce.Role) error {
	var chains []*nft.Chain
	for _, name := range []string{role.String(), chainName(role)} { // first the one that jumps
		if c := l.chain(t, name); c != nil {
			chains = append(chains, c)
		}
	}
	if len(chains) == 0 {
		return nil
	}
	for _, c := range chains {
		b.conn.FlushChain(c)
		b.conn.DelChain(c)
	}
	sets, err := b.ourSets(t)
	for _, s := range sets {
		if id, _ := parseSetID(s.Name); id.role == role {
			b.conn.DelSet(s)
		}
	}
	return err
}

// Chains lists our chains: those that this configuration makes, and those that an
// earlier one left elsewhere. Table is family and name.
func (b *Backend) Chains(ctx context.Context) ([]enforce.ChainState, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.usable(ctx); err != nil {
		return nil, err
	}
	l, err := b.readLayout()
	if err != nil {
		return nil, b.redial(err)
	}
	var states []enforce.ChainState
	add := func(s enforce.ChainState) {
		if !slices.Contains(states, s) {
			states = append(states, s)
		}
	}
	for role := range roles {
		for _, p := range l.placements[role] {
			add(enforce.ChainState{Table: tableName(p.table), Name: chainName(role), Exists: l.chain(p.table, chainName(role)) != nil})
		}
		for _, c := range l.chains {
			if c.Name == chainName(role) {
				add(enforce.ChainState{Table: tableName(c.Table), Name: c.Name, Exists: true})
			}
		}
	}
	return states, nil
}

func tableName(t *nft.Table) string { return familyName(t.Family) + " " + t.Name }

// Flush implements [enforce.Backend]. What ended connections still send stays rejected.
func (b *Backend) Flush(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := b.eachTable(ctx, func(_ *layout, t *nft.Table) error {
		sets, err := b.ourSets(t)
		for _, s := range sets {
			b.conn.FlushSet(s)
		}
		return err
	})
	if err != nil {
		return err
	}
	b.refs = newRefcounts(b.cfg.Guard)
	return b.flush()
}

// Teardown implements [enforce.Backend]. It also clears places where an earlier
// configuration put us.
func (b *Backend) Teardown(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended.forget()
	return b.clear(ctx, b.clearTable)
}

// Prune implements [enforce.Pruner]: where nothing is open, what Setup made is removed, but
// for the guard, and the rejects of connections that have ended.
func (b *Backend) Prune(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.usable(ctx); err != nil {
		return err
	}
	open, err := b.readElements()
	if err != nil {
		return b.redial(err)
	}
	if len(open) > 0 {
		return nil
	}
	if _, err := b.loadEnded(); err != nil {
		return b.redial(err)
	}
	rejects := b.ended.count > 0
	return b.clear(ctx, func(l *layout, t *nft.Table) error {
		if len(b.cfg.Guard) == 0 && !rejects || !sameTable(t, &ownTable) {
			return b.clearTable(l, t)
		}
		if !rejects {
			b.removeEnded(l)
		}
		for role := range roles {
			if role == enforce.Guarded && len(b.cfg.Guard) > 0 {
				continue
			}
			if err := b.dropOwnRole(l, t, role); err != nil {
				return err
			}
		}
		return nil
	})
}

// clear removes what queue queues for each table.
func (b *Backend) clear(ctx context.Context, queue func(*layout, *nft.Table) error) error {
	if err := b.eachTable(ctx, queue); err != nil {
		return err
	}
	b.placements, b.refs, b.ended.made = [roles][]*placement{}, newRefcounts(b.cfg.Guard), false
	if err := b.flush(); err != nil {
		return fmt.Errorf("remove chains: %w", err)
	}
	return nil
}

// eachTable calls queue for each table of the kernel.
func (b *Backend) eachTable(ctx context.Context, queue func(*layout, *nft.Table) error) error {
	if err := b.usable(ctx); err != nil {
		return err
	}
	l, err := b.readLayout()
	if err != nil {
		return b.redial(err)
	}
	for _, t := range l.tables {
		if err := queue(l, t); err != nil {
			return b.redial(err)
		}
	}
	return nil
}

// clearTable queues the removal of our own table, and of everything of ours from a
// user's: jumps first, then our chains, then the sets their rules used.
func (b *Backend) clearTable(l *layout, t *nft.Table) error {
	switch {
	case sameTable(t, &ownTable):
		b.conn.DelTable(&ownTable)
		return nil
	case l.isXtables(t):
		return nil
	}
	var mine []*nft.Chain
	for role := range roles {
		if c := l.chain(t, chainName(role)); c != nil {
			mine = append(mine, c)
		}
	}
	if len(mine) == 0 {
		return nil
	}
	for _, c := range l.chains {
		if !sameTable(c.Table, t) || slices.Contains(mine, c) {
			continue
		}
		if err := b.delJumps(t, c, mine); err != nil {
			return err
		}
	}
	for _, c := range mine {
		b.conn.FlushChain(c)
		b.conn.DelChain(c)
	}
	sets, err := b.ourSets(t)
	for _, s := range sets {
		b.conn.DelSet(s)
	}
	return err
}

// ourSets returns the sets in a table that have one of our names.
func (b *Backend) ourSets(t *nft.Table) ([]*nft.Set, error) {
	sets, err := b.conn.GetSets(t)
	if err != nil {
		return nil, fmt.Errorf("list sets: %w", err)
	}
	return slices.DeleteFunc(sets, func(s *nft.Set) bool {
		_, ours := parseSetID(s.Name)
		return !ours
	}), nil
}

func (b *Backend) delJumps(t *nft.Table, c *nft.Chain, mine []*nft.Chain) error {
	rules, err := b.rulesOf(t, c)
	if err != nil {
		return fmt.Errorf("list rules: %w", err)
	}
	for _, r := range rules {
		if slices.ContainsFunc(mine, func(m *nft.Chain) bool { return isJump(r, m.Name) }) {
			if err := b.conn.DelRule(r); err != nil {
				return fmt.Errorf("delete jump: %w", err)
			}
		}
	}
	return nil
}
