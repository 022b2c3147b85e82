package iptables

import (
	"fmt"
	"net/netip"
	"slices"

	"fwknopd/enforce"
)

// isForeign reports a rule in a chain of ours that this program did not write: of the
// 2.6 daemon, whose comment is _exp_<epoch> alone, or made by hand.
func isForeign(s spec) bool {
	c, _ := enforce.ParseComment(s.comment)
	return c.Tag == 0
}

// hasEnd reports a rule that is to be deleted at the time in its comment, whatever it
// matches: so the 2.6 daemon does.
func hasEnd(s spec) bool {
	c, ok := enforce.ParseComment(s.comment)
	return ok && !c.Expires.IsZero()
}

// assembleForeign makes an entry of each foreign rule; of a translation with what
// belongs to it. Rules of the same text are told apart by their number.
func (b *Backend) assembleForeign(rs []listed) (es []*entry) {
	copies := make(map[string]int)
	for _, group := range b.pairForeign(rs) {
		e := b.join(group)
		if e.grant.Src = clientOr(e.grant.Src, e.grant.Dst, group[0].v6); e.grant.Src.IsUnspecified() && !hasEnd(group[0].spec) {
			continue
		}
		first := group[0]
		text := "-A " + b.cfg.Chains[first.role].To + " " + first.text
		id := fmt.Sprint(first.v6, text)
		if copies[id]++; copies[id] > 1 {
			text += fmt.Sprintf(" (%d)", copies[id])
		}
		e.grant.Foreign = text
		es = append(es, e)
	}
	return es
}

// clientOr is whom a rule lets in, where it does not name a client.
func clientOr(src, dst netip.Addr, v6 bool) netip.Addr {
	switch {
	case src.IsValid():
		return src
	case dst.IsValid():
		return dst
	case v6:
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// pairForeign puts to each DNAT rule of the 2.6 daemon the rules with the same comment
// that match what comes out of it, one of each role.
func (b *Backend) pairForeign(rs []listed) (groups [][]listed) {
	behind := make(map[flow][]int) // groups of DNAT rules, by what comes out of them
	var rest []listed
	for _, r := range rs {
		if r.role != DNAT {
			rest = append(rest, r)
			continue
		}
		f := r.flow(parseTarget(r.spec.to).Port())
		behind[f] = append(behind[f], len(groups))
		groups = append(groups, []listed{r})
	}
	for _, r := range rest {
		joins := behind[r.flow(r.spec.dport)]
		i := slices.IndexFunc(joins, func(i int) bool { return belongsTo(groups[i], r) })
		if i < 0 {
			groups = append(groups, []listed{r})
			continue
		}
		groups[joins[i]] = append(groups[joins[i]], r)
	}
	return groups
}

// A flow is what rules that belong together have in common.
type flow struct {
	v6      bool
	comment string
	proto   uint8
	port    uint16
}

func (r listed) flow(port uint16) flow { return flow{r.v6, r.spec.comment, r.spec.proto, port} }

// belongsTo reports whether r matches what comes out of the DNAT rule that begins the
// group, which has none of its role yet.
func belongsTo(group []listed, r listed) bool {
	d := group[0].spec
	from := !r.spec.src.IsValid() || r.spec.src == d.src
	to := !r.spec.dst.IsValid() || r.spec.dst == parseTarget(d.to).Addr()
	return from && to && !slices.ContainsFunc(group, func(o listed) bool { return o.role == r.role })
}
