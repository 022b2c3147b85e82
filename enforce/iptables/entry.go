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
// belong together.
func (b *Backend) assemble(all []listed) []*entry {
	type groupKey struct {
		peer netip.Addr
		tag  uint32
	}
	groups := make(map[groupKey][]listed)
	var order []groupKey
	var foreign []listed
	for _, r := range all {
		if isForeign(r.spec) {
			foreign = append(foreign, r)
			continue
		}
		c, _ := enforce.ParseComment(r.spec.comment)
		peer, _, _ := b.client(r.ruleAt)
		k := groupKey{peer, c.Tag}
		if _, ok := groups[k]; !ok {
			order = append(order, k)
		}
		groups[k] = append(groups[k], r)
	}
	var es []*entry
	for _, k := range order {
		es = append(es, b.join(groups[k]))
	}
	return append(es, b.assembleForeign(foreign)...)
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
