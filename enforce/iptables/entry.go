package iptables

import (
	"net/netip"
	"slices"
	"strings"

	"fwknopd/enforce"
)

// An entry is a grant of one port and the rules that make it, as the kernel has
// them.
type entry struct {
	grant enforce.Grant
	rules []listed
}

// listed is a rule with the text that deletes it.
type listed struct {
	ruleAt
	v6   bool
	text string // arguments behind "-D CHAIN"
}

// A chainID is one chain of ours in one family.
type chainID struct {
	v6           bool
	table, chain string
}

// assemble makes entries of listed rules. The tag in our comments says which
// belong together; of other daemons' rules, those of a translation are found by
// its target.
func (b *Backend) assemble(all []listed) []*entry {
	type groupKey struct {
		peer netip.Addr
		tag  uint32
	}
	groups := make(map[groupKey][]listed)
	var order []groupKey
	var foreign []listed
	for _, r := range all {
		c, _ := enforce.ParseComment(r.spec.comment)
		peer, _, _ := b.client(r.ruleAt)
		k := groupKey{peer, c.Tag}
		if c.Tag == 0 {
			foreign = append(foreign, r)
			continue
		}
		if _, ok := groups[k]; !ok {
			order = append(order, k)
		}
		groups[k] = append(groups[k], r)
	}
	var es []*entry
	for _, k := range order {
		es = append(es, b.join(groups[k]))
	}
	for _, group := range b.pairForeign(foreign) {
		if e := b.join(group); e.grant.Src.IsValid() {
			es = append(es, e)
		}
	}
	return es
}

// pairForeign puts to each DNAT rule of the C daemon the rules with the same
// comment that match what comes out of it.
func (b *Backend) pairForeign(rs []listed) (groups [][]listed) {
	var rest []listed
	for _, r := range rs {
		if r.role == DNAT {
			groups = append(groups, []listed{r})
		} else {
			rest = append(rest, r)
		}
	}
	for _, r := range rest {
		i := slices.IndexFunc(groups, func(g []listed) bool { return g[0].role == DNAT && b.followsDNAT(g[0], r) })
		if i < 0 {
			groups = append(groups, []listed{r})
			continue
		}
		groups[i] = append(groups[i], r)
	}
	return groups
}

func (b *Backend) followsDNAT(d, r listed) bool {
	target := parseTarget(d.spec.to)
	same := d.v6 == r.v6 && d.spec.comment == r.spec.comment && d.spec.proto == r.spec.proto
	from := !r.spec.src.IsValid() || r.spec.src == d.spec.src
	to := !r.spec.dst.IsValid() || r.spec.dst == target.Addr()
	return same && from && to && r.spec.dport == target.Port()
}

// join is the inverse of rules. An incomplete group gives the grant of which it
// is the most likely rest.
func (b *Backend) join(group []listed) *entry {
	var by [roles]*listed
	for i := range group {
		by[group[i].role] = &group[i]
	}
	e := &entry{grant: b.base(by), rules: group}
	g := &e.grant
	g.Output = by[Output] != nil
	if by[DNAT] != nil || by[Forward] != nil || by[SNAT] != nil || by[Masquerade] != nil {
		g.NAT = joinNAT(by)
	}
	for _, r := range group {
		c, _ := enforce.ParseComment(r.spec.comment)
		g.Stanza = max(g.Stanza, c.Stanza)
		if g.Expires.IsZero() {
			g.Expires = c.Expires
		}
	}
	e.grant = g.Normal()
	return e
}

// base takes address and port from the rule that has them as the client sees
// them.
func (b *Backend) base(by [roles]*listed) enforce.Grant {
	for _, role := range []Role{DNAT, Output, Input, Forward, SNAT, Masquerade} {
		r := by[role]
		if r == nil {
			continue
		}
		peer, local, port := b.client(r.ruleAt)
		g := enforce.Grant{Src: peer, Dst: local, All: r.spec.proto == 0}
		if !g.All {
			g.Ports = []enforce.Port{{Proto: r.spec.proto, Number: port}}
		}
		return g
	}
	return enforce.Grant{}
}

func joinNAT(by [roles]*listed) *enforce.NAT {
	n := &enforce.NAT{Local: by[Input] != nil, Masquerade: by[Masquerade] != nil}
	if d := by[DNAT]; d != nil {
		n.Target = parseTarget(d.spec.to)
	}
	if s := by[SNAT]; s != nil {
		n.SNAT = parseTarget(s.spec.to).Addr()
	}
	return n
}

// parseTarget reads "addr", "addr:port" or "[addr]:port"; zero for anything else,
// such as a range.
func parseTarget(s string) netip.AddrPort {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap
	}
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a, 0)
}

// isComplete reports whether the entry has exactly the rules of g, in the texts
// that we would write today.
func (b *Backend) isComplete(e *entry, g enforce.Grant) bool {
	want := b.rules(g)
	if len(want) != len(e.rules) {
		return false
	}
	for _, w := range want {
		if !slices.ContainsFunc(e.rules, func(r listed) bool { return r.ruleAt == w }) {
			return false
		}
	}
	return true
}
