package iptables

import (
	"fmt"
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

// A ruleAt is a rule in the chain of a role.
type ruleAt struct {
	role enforce.Role
	spec spec
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

// rules returns what a grant of one port needs, in the order in which it takes effect.
func (b *Backend) rules(g enforce.Grant) (rs []ruleAt) {
	common := spec{comment: g.Comment().String()}
	if !g.Expires.IsZero() && b.datestop {
		common.stop = dateStop(g)
	}
	for _, r := range b.cfg.Guard.Rules(g) {
		rs = append(rs, b.specs(r, common)...)
	}
	return rs
}

// dateStop is the last second in which the rule matches: the one before the
// expiry. A grant that ends within a second is closed at the end of that second.
func dateStop(g enforce.Grant) int64 {
	return min(enforce.CeilSecond(g.Expires)-1, lastDate.Unix())
}

// specs writes a rule with the client as source, as destination, or both.
func (b *Backend) specs(r enforce.Rule, s spec) []ruleAt {
	chain := b.cfg.Chains[r.Role]
	s.target = Defaults[r.Role].Target
	if isFilter := r.Role <= enforce.Forward; isFilter && chain.Target != "" {
		s.target = chain.Target
	}
	var port uint16
	if len(r.Ports) == 1 {
		s.proto, port = r.Ports[0].Proto, r.Ports[0].Number
	}
	if r.To.IsValid() {
		s.to = r.To.Addr().String()
		if r.Role == enforce.DNAT && len(r.Ports) == 1 && r.Ports[0].HasNumber() {
			s.to = r.To.String()
		}
	}
	asSource, asDest := s, s
	asSource.src, asSource.srcBits, asSource.dst, asSource.dport = r.Src, r.Bits, r.Dst, port
	// Only what is sent to this host is translated: what the client sends through it to
	// the same port of another host is not for a grant.
	asSource.local = r.Role == enforce.DNAT
	asSource.origin = r.Role == enforce.Guarded
	asDest.src, asDest.dst, asDest.dstBits, asDest.sport = r.Dst, r.Src, r.Bits, port
	switch chain.Direction {
	case enforce.DirDst:
		return []ruleAt{{r.Role, asDest}}
	case enforce.DirBoth:
		return []ruleAt{{r.Role, asSource}, {r.Role, asDest}}
	}
	return []ruleAt{{r.Role, asSource}}
}

// assemble makes entries of listed rules. Those with the same tag in their comments
// belong together.
func (b *Backend) assemble(all []listed) (es []*entry) {
	type tagged struct {
		client netip.Addr
		bits   uint8
		tag    uint32
	}
	var ours, foreign []listed
	for _, r := range all {
		if isForeign(r.spec) {
			foreign = append(foreign, r)
		} else {
			ours = append(ours, r)
		}
	}
	for _, group := range enforce.GroupBy(ours, func(r listed) tagged {
		c, _ := enforce.ParseComment(r.spec.comment)
		rule := b.parsed(r)
		return tagged{rule.Src, rule.Bits, c.Tag}
	}) {
		es = append(es, b.join(group))
	}
	return append(es, b.assembleForeign(foreign)...)
}

// join makes an entry of the rules of a grant.
func (b *Backend) join(group []listed) *entry {
	rules := make([]enforce.Rule, len(group))
	for i, r := range group {
		rules[i] = b.parsed(r)
	}
	e := &entry{grant: enforce.JoinRules(rules), rules: group}
	for _, r := range group {
		c, _ := enforce.ParseComment(r.spec.comment)
		e.grant.Stanza = max(e.grant.Stanza, c.Stanza)
		if e.grant.Expires.IsZero() {
			e.grant.Expires = c.Expires
		}
	}
	return e
}

// parsed is the inverse of specs.
func (b *Backend) parsed(l listed) enforce.Rule {
	s := l.spec
	r := enforce.Rule{Role: l.role, Src: s.src, Bits: s.srcBits, Dst: s.dst, To: parseTarget(s.to)}
	port := s.dport
	direction := b.cfg.Chains[l.role].Direction
	if direction == enforce.DirDst || direction == enforce.DirBoth && s.sport != 0 {
		r.Src, r.Bits, r.Dst, port = s.dst, s.dstBits, s.src, s.sport
	}
	if s.proto != 0 {
		r.Ports = []enforce.Port{{Proto: s.proto, Number: port}}
	}
	return r
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

// isForeign reports whether another program wrote a rule in one of our chains: the 2.6
// daemon, whose comment is _exp_<epoch> alone, or the administrator by hand.
func isForeign(s spec) bool {
	c, _ := enforce.ParseComment(s.comment)
	return c.Tag == 0
}

// hasEnd reports whether a rule is to be deleted at the time in its comment, whatever
// it matches, as the 2.6 daemon does.
func hasEnd(s spec) bool {
	c, ok := enforce.ParseComment(s.comment)
	return ok && !c.Expires.IsZero()
}

// assembleForeign makes an entry of each foreign rule; of a translation with what
// belongs to it. Rules of the same text are told apart by a number.
func (b *Backend) assembleForeign(rs []listed) (es []*entry) {
	copies := make(map[string]int)
	for _, group := range b.pairForeign(rs) {
		e, first := b.join(group), group[0]
		if e.grant.Src = clientOr(e.grant.Src, e.grant.Dst, first.v6); e.grant.Src.IsUnspecified() && !hasEnd(first.spec) {
			continue
		}
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

// clientOr returns the address that a rule lets in: the client's, else the other one,
// else the unspecified address.
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
		if r.role != enforce.DNAT {
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
	proto   enforce.Proto
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
