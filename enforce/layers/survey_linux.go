package layers

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"fwknopd/enforce/iptables"
	"fwknopd/enforce/nftables"
	"fwknopd/enforce/ruleset"
)

// A findings is what one survey found.
type findings struct {
	bases  []*ruleset.Base
	nat    map[ruleset.Layer]bool // has chains that translate
	unread []string               // what could not be looked at, and why
	legacy map[nftables.XTable]string
}

// concerns reports whether a layer can drop something on a hook, or has chains of ours
// from before.
func (v *findings) concerns(kind ruleset.Layer, hooks []ruleset.Hook) bool {
	return slices.ContainsFunc(v.bases, func(b *ruleset.Base) bool {
		return b.Layer == kind && b.Why == "" && (b.Holds() || slices.Contains(hooks, b.Hook) && mayDrop(b))
	})
}

// families of a walk.
var families = []bool{false, true}

func mayDrop(b *ruleset.Base) bool {
	return slices.ContainsFunc(families, func(v6 bool) bool {
		p := ruleset.Anyone(b.Hook, v6)
		return b.Serves(&p) && b.Judge(&p, ruleset.OursAbsent).MayDrop
	})
}

// always are hooks that the packets of every grant pass beside input.
var always = []ruleset.Hook{ruleset.Ingress, ruleset.Prerouting, ruleset.Output}

// dropsAll reports that b drops a packet of any client, or every answer.
func dropsAll(b *ruleset.Base) bool {
	return slices.ContainsFunc(families, func(v6 bool) bool {
		p := ruleset.Anyone(b.Hook, v6)
		if b.Hook == ruleset.Output {
			p.State = ruleset.Established
		}
		return b.Serves(&p) && b.Judge(&p, ruleset.OursAccept).Drops
	})
}

// walls are the base chains that drop any new packet, whatever we open.
func (v *findings) walls(hooks []ruleset.Hook) (walls []*ruleset.Base) {
	for _, b := range v.bases {
		if (slices.Contains(hooks, b.Hook) || slices.Contains(always, b.Hook)) && dropsAll(b) {
			walls = append(walls, b)
		}
	}
	return walls
}

// survey looks at everything.
func (b *Backend) survey(ctx context.Context) error {
	v := &findings{nat: make(map[ruleset.Layer]bool)}
	if nf := b.cfg.NFTables; nf != nil {
		s, err := nf.Survey(ctx)
		if err != nil {
			return fmt.Errorf("survey nf_tables: %w", err)
		}
		v.bases, v.nat[ruleset.NFTables] = s.Bases, s.NAT
		b.seen = s.Generation
		b.readTables(ctx, v, ruleset.IPTablesNFT, s.IPTables)
	}
	v.legacy = b.readTables(ctx, v, ruleset.IPTablesLegacy, legacyTables())
	b.view, b.fresh = v, true
	return nil
}

// legacyTables are those that are loaded.
func legacyTables() (tables []nftables.XTable) {
	for _, v6 := range families {
		for _, name := range iptables.LegacyTables(v6) {
			tables = append(tables, nftables.XTable{V6: v6, Name: name})
		}
	}
	return tables
}

// readTables reads tables of iptables with the program of their variant. It returns
// their texts, by which a change is known.
func (b *Backend) readTables(ctx context.Context, v *findings, kind ruleset.Layer, tables []nftables.XTable) (texts map[nftables.XTable]string) {
	texts = make(map[nftables.XTable]string)
	for _, t := range tables {
		if t.Name == "nat" {
			v.nat[kind] = true
			continue
		}
		i := slices.IndexFunc(b.cfg.IPTables, func(s *iptables.Surveyor) bool { return s.Layer == kind })
		if i < 0 {
			v.miss("table %s of %s cannot be looked at, there is no such program: what it drops, a grant does not open", t.Name, kind)
			continue
		}
		text, err := b.cfg.IPTables[i].Read(ctx, t.V6, t.Name)
		if err != nil {
			v.miss("table %s of %s cannot be looked at: %v", t.Name, kind, err)
			continue
		}
		texts[t] = text
		v.bases = append(v.bases, b.cfg.IPTables[i].Bases(t.V6, t.Name, text)...)
	}
	return texts
}

func (v *findings) miss(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(v.unread, text) {
		v.unread = append(v.unread, text)
	}
}

// isUntouched reports that no other program has changed nf_tables since our last look or
// change. Changes of the legacy variant are left to the watch.
func (b *Backend) isUntouched() bool {
	if b.cfg.NFTables == nil {
		return true
	}
	now, err := b.cfg.NFTables.Generation()
	return err == nil && now == b.seen
}

// noteGeneration notes the ruleset after a change of ours.
func (b *Backend) noteGeneration() {
	b.fresh = false
	if b.cfg.NFTables != nil {
		b.seen, _ = b.cfg.NFTables.Generation()
	}
}

// refresh looks again, and takes up layers that have begun to drop.
func (b *Backend) refresh(ctx context.Context) error {
	if err := b.survey(ctx); err != nil {
		return err
	}
	b.legacy.text = b.view.legacy
	before := len(b.all())
	if err := b.openNeeded(ctx); err != nil {
		return err
	}
	if len(b.all()) == before || !b.ready {
		return nil
	}
	for _, m := range b.all()[before:] {
		if err := m.Setup(ctx); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	b.equalize(ctx)
	return b.survey(ctx)
}

// legacyChanged reports whether the tables of the legacy variant may be others than at
// the last repair: it has no way to tell. After a change of our own there is one look more,
// since another program may have brought back the text from before it.
func (b *Backend) legacyChanged(ctx context.Context) bool {
	if b.legacy.dirty.Load() && b.uses(ruleset.IPTablesLegacy) {
		return true
	}
	now := b.readTables(ctx, &findings{nat: make(map[ruleset.Layer]bool)}, ruleset.IPTablesLegacy, legacyTables())
	b.mu.Lock()
	defer b.mu.Unlock()
	return !maps.Equal(now, b.legacy.text)
}
