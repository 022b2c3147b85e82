package nftables

import (
	"fmt"
	"slices"
	"time"

	nft "github.com/google/nftables"
)

// setupEnded makes what is missing of the chain for ended connections, and reads its sets. What
// the kernel refuses is a note: connections then end as they do with other firewalls.
func (b *Backend) setupEnded(l *layout) error {
	b.ended.note = ""
	lost, err := b.loadEnded()
	if err != nil {
		return b.redial(err)
	}
	for _, mute := range []bool{false, true} {
		if b.ended.made, err = b.hasEnded(l, mute); err != nil {
			return b.redial(err)
		}
		if b.ended.made {
			return nil
		}
	}
	if err = b.makeEnded(lost, false); err != nil {
		err = b.makeEnded(lost, true)
	}
	if b.ended.made = err == nil; !b.ended.made {
		b.ended.note = fmt.Sprintf("nftables: what ended connections send is not rejected: %v", err)
		b.notes.Add("%s", b.ended.note)
	}
	return nil
}

// hasEnded reports whether the kernel has the chain, the jumps to it and its rules, and so the
// sets that they use.
func (b *Backend) hasEnded(l *layout, mute bool) (bool, error) {
	want := make(map[string]bool)
	for name := range endedBases {
		want[name] = false
	}
	for _, c := range l.chains {
		if !isEndedBase(c) {
			continue
		}
		rules, err := b.rulesOf(&ownTable, c)
		if err != nil {
			return false, fmt.Errorf("list rules: %w", err)
		}
		want[c.Name] = len(rules) == 1 && isJump(rules[0], endedChain)
	}
	c := l.chain(&ownTable, endedChain)
	for _, has := range want {
		if !has || c == nil {
			return false, nil
		}
	}
	rules, err := b.rulesOf(&ownTable, c)
	if err != nil {
		return false, fmt.Errorf("list rules: %w", err)
	}
	return slices.EqualFunc(rules, endedRuleset(mute), func(r, want *nft.Rule) bool { return ruleComment(r) == ruleComment(want) }), nil
}

// makeEnded adds the chains, sets and rules in one batch, with the connections that the kernel
// has lost. mute: the rules drop.
func (b *Backend) makeEnded(lost map[endedKey]endedFlow, mute bool) error {
	b.conn.AddTable(&ownTable)
	ours := b.conn.AddChain(&nft.Chain{Table: &ownTable, Name: endedChain})
	for _, v6 := range []bool{false, true} {
		s := endedSet(v6)
		b.setID++
		s.ID = b.setID
		if err := b.conn.AddSet(s, nil); err != nil {
			return b.redial(err)
		}
	}
	b.conn.FlushChain(ours)
	for _, r := range endedRuleset(mute) {
		b.conn.AddRule(r)
	}
	accept := nft.ChainPolicyAccept
	for name, hook := range endedBases {
		base := b.conn.AddChain(&nft.Chain{Table: &ownTable, Name: name, Type: nft.ChainTypeFilter, Hooknum: hook, Priority: endedPriority, Policy: &accept})
		b.conn.FlushChain(base)
		b.conn.AddRule(jumpRule(&ownTable, name, endedChain))
	}
	if err := b.queueEnded(lost, time.Now()); err != nil {
		return b.redial(err)
	}
	return b.flush()
}

// keepEnded queues the removal of the chain where no stanza needs it, once nothing is rejected:
// what an earlier configuration has ended does not go on.
func (b *Backend) keepEnded(l *layout) error {
	if b.ended.wanted || l.chain(&ownTable, endedChain) == nil {
		return nil
	}
	if _, err := b.loadEnded(); err != nil {
		return err
	}
	if b.ended.wanted = b.ended.count > 0; !b.ended.wanted {
		b.removeEnded(l)
	}
	return nil
}

// removeEnded queues the removal of the chains and sets where they are.
func (b *Backend) removeEnded(l *layout) {
	ours := l.chain(&ownTable, endedChain)
	if ours == nil {
		return
	}
	var chains []*nft.Chain
	for _, c := range l.chains {
		if isEndedBase(c) {
			chains = append(chains, c)
		}
	}
	for _, c := range append(chains, ours) { // first those that jump
		b.conn.FlushChain(c)
		b.conn.DelChain(c)
	}
	for _, v6 := range []bool{false, true} {
		b.conn.DelSet(endedSet(v6))
	}
}

// loadEnded reads the connections that the kernel has. lost are those that it had, if another
// program has removed the sets.
func (b *Backend) loadEnded() (lost map[endedKey]endedFlow, err error) {
	sets, err := b.endedSets()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	if len(sets) == 0 {
		lost = b.ended.left(now)
	}
	b.ended.forget()
	b.ended.add(lost)
	for _, s := range sets {
		err := b.eachElement(s, func(el nft.SetElement, now time.Time) {
			if k, f, ok := decodeEnded(el, s.Name == endedSetName(true), now); ok {
				b.ended.add(map[endedKey]endedFlow{k: f})
			}
		})
		if err != nil {
			return nil, fmt.Errorf("list elements: %w", err)
		}
	}
	return lost, nil
}

// endedSets returns the sets that the kernel has.
func (b *Backend) endedSets() ([]*nft.Set, error) {
	tables, err := b.conn.ListTables()
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	if !slices.ContainsFunc(tables, func(t *nft.Table) bool { return sameTable(t, &ownTable) }) {
		return nil, nil
	}
	sets, err := b.conn.GetSets(&ownTable)
	if err != nil {
		return nil, fmt.Errorf("list sets: %w", err)
	}
	return slices.DeleteFunc(sets, func(s *nft.Set) bool {
		return s.Name != endedSetName(false) && s.Name != endedSetName(true)
	}), nil
}
