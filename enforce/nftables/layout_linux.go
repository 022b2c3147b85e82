package nftables

import (
	"fmt"
	"math/bits"
	"slices"

	nft "github.com/google/nftables"
)

// A placement is one table in which our chain of a role lives.
type placement struct {
	role  Role
	table *nft.Table
	base  []string // chains in the table that jump to ours
	own   bool     // the table is ours: the user has none on this hook
	v4    bool     // which families it is asked about
	v6    bool
	sets  map[setID]*nft.Set // that exist in the kernel, as far as we know
}

func (h *placement) serves(id setID) bool {
	return id.role == h.role && (id.v6 && h.v6 || !id.v6 && h.v4)
}

// ownTable holds what has no place in a table of the user's.
var ownTable = nft.Table{Family: nft.TableFamilyINet, Name: "fwknopd"}

// A layout is what the kernel has and where ours belongs in it.
type layout struct {
	tables     []*nft.Table
	chains     []*nft.Chain
	placements [roles][]*placement
	notes      []string
	beside     bool
}

func (b *Backend) readLayout() (*layout, error) {
	l := layout{beside: b.cfg.Beside}
	var err error
	if l.tables, err = b.conn.ListTables(); err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	if l.chains, err = b.conn.ListChains(); err != nil {
		return nil, fmt.Errorf("list chains: %w", err)
	}
	for _, c := range l.chains { // a chain's table comes without flags
		if i := slices.IndexFunc(l.tables, func(t *nft.Table) bool { return sameTable(t, c.Table) }); i >= 0 {
			c.Table.Flags = l.tables[i].Flags
		}
	}
	for role := range roles {
		if b.uses[role] {
			l.place(role, b.cfg.Places[role])
		}
	}
	return &l, nil
}

func sameTable(a, b *nft.Table) bool { return a.Name == b.Name && a.Family == b.Family }

// place finds the homes of a role: the user's choice or every base chain on the
// hook, since an accept in one of them does not undo a drop in another. A family
// that is left over goes to our own table.
func (l *layout) place(role Role, chosen []Place) {
	for _, c := range l.chains {
		if l.belongs(role, c, chosen) {
			l.add(role, c)
		}
	}
	for _, p := range chosen {
		if !slices.ContainsFunc(l.chains, func(c *nft.Chain) bool { return isPlace(c, p) }) {
			l.note("nftables: there is no chain %s; until there is, a grant opens nothing in it", p)
		}
	}
	own := &placement{role: role, table: &nft.Table{Family: ownTable.Family, Name: ownTable.Name}, own: true, v4: true, v6: true}
	for _, h := range l.placements[role] {
		own.v4, own.v6 = own.v4 && !h.v4, own.v6 && !h.v6
	}
	if own.v4 || own.v6 {
		own.base = []string{role.String()}
		l.placements[role] = append(l.placements[role], own)
		l.noteNothingDrops(own)
	}
}

func (l *layout) belongs(role Role, c *nft.Chain, chosen []Place) bool {
	if len(chosen) > 0 {
		return slices.ContainsFunc(chosen, func(p Place) bool { return isPlace(c, p) })
	}
	facts := roleFacts[role]
	if c.Hooknum == nil || *c.Hooknum != *facts.hook || c.Type != facts.kind || sameTable(c.Table, &ownTable) {
		return false
	}
	isIP := slices.Contains([]nft.TableFamily{nft.TableFamilyINet, nft.TableFamilyIPv4, nft.TableFamilyIPv6}, c.Table.Family)
	return isIP && !l.isXtables(c.Table) && !isOwned(c.Table) // iptables-nft has a backend of its own
}

func isPlace(c *nft.Chain, p Place) bool {
	return c.Name == p.Chain && c.Table.Name == p.Table && c.Table.Family == p.Family
}

func (l *layout) add(role Role, c *nft.Chain) {
	i := slices.IndexFunc(l.placements[role], func(h *placement) bool { return sameTable(h.table, c.Table) })
	if i < 0 {
		i = len(l.placements[role])
		l.placements[role] = append(l.placements[role], &placement{
			role: role, table: c.Table,
			v4: c.Table.Family != nft.TableFamilyIPv6,
			v6: c.Table.Family != nft.TableFamilyIPv4,
		})
	}
	l.placements[role][i].base = append(l.placements[role][i].base, c.Name)
}

// isOwned reports NFT_TABLE_F_OWNER: only the program that made the table may
// change it. The library gives the flags as they lie on the wire, big-endian.
func isOwned(t *nft.Table) bool {
	const owner = 2
	return (t.Flags|bits.ReverseBytes32(t.Flags))&owner != 0
}

var (
	xtTables = []string{"filter", "nat", "mangle", "raw", "security"}
	xtChains = []string{"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"}
)

// isXtables reports a table made by iptables-nft: it has one of five names, and
// its base chains are the builtin ones of iptables and no others.
func (l *layout) isXtables(t *nft.Table) bool {
	if t.Family == nft.TableFamilyINet || !slices.Contains(xtTables, t.Name) {
		return false
	}
	for _, c := range l.chains {
		if c.Hooknum != nil && sameTable(c.Table, t) && !slices.Contains(xtChains, c.Name) {
			return false
		}
	}
	return true
}

func (l *layout) noteNothingDrops(h *placement) {
	if h.role != Input || l.beside {
		return
	}
	family := "IPv4 and IPv6"
	switch {
	case !h.v6:
		family = "IPv4"
	case !h.v4:
		family = "IPv6"
	}
	l.note("nftables: no base chain of nftables on the input hook for %s: it drops nothing there, so there is nothing for a grant to open", family)
}

func (l *layout) note(format string, args ...any) {
	if n := fmt.Sprintf(format, args...); !slices.Contains(l.notes, n) {
		l.notes = append(l.notes, n)
	}
}

// chain finds a chain of the kernel's by table and name.
func (l *layout) chain(t *nft.Table, name string) *nft.Chain {
	i := slices.IndexFunc(l.chains, func(c *nft.Chain) bool { return c.Name == name && sameTable(c.Table, t) })
	if i < 0 {
		return nil
	}
	return l.chains[i]
}

var allRoles = []Role{Input, Output, Forward, DNAT, SNAT}
