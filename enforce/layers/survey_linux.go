package layers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"fwknopd/enforce"
	"fwknopd/enforce/iptables"
	"fwknopd/enforce/nftables"
	"fwknopd/enforce/ruleset"
)

// findings are what one survey found.
type findings struct {
	bases  []*ruleset.Base
	nat    map[ruleset.Layer]bool // has chains that translate
	unread enforce.Notes          // tables that could not be read, and why
	legacy map[nftables.XTable]string
	// published are the ports that are published, natTables the tables of iptables that were
	// not read for others yet.
	published []ruleset.Published
	natTables []natTable
}

// A natTable is a table nat of a variant of iptables.
type natTable struct {
	nftables.XTable
	kind ruleset.Layer
}

// Look returns where grants would be opened on this host, and what would drop them
// nevertheless, a line each. It changes nothing, and closes cfg.
func Look(ctx context.Context, cfg Config) (lines []string, err error) {
	b := &Backend{cfg: cfg}
	b.members.Store(new([]*member))
	defer b.Close()
	if err := b.survey(ctx); err != nil {
		return nil, err
	}
	need := b.needed()
	var names []string
	for _, l := range need {
		names = append(names, l.Name)
	}
	where := strings.Join(names, " and ")
	if len(need) == 0 {
		where = cfg.Layers[0].Name + ", " + ruleset.NothingDrops
	}
	planned := b.translator(need)
	if planned == "" {
		planned = cfg.Layers[0].Kind
	}
	unguarded, guarded := b.publishedLines(ctx, planned)
	lines = append(append(lines, "grants are opened in "+where), b.findings.unread...)
	lines = slices.Concat(lines, unguarded, guarded, b.bypassLines(planned))
	if left, _ := b.endedLine(); left != "" {
		lines = append(lines, left)
	}
	return append(lines, b.baseLines(need)...), nil
}

// baseLines are the lines about base chains that drop packets, of which grants are opened in need, and
// those about base chains that cut connections.
func (b *Backend) baseLines(need []Layer) (lines []string) {
	blocking := b.findings.blocking(b.cfg.Hooks)
	for _, base := range b.findings.bases {
		used := slices.ContainsFunc(need, func(l Layer) bool { return l.Kind == base.Layer })
		can := base.Why == "" && slices.Contains(b.cfg.Hooks, base.Hook)
		switch {
		case can && used && dropsNow(base):
			lines = append(lines, owned(base)+" "+ruleset.Opened)
		case can && used, !slices.Contains(blocking, base):
		case can:
			lines = append(lines, owned(base)+" "+ruleset.NotOpened+": "+ruleset.AutoOpens)
		default:
			lines = append(lines, owned(base)+" "+ruleset.NotOpened+because(base))
		}
	}
	for _, base := range b.findings.bases {
		if base.CutsConnections() {
			lines = append(lines, cutsNote(base))
		}
	}
	return lines
}

// owned is the name of a base chain, with the program that manages it.
func owned(b *ruleset.Base) string {
	if owner := b.Owner(); owner != "" {
		return b.Name + " of " + owner
	}
	return b.Name
}

// dropsNow reports whether b drops the packets of any client as long as nothing is open.
func dropsNow(b *ruleset.Base) bool {
	return slices.ContainsFunc(families, func(v6 bool) bool {
		p := ruleset.Anyone(b.Hook, v6)
		return b.Serves(&p) && b.Judge(&p, ruleset.OursAbsent).Drops
	})
}

// cutsNote is the note that a connection does not outlive its grant.
func cutsNote(b *ruleset.Base) string {
	return b.Name + ": " + ruleset.CutsConnections + ": a connection is cut when its grant ends"
}

// refresh surveys again, and opens layers that have begun to drop.
func (b *Backend) refresh(ctx context.Context) error {
	if err := b.survey(ctx); err != nil {
		return err
	}
	b.legacy.text = b.findings.legacy
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
	if _, _, err := b.list(ctx); err != nil { // reads b.open, which one layer alone does not need
		return err
	}
	return b.survey(ctx)
}

// survey reads the rules of all layers.
func (b *Backend) survey(ctx context.Context) error {
	v := &findings{nat: make(map[ruleset.Layer]bool)}
	if nf := b.cfg.NFTables; nf != nil {
		s, err := nf.Survey(ctx)
		if err != nil {
			return fmt.Errorf("survey nf_tables: %w", err)
		}
		v.bases, v.nat[ruleset.NFTables], v.published = s.Bases, s.NAT, s.Published
		b.generation = s.Generation
		b.readTables(ctx, v, ruleset.IPTablesNFT, s.IPTables)
	}
	v.legacy = b.readTables(ctx, v, ruleset.IPTablesLegacy, legacyTables())
	if len(b.cfg.Guard) > 0 {
		b.readPublished(ctx, v)
	}
	if b.has(ruleset.Firewalld) {
		v.assignFirewalld()
	}
	for _, base := range v.bases {
		if !b.opens(base.Layer) {
			base.Ours = withoutGrants(base.Ours)
		}
	}
	b.findings, b.fresh = v, true
	return nil
}

// opens reports whether grants may be opened in a layer.
func (b *Backend) opens(kind ruleset.Layer) bool {
	return b.has(kind) && !b.failed[kind] && (!b.cfg.Fixed || b.cfg.Layers[0].Kind == kind)
}

// withoutGrants returns the chains of ours that hold no grants. The others of a layer that is not
// ours to open are left of an earlier FIREWALL_TYPE: they are rules as any.
func withoutGrants(ours map[string]bool) map[string]bool {
	left := maps.Clone(ours)
	maps.DeleteFunc(left, func(_ string, accepts bool) bool { return accepts })
	return left
}

// assignFirewalld makes what firewalld manages a layer of its own, which it opens itself even
// where no other program may change its table.
func (v *findings) assignFirewalld() {
	for _, base := range v.bases {
		if base.Owner() == ruleset.FirewalldName {
			base.Layer, base.Why = ruleset.Firewalld, ""
		}
	}
}

// has reports whether a layer is offered.
func (b *Backend) has(kind ruleset.Layer) bool {
	return slices.ContainsFunc(b.cfg.Layers, func(l Layer) bool { return l.Kind == kind })
}

// legacyTables returns the tables of the legacy variant that are loaded.
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
	i := slices.IndexFunc(b.cfg.IPTables, func(s *iptables.Surveyor) bool { return s.Layer == kind })
	reads := make(map[nftables.XTable]func() (string, error))
	for _, t := range tables {
		if t.Name != "nat" && i >= 0 {
			reads[t] = b.cfg.IPTables[i].Read(ctx, t.V6, t.Name)
		}
	}
	for _, t := range tables {
		switch {
		case t.Name == "nat":
			v.nat[kind] = true
			v.natTables = append(v.natTables, natTable{t, kind})
			continue
		case i < 0:
			v.unread.Add("table %s of %s cannot be looked at, there is no such program: what it drops, a grant does not open", t.Name, kind)
			continue
		}
		text, err := reads[t]()
		if err != nil {
			v.unread.Add("table %s of %s cannot be looked at: %v", t.Name, kind, err)
			continue
		}
		texts[t] = text
		v.bases = append(v.bases, b.cfg.IPTables[i].Bases(t.V6, t.Name, text)...)
	}
	return texts
}

// concerns reports whether a layer can drop something on a hook, or already has chains
// of ours.
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

// blocking returns the base chains that drop all new packets even if we open something.
func (v *findings) blocking(hooks []ruleset.Hook) (bases []*ruleset.Base) {
	for _, b := range v.bases {
		if b.Layer == ruleset.Firewalld && b.Hook != ruleset.Output {
			continue // what it drops, a rule in one of its zones accepts
		}
		if (slices.Contains(hooks, b.Hook) || slices.Contains(alwaysPassed, b.Hook)) && dropsAll(b) {
			bases = append(bases, b)
		}
	}
	return bases
}

// alwaysPassed are hooks that the packets of every grant pass beside input.
var alwaysPassed = []ruleset.Hook{ruleset.Ingress, ruleset.Prerouting, ruleset.Output}

// dropsAll reports whether b drops the packets of any client, or every answer.
func dropsAll(b *ruleset.Base) bool {
	return slices.ContainsFunc(families, func(v6 bool) bool {
		p := ruleset.Anyone(b.Hook, v6)
		if b.Hook == ruleset.Output {
			p.State = ruleset.Established
		}
		return b.Serves(&p) && b.Judge(&p, ruleset.OursAccept).Drops
	})
}

// legacyChanged reports whether the tables of the legacy variant, which sends no
// notifications, may differ from those at the last comparison. After a change of our own
// it reports true once, since another program may have restored the text from before it.
func (b *Backend) legacyChanged(ctx context.Context) bool {
	if b.legacy.dirty.Load() {
		return true
	}
	now := b.readTables(ctx, &findings{nat: make(map[ruleset.Layer]bool)}, ruleset.IPTablesLegacy, legacyTables())
	b.mu.Lock()
	defer b.mu.Unlock()
	return !maps.Equal(now, b.legacy.text)
}

// isUntouched reports whether no other program has changed nf_tables since our last
// survey or change. Changes of the legacy variant are left to the watch.
func (b *Backend) isUntouched() bool {
	if b.cfg.NFTables == nil {
		return true
	}
	now, err := b.cfg.NFTables.Generation()
	return err == nil && now == b.generation
}

// noteGeneration notes the ruleset after a change of ours.
func (b *Backend) noteGeneration() {
	b.fresh = false
	if b.cfg.NFTables != nil {
		b.generation, _ = b.cfg.NFTables.Generation()
	}
}
