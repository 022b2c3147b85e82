package nftables

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	nft "github.com/google/nftables"

	"fwknopd/enforce"
)

// A placement is one table with our chain of a role.
type placement struct {
	role  enforce.Role
	table *nft.Table
	base  []string // chains in the table that jump to ours
	own   bool     // the table is ours: the user has none on this hook
	v4    bool     // whether it is for IPv4, and for IPv6
	v6    bool
	sets  map[setID]*nft.Set // that the kernel had when it was last read or changed
}

func (p *placement) serves(id setID) bool {
	return id.role == p.role && (id.v6 && p.v6 || !id.v6 && p.v4)
}

// ownTable is for what has no place in a table of the user's.
var ownTable = nft.Table{Family: nft.TableFamilyINet, Name: "fwknopd"}

// A layout is the tables and chains that the kernel has, and where ours belong.
type layout struct {
	tables     []*nft.Table
	chains     []*nft.Chain
	placements [roles][]*placement
	notes      enforce.Notes
	beside     bool
	leave      []string
}

func (b *Backend) readLayout() (*layout, error) {
	l := layout{beside: b.cfg.Beside, leave: b.cfg.Leave}
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

// place finds the placements of a role: the user's choice or every base chain on the
// hook, since an accept in one of them does not undo a drop in another. A family
// that is left over goes to our own table, and so does the guard.
func (l *layout) place(role enforce.Role, chosen []Place) {
	for _, c := range l.chains {
		if role != enforce.Guarded && l.belongs(role, c, chosen) {
			l.add(role, c)
		}
	}
	for _, p := range chosen {
		if !slices.ContainsFunc(l.chains, func(c *nft.Chain) bool { return isPlace(c, p) }) {
			l.notes.Add("nftables: there is no chain %s; until there is, a grant opens nothing in it", p)
		}
	}
	own := &placement{role: role, table: &nft.Table{Family: ownTable.Family, Name: ownTable.Name}, own: true, v4: true, v6: true}
	for _, p := range l.placements[role] {
		own.v4, own.v6 = own.v4 && !p.v4, own.v6 && !p.v6
	}
	if own.v4 || own.v6 {
		own.base = []string{role.String()}
		l.placements[role] = append(l.placements[role], own)
		l.noteNothingDrops(own)
	}
}

func (l *layout) belongs(role enforce.Role, c *nft.Chain, chosen []Place) bool {
	if len(chosen) > 0 {
		return slices.ContainsFunc(chosen, func(p Place) bool { return isPlace(c, p) })
	}
	facts := roleFacts[role]
	if c.Hooknum == nil || *c.Hooknum != *facts.hook || c.Type != facts.kind || sameTable(c.Table, &ownTable) {
		return false
	}
	isIP := slices.Contains([]nft.TableFamily{nft.TableFamilyINet, nft.TableFamilyIPv4, nft.TableFamilyIPv6}, c.Table.Family)
	return isIP && !l.isXtables(c.Table) && !isOwned(c.Table) && !slices.Contains(l.leave, c.Table.Name) // iptables-nft has a backend of its own
}

func isPlace(c *nft.Chain, p Place) bool {
	return c.Name == p.Chain && c.Table.Name == p.Table && c.Table.Family == p.Family
}

func (l *layout) add(role enforce.Role, c *nft.Chain) {
	i := slices.IndexFunc(l.placements[role], func(p *placement) bool { return sameTable(p.table, c.Table) })
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

// isOwned reports whether a table has NFT_TABLE_F_OWNER: only the program that made it
// may change it. The library gives the flags as they lie on the wire, big-endian.
func isOwned(t *nft.Table) bool {
	const owner = 2
	return (t.Flags|bits.ReverseBytes32(t.Flags))&owner != 0
}

// Tables and base chains of iptables.
var (
	xtTables = []string{"filter", "nat", "mangle", "raw", "security"}
	xtChains = []string{"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"}
)

// isXtables reports whether iptables-nft made a table: it has one of five names, and
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

func (l *layout) noteNothingDrops(p *placement) {
	if p.role != enforce.Input || l.beside {
		return
	}
	family := "IPv4 and IPv6"
	switch {
	case !p.v6:
		family = "IPv4"
	case !p.v4:
		family = "IPv6"
	}
	l.notes.Add("nftables: no base chain of nftables on the input hook for %s: it drops nothing there, so there is nothing for a grant to open", family)
}

// chain returns the chain with a name in a table, nil if the kernel has none.
func (l *layout) chain(t *nft.Table, name string) *nft.Chain {
	i := slices.IndexFunc(l.chains, func(c *nft.Chain) bool { return c.Name == name && sameTable(c.Table, t) })
	if i < 0 {
		return nil
	}
	return l.chains[i]
}

// roles are the roles with a chain: that of SNAT masquerades as well.
const roles = enforce.Masquerade

// roleFacts are where a role's base chains are.
var roleFacts = [roles]struct {
	kind     nft.ChainType
	hook     *nft.ChainHook
	priority *nft.ChainPriority // of a base chain of our own
}{
	enforce.Input:   {nft.ChainTypeFilter, nft.ChainHookInput, nft.ChainPriorityFilter},
	enforce.Output:  {nft.ChainTypeFilter, nft.ChainHookOutput, nft.ChainPriorityFilter},
	enforce.Forward: {nft.ChainTypeFilter, nft.ChainHookForward, nft.ChainPriorityFilter},
	enforce.Guarded: {nft.ChainTypeFilter, nft.ChainHookForward, nft.ChainPriorityRef(*nft.ChainPriorityFilter - 1)},
	enforce.DNAT:    {nft.ChainTypeNAT, nft.ChainHookPrerouting, nft.ChainPriorityNATDest},
	enforce.SNAT:    {nft.ChainTypeNAT, nft.ChainHookPostrouting, nft.ChainPriorityNATSource},
}

// chainName is the name of our chain.
func chainName(role enforce.Role) string { return "fwknop_" + role.String() }

// A Place is a chain of the user's: NFT_INPUT_ACCESS and its kin.
type Place struct {
	Family nft.TableFamily // inet, ip or ip6
	Table  string
	Chain  string
}

// Errors of [ParsePlace], wrapped with what was found.
var (
	errPlaceFields = errors.New("want family, table, chain")
	errPlaceFamily = errors.New("family is not inet, ip or ip6")
	errPlaceName   = errors.New("not a name of nftables")
)

var families = map[string]nft.TableFamily{
	"inet": nft.TableFamilyINet,
	"ip":   nft.TableFamilyIPv4,
	"ip6":  nft.TableFamilyIPv6,
}

// maxName is NFT_NAME_MAXLEN less the end byte.
const maxName = 255

// ParsePlace reads "family, table, chain", as in "inet, filter, input".
func ParsePlace(value string) (Place, error) {
	f := strings.Split(value, ",")
	if len(f) != 3 {
		return Place{}, fmt.Errorf("%w, got %d fields", errPlaceFields, len(f))
	}
	for i := range f {
		f[i] = strings.TrimSpace(f[i])
	}
	family, ok := families[f[0]]
	if !ok {
		return Place{}, fmt.Errorf("%w: %q", errPlaceFamily, f[0])
	}
	for _, name := range f[1:] {
		if !isName(name) {
			return Place{}, fmt.Errorf("%w: %q", errPlaceName, name)
		}
	}
	return Place{family, f[1], f[2]}, nil
}

// isName follows the scanner of nft(8): a letter, then letters, digits, "/", "\",
// "_", "." and, as kernels take it, "-".
func isName(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && (i == 0 || strings.IndexByte(`0123456789/\.-`, c) < 0) {
			return false
		}
	}
	return true
}

// String is "inet filter input".
func (p Place) String() string { return familyName(p.Family) + " " + p.Table + " " + p.Chain }

func familyName(f nft.TableFamily) string {
	for name, family := range families {
		if family == f {
			return name
		}
	}
	return fmt.Sprintf("family %d", f)
}
