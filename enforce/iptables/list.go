package iptables

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"fwknopd/enforce"
)

// List implements [enforce.Backend]: all rules in our chains, those of other programs
// as [enforce.Grant.Foreign].
func (b *Backend) List(ctx context.Context) ([]enforce.Grant, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.load(ctx, b.snapshot(ctx, b.ourChains())); err != nil {
		return nil, err
	}
	gs := slices.AppendSeq(make([]enforce.Grant, 0, len(b.entries)), maps.Values(b.grants()))
	enforce.SortGrants(gs)
	return gs, nil
}

func (b *Backend) grants() map[string]enforce.Grant {
	gs := make(map[string]enforce.Grant, len(b.entries))
	for key, e := range b.entries {
		gs[key] = e.grant
	}
	return gs
}

// Compare implements [enforce.Backend].
func (b *Backend) Compare(ctx context.Context, want []enforce.Grant) (diff enforce.Difference, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.resync(ctx); err != nil {
		return diff, err
	}
	return enforce.NewDifference(want, b.grants(), time.Now(), b.isOpen), nil
}

// isOpen reports whether the kernel has the grant whole and to its end.
func (b *Backend) isOpen(key string, part enforce.Grant) bool {
	e := b.entries[key]
	if e == nil || enforce.Outlives(part.Expires, e.grant.Expires.Add(time.Second)) && !e.grant.Expires.IsZero() {
		return false
	}
	return b.isComplete(e, e.grant)
}

// load makes the entries of what the kernel has.
func (b *Backend) load(ctx context.Context, s snapshot) error {
	all, err := b.read(ctx, s)
	if err != nil {
		return err
	}
	b.entries, b.loaded = make(map[string]*entry), true
	for _, e := range b.assemble(all) {
		key := e.grant.Key()
		if old := b.entries[key]; old != nil { // a grant that was extended by adding rules
			e.rules = append(e.rules, old.rules...)
			if enforce.Outlives(old.grant.Expires, e.grant.Expires) {
				e.grant.Expires, e.grant.Stanza = old.grant.Expires, old.grant.Stanza
			}
		}
		b.entries[key] = e
	}
	return nil
}

// read returns the rules of our chains in both families.
func (b *Backend) read(ctx context.Context, s snapshot) ([]listed, error) {
	var all []listed
	b.length = make(map[chainID]int)
	for _, t := range b.tools() {
		for _, c := range b.ours() {
			lines, _, err := s.chain(ctx, t, c.Table, c.To)
			if err != nil {
				return nil, err
			}
			b.length[chainID{t.v6, c.Table, c.To}] = countRules(lines)
			all = append(all, b.parse(lines, c, t.v6)...)
		}
	}
	return all, nil
}

// parse returns the rules that open something for one address, or part of it, and those
// of the 2.6 daemon with an end.
func (b *Backend) parse(lines []string, c enforce.Chain, v6 bool) (all []listed) {
	for _, line := range lines {
		chain, s, ok := parseRule(line)
		if !ok || chain != c.To {
			continue
		}
		if s.origin != (c.To == b.cfg.Chains[enforce.Guarded].To) {
			s.unknown = true // of these matches our rules elsewhere have none
		}
		_, known := enforce.ParseComment(s.comment)
		dated := isForeign(s) && hasEnd(s)
		if !dated && (s.unknown && !known || !s.src.IsValid() && !s.dst.IsValid()) {
			continue
		}
		role, ok := b.roleOf(c, s.target)
		if !ok && !dated {
			continue
		}
		all = append(all, listed{ruleAt{role, s}, v6, strings.TrimPrefix(line, "-A "+chain+" ")})
	}
	return all
}

// roleOf returns which of the roles that share a chain has this target; the first of
// them and false if none has.
func (b *Backend) roleOf(c enforce.Chain, target string) (enforce.Role, bool) {
	first, found := enforce.Role(0), false
	for role := range enforce.Roles {
		o := b.cfg.Chains[role]
		if o.Table != c.Table || o.To != c.To {
			continue
		}
		if o.Target == target {
			return role, true
		}
		if !found {
			first, found = role, true
		}
	}
	return first, false
}

// Dump returns the whole of the tables that hold chains of ours, as -S prints them: with
// names of protocols, and nothing that depends on the width of a column.
func (b *Backend) Dump(ctx context.Context) (text []byte, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range b.tools() {
		var done []string
		for _, c := range b.ours() {
			if slices.Contains(done, c.Table) {
				continue
			}
			done = append(done, c.Table)
			out, err := t.dump(ctx, c.Table)()
			if err != nil && c.Table == "filter" { // a kernel may have no other
				return nil, err
			}
			text = fmt.Appendf(text, "%s -t %s -S\n%s\n", t.path, c.Table, out)
		}
	}
	return text, nil
}
