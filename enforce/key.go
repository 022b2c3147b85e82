package enforce

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// PortNames returns the ports in the form of [Port.String], or "all".
func (g Grant) PortNames() []string {
	if g.All {
		return []string{"all"}
	}
	names := make([]string, len(g.Ports))
	for i, p := range g.Ports {
		names[i] = p.String()
	}
	return names
}

// Normal returns g in the form that backends store: addresses unmapped, the ICMP of the
// address family, ports sorted and without duplicates. Ports and NAT are copies.
func (g Grant) Normal() Grant {
	g.Src, g.Dst = g.Src.Unmap(), g.Dst.Unmap()
	if !g.IsHost() {
		g.normalizeSources()
	}
	ports := make([]Port, len(g.Ports))
	for i, p := range g.Ports {
		ports[i] = inFamily(p, g.Src)
	}
	slices.SortFunc(ports, func(a, b Port) int {
		return cmp.Or(cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Number, b.Number))
	})
	g.Ports = slices.Compact(ports)
	if g.NAT != nil {
		nat := *g.NAT
		nat.Target = netip.AddrPortFrom(nat.Target.Addr().Unmap(), nat.Target.Port())
		nat.SNAT = nat.SNAT.Unmap()
		g.NAT = &nat
		// What is forwarded never passes the output hook.
		g.Output = g.Output && nat.Local
	}
	return g
}

// inFamily replaces ICMP by that of src's address family, with the port number 0.
func inFamily(p Port, src netip.Addr) Port {
	if p.HasNumber() {
		return p
	}
	if src.Is4() {
		return Port{Proto: ICMP}
	}
	return Port{Proto: ICMPv6}
}

// isValidPort reports whether a rule can open p: a protocol of a grant, with a number if
// it has ports.
func isValidPort(p Port) bool {
	switch p.Proto {
	case TCP, UDP:
		return p.Number != 0
	case ICMP, ICMPv6:
		return p.Number == 0
	}
	return false
}

// Key returns the identity of the opening: everything but Expires, Stanza and User, in
// normal form.
func (g Grant) Key() string {
	g = g.Normal()
	var b strings.Builder
	if g.IsHost() {
		b.WriteString(g.Src.String())
	} else {
		b.WriteString(g.SourceText())
	}
	if g.Dst.IsValid() {
		b.WriteString(" to " + g.Dst.String())
	}
	for _, p := range g.Ports {
		b.WriteString(" " + p.String())
	}
	if g.All {
		b.WriteString(" all")
	}
	if g.Output {
		b.WriteString(" output")
	}
	g.NAT.key(&b)
	g.External.key(&b)
	if g.Foreign != "" {
		b.WriteString(" foreign " + strconv.Quote(g.Foreign))
	}
	return b.String()
}

// SortGrants sorts by key.
func SortGrants(gs []Grant) {
	type keyed struct {
		key   string
		grant Grant
	}
	ks := make([]keyed, len(gs))
	for i, g := range gs {
		ks[i] = keyed{g.Key(), g}
	}
	slices.SortFunc(ks, func(a, b keyed) int { return strings.Compare(a.key, b.key) })
	for i, k := range ks {
		gs[i] = k.grant
	}
}

func (n *NAT) key(b *strings.Builder) {
	if n == nil {
		return
	}
	b.WriteString(" nat")
	if n.Target.IsValid() {
		b.WriteString(" " + n.Target.String())
	}
	if n.Local {
		b.WriteString(" local")
	}
	if n.SNAT.IsValid() {
		b.WriteString(" snat " + n.SNAT.String())
	}
	if n.Masquerade {
		b.WriteString(" masquerade")
	}
}

func (e *External) key(b *strings.Builder) {
	if e == nil {
		return
	}
	for _, argv := range [][]string{e.Open, e.Close} {
		b.WriteString(" external")
		for _, arg := range argv {
			b.WriteString(" " + strconv.Quote(arg))
		}
	}
}

// Split splits g into grants of one source and one port each, in normal form: the unit in
// which backends store rules, [Enforcer.List] reports and grants expire. A grant that is
// All is one unit for each source, one that is External one unit.
func (g Grant) Split() []Grant {
	g = g.Normal()
	if g.Also.IsValid() && g.External == nil {
		both := g.BySource()
		return append(both[0].Split(), both[1].Split()...)
	}
	if len(g.Ports) <= 1 || g.External != nil {
		return []Grant{g}
	}
	parts := make([]Grant, len(g.Ports))
	for i := range g.Ports {
		parts[i] = g
		parts[i].Ports = g.Ports[i : i+1 : i+1]
	}
	return parts
}

// Outlives reports whether an end at a is later than one at b; the zero time is
// no end at all.
func Outlives(a, b time.Time) bool {
	switch {
	case b.IsZero():
		return false
	case a.IsZero():
		return true
	}
	return a.After(b)
}
