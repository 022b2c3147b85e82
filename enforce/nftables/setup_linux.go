package nftables

import (
	"context"
	"fmt"
	"slices"

	nft "github.com/google/nftables"
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
	for _, homes := range l.placements {
		for _, h := range homes {
			if err := b.ensurePlacement(l, h); err != nil {
				return b.redial(err)
			}
		}
	}
	b.dropOwnTable(l)
	if err := b.flush(); err != nil {
		return fmt.Errorf("set up chains: %w", err)
	}
	b.placements, b.notes = l.placements, l.notes
	return nil
}

// ensurePlacement queues what a home lacks.
func (b *Backend) ensurePlacement(l *layout, h *placement) error {
	if h.own {
		b.addOwnBase(h)
	}
	ours := &nft.Chain{Table: h.table, Name: h.role.chain()}
	rules := map[string]bool{}
	if l.chain(h.table, ours.Name) == nil {
		b.conn.AddChain(ours)
	} else if err := b.readPlacement(h, ours, rules); err != nil {
		return err
	}
	for _, base := range h.base {
		if err := b.addJump(l, h, base); err != nil {
			return err
		}
	}
	for _, id := range h.firstSets() {
		if err := b.addSet(h, id); err != nil {
			return err
		}
	}
	for id := range h.sets {
		if !rules[id.String()] {
			b.conn.AddRule(id.lookupRule(h.table))
		}
	}
	return nil
}

// addOwnBase makes our own table with a base chain that accepts.
func (b *Backend) addOwnBase(h *placement) {
	b.conn.AddTable(h.table)
	facts, accept := roleFacts[h.role], nft.ChainPolicyAccept
	b.conn.AddChain(&nft.Chain{
		Table: h.table, Name: h.role.String(), Type: facts.kind,
		Hooknum: facts.hook, Priority: facts.priority, Policy: &accept,
	})
}

// readPlacement learns which of our sets and rules the table has. Rules whose set is
// gone cannot exist: the kernel keeps a set while a rule uses it.
func (b *Backend) readPlacement(h *placement, ours *nft.Chain, rules map[string]bool) error {
	rs, err := b.conn.GetRules(h.table, ours)
	if err != nil {
		return fmt.Errorf("list rules: %w", err)
	}
	for _, r := range rs {
		rules[ruleComment(r)] = true
	}
	sets, err := b.conn.GetSets(h.table)
	if err != nil {
		return fmt.Errorf("list sets: %w", err)
	}
	h.sets = make(map[setID]*nft.Set)
	for _, s := range sets {
		if id, ok := setIDs[s.Name]; ok && id.role == h.role {
			h.sets[id] = id.set(h.table)
		}
	}
	return nil
}

// addJump puts a jump first into a base chain unless there is one.
func (b *Backend) addJump(l *layout, h *placement, base string) error {
	if c := l.chain(h.table, base); c != nil {
		rules, err := b.conn.GetRules(h.table, c)
		if err != nil {
			return fmt.Errorf("list rules: %w", err)
		}
		if slices.ContainsFunc(rules, func(r *nft.Rule) bool { return isJump(r, h.role.chain()) }) {
			return nil
		}
	}
	b.conn.InsertRule(jumpRule(h.table, base, h.role.chain()))
	return nil
}

// firstSets are what nearly every grant needs; others come with the first grant
// that does.
func (h *placement) firstSets() (ids []setID) {
	first := shapes[0]
	if h.role == SNAT {
		first = shapes[1]
	}
	for _, v6 := range []bool{false, true} {
		if id := (setID{role: h.role, v6: v6, shape: first}); h.serves(id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// addSet queues a set that the home lacks.
func (b *Backend) addSet(h *placement, id setID) error {
	if h.sets[id] != nil {
		return nil
	}
	if h.sets == nil {
		h.sets = make(map[setID]*nft.Set)
	}
	s := id.set(h.table)
	b.setID++
	s.ID = b.setID // the library's own count is not safe for several connections
	h.sets[id] = s
	return b.conn.AddSet(s, nil)
}

// dropOwnTable removes our own table when nothing lives there any more: the user
// has loaded his rules.
func (b *Backend) dropOwnTable(l *layout) {
	inUse := false
	for _, homes := range l.placements {
		inUse = inUse || slices.ContainsFunc(homes, func(h *placement) bool { return h.own })
	}
	exists := slices.ContainsFunc(l.tables, func(t *nft.Table) bool { return sameTable(t, &ownTable) })
	if exists && !inUse {
		b.conn.DelTable(&ownTable)
	}
}

// Teardown implements [enforce.Backend]. It also clears places where an earlier
// configuration put us.
func (b *Backend) Teardown(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.usable(ctx); err != nil {
		return err
	}
	l, err := b.readLayout()
	if err != nil {
		return b.redial(err)
	}
	if slices.ContainsFunc(l.tables, func(t *nft.Table) bool { return sameTable(t, &ownTable) }) {
		b.conn.DelTable(&ownTable)
	}
	for _, t := range l.tables {
		if sameTable(t, &ownTable) || l.isXtables(t) {
			continue
		}
		if err := b.clearTable(l, t); err != nil {
			return b.redial(err)
		}
	}
	b.placements, b.refs = [roles][]*placement{}, newRefcounts()
	if err := b.flush(); err != nil {
		return fmt.Errorf("remove chains: %w", err)
	}
	return nil
}

// clearTable queues the removal of everything of ours from a user's table: jumps
// first, then our chains, then the sets their rules used.
func (b *Backend) clearTable(l *layout, t *nft.Table) error {
	var mine []*nft.Chain
	for _, role := range allRoles {
		if c := l.chain(t, role.chain()); c != nil {
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
	sets, err := b.conn.GetSets(t)
	if err != nil {
		return fmt.Errorf("list sets: %w", err)
	}
	for _, s := range sets {
		if _, ok := setIDs[s.Name]; ok {
			b.conn.DelSet(s)
		}
	}
	return nil
}

func (b *Backend) delJumps(t *nft.Table, c *nft.Chain, mine []*nft.Chain) error {
	rules, err := b.conn.GetRules(t, c)
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
