package iptables

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"fwknopd/enforce"
	"fwknopd/enforce/ruleset"
)

// errNoChain is wrapped when the chain that should jump to ours does not exist.
var errNoChain = errors.New("no such chain")

// Setup implements [enforce.Backend].
func (b *Backend) Setup(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.setup(ctx, b.snapshot(ctx, b.setupChains()))
}

// setupChains are those that setup asks for.
func (b *Backend) setupChains() (ids []chainID) {
	for _, t := range b.tools() {
		for role := range enforce.Roles {
			if b.uses[role] {
				ids = append(ids, b.jumpChains(t, role)...)
			}
		}
		if b.mayHaveGuard(t) {
			c := b.cfg.Chains[enforce.Guarded]
			ids = append(ids, chainID{t.v6, c.Table, c.To})
		}
	}
	return ids
}

// jumpChains are those that ensureChain asks for.
func (b *Backend) jumpChains(t *tool, role enforce.Role) []chainID {
	c := b.cfg.Chains[role]
	ids := []chainID{{t.v6, c.Table, c.From}}
	if role == enforce.Guarded {
		ids = append(ids, chainID{t.v6, c.Table, c.To}, chainID{t.v6, c.Table, ruleset.DockerUser})
	}
	return ids
}

func (b *Backend) setup(ctx context.Context, s snapshot) error {
	for _, t := range b.tools() {
		for role := range enforce.Roles {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !b.uses[role] {
				continue
			}
			err := b.ensureChain(ctx, s, t, role)
			if role >= enforce.Forward && errors.Is(err, errNoChain) { // as the manual has it
				b.notes.Add("%s: %v: nothing is forwarded or translated there", t.name(), err)
				continue
			}
			if err != nil {
				return err
			}
			b.ready[role][family(t.v6)] = true
		}
		if err := b.removeGuard(ctx, s, t); err != nil {
			return err
		}
	}
	b.noteGeneration()
	return nil
}

func (b *Backend) ensureChain(ctx context.Context, s snapshot, t *tool, role enforce.Role) error {
	if role == enforce.Guarded {
		return b.ensureGuard(ctx, s, t)
	}
	return t.ensureJump(ctx, s, b.cfg.Chains[role])
}

// ensureJump makes the jump to our chain if it is missing, and the chain with it. A jump
// with further matches is not ours. The chain is listed, as for -C iptables-nft reads
// every rule of the table: 40 ms among 5,000, where -S takes 1.
func (t *tool) ensureJump(ctx context.Context, s snapshot, c enforce.Chain) error {
	lines, exists, err := s.chain(ctx, t, c.Table, c.From)
	switch {
	case err != nil:
		return err
	case !exists:
		return fmt.Errorf("%w: %s in table %s", errNoChain, c.From, c.Table)
	case slices.Contains(lines, jump(c)):
		return nil
	}
	s.forget(chainID{t.v6, c.Table, c.From}, chainID{t.v6, c.Table, c.To})
	err = t.change(ctx, func() error { return t.ipt.NewChain(c.Table, c.To) })
	if err != nil && !isNotThere(err) { // it may be there
		return fmt.Errorf("make chain %s: %w", c.To, err)
	}
	pos := min(c.JumpPos, countRules(lines)+1)
	if err := t.change(ctx, func() error { return t.ipt.Insert(c.Table, c.From, pos, "-j", c.To) }); err != nil {
		return fmt.Errorf("jump from %s to %s: %w", c.From, c.To, err)
	}
	return nil
}

// jump is the rule that leads to our chain, as iptables -S prints it.
func jump(c enforce.Chain) string { return "-A " + c.From + " -j " + c.To }

// Chains lists our chains, those of features that are off as well, and whether they
// exist in either family.
func (b *Backend) Chains(ctx context.Context) ([]enforce.ChainState, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.snapshot(ctx, b.ourChains())
	var states []enforce.ChainState
	for _, c := range b.ours() {
		state := enforce.ChainState{Table: c.Table, Name: c.To}
		for _, t := range b.tools() {
			_, exists, err := s.chain(ctx, t, c.Table, c.To)
			if err != nil {
				return nil, err
			}
			state.Exists = state.Exists || exists
		}
		states = append(states, state)
	}
	return states, nil
}

// Flush implements [enforce.Backend]. As in the manual it empties the chains
// whole, with the rules of other programs in them.
func (b *Backend) Flush(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.entries, b.loaded = nil, false
	return b.eachChain(ctx, b.snapshot(ctx, b.ourChains()), func(_ *tool, c enforce.Chain, _ []string, sc *script) error {
		sc.add(c.Table, "-F "+c.To)
		if c.To == b.cfg.Chains[enforce.Guarded].To { // what is closed stays closed
			b.addDrops(sc)
		}
		return nil
	})
}

// Teardown implements [enforce.Backend].
func (b *Backend) Teardown(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.remove(ctx, func([]string) bool { return true })
}

// Prune implements [enforce.Pruner].
func (b *Backend) Prune(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.remove(ctx, func(lines []string) bool { return countRules(lines) == 0 })
}

// remove deletes the chains for which unused reports true, and the jumps to them.
func (b *Backend) remove(ctx context.Context, unused func(lines []string) bool) error {
	b.entries, b.loaded, b.ready, b.unguarded = nil, false, [enforce.Roles][2]bool{}, [2]bool{}
	want := b.ourChains()
	for _, t := range b.tools() {
		for role := range enforce.Roles {
			want = append(want, b.jumpChains(t, role)...)
		}
	}
	s := b.snapshot(ctx, want)
	for _, t := range b.tools() {
		if err := b.removeGuard(ctx, s, t); err != nil {
			return err
		}
	}
	return b.eachChain(ctx, s, func(t *tool, c enforce.Chain, lines []string, sc *script) error {
		if !unused(lines) {
			return nil
		}
		if err := b.removeJumps(ctx, s, t, c, sc); err != nil {
			return err
		}
		sc.add(c.Table, "-F "+c.To)
		sc.add(c.Table, "-X "+c.To)
		return nil
	})
}

// removeJumps deletes the jumps to a chain of ours.
func (b *Backend) removeJumps(ctx context.Context, s snapshot, t *tool, c enforce.Chain, sc *script) error {
	from := []string{c.From}
	if c.To == b.cfg.Chains[enforce.Guarded].To {
		from = append(from, ruleset.DockerUser)
	}
	for _, c.From = range from {
		lines, _, err := s.chain(ctx, t, c.Table, c.From)
		if err != nil {
			return err
		}
		for _, l := range lines {
			if l == jump(c) {
				sc.add(c.Table, "-D "+strings.TrimPrefix(l, "-A "))
			}
		}
	}
	return nil
}

// eachChain runs a script for each chain of ours that exists.
func (b *Backend) eachChain(ctx context.Context, s snapshot, build func(t *tool, c enforce.Chain, lines []string, sc *script) error) error {
	for _, t := range b.tools() {
		for _, c := range b.ours() {
			lines, exists, err := s.chain(ctx, t, c.Table, c.To)
			if err != nil {
				return err
			}
			if !exists {
				continue
			}
			var sc script
			if err := build(t, c, lines, &sc); err != nil {
				return err
			}
			if err := t.run(ctx, &sc); err != nil {
				return err
			}
		}
	}
	return nil
}

// ours returns our chains of a family, each once: two roles may share one.
func (b *Backend) ours() []enforce.Chain {
	var cs []enforce.Chain
	for role := range enforce.Roles {
		c := b.cfg.Chains[role]
		if role == enforce.Guarded && !b.uses[role] {
			continue // see removeGuard
		}
		if !slices.ContainsFunc(cs, func(o enforce.Chain) bool { return o.Table == c.Table && o.To == c.To }) {
			cs = append(cs, c)
		}
	}
	return cs
}

// ourChains are those of ours, in both families.
func (b *Backend) ourChains() (ids []chainID) {
	for _, t := range b.tools() {
		for _, c := range b.ours() {
			ids = append(ids, chainID{t.v6, c.Table, c.To})
		}
	}
	return ids
}

// countRules counts the rules of a [listing].
func countRules(lines []string) int { return max(len(lines)-1, 0) }

func family(v6 bool) int {
	if v6 {
		return 1
	}
	return 0
}
