package iptables

import (
	"net/netip"

	"fwknopd/enforce"
)

// A ruleAt is a rule in the chain of a role.
type ruleAt struct {
	role Role
	spec spec
}

// rules are what a grant of one port (see [enforce.Grant.Split]) needs, in the
// order in which they take effect.
func (b *Backend) rules(g enforce.Grant) []ruleAt {
	base := spec{comment: g.Comment().String()}
	if !g.Expires.IsZero() && b.datestop {
		base.stop = dateStop(g)
	}
	if g.NAT == nil {
		rs := b.accept(Input, base, g)
		if g.Output {
			rs = append(rs, b.accept(Output, base, g)...)
		}
		return rs
	}
	var rs []ruleAt
	if g.NAT.Target.IsValid() {
		base.to = destination(g)
		rs = append(rs, b.side(DNAT, base, g)...)
		base.to = ""
	}
	beyond := g.BehindDNAT()
	rs = append(rs, b.sourceNAT(base, beyond)...)
	if !g.NAT.Local {
		return append(rs, b.accept(Forward, base, beyond)...)
	}
	rs = append(rs, b.accept(Input, base, beyond)...)
	if g.Output {
		rs = append(rs, b.accept(Output, base, beyond)...)
	}
	return rs
}

// dateStop is the last second in which the rule matches: the one before the
// expiry. A grant that ends within a second is closed at the end of that second.
func dateStop(g enforce.Grant) int64 {
	return min(enforce.CeilSecond(g.Expires)-1, lastDate.Unix())
}

func destination(g enforce.Grant) string {
	t := g.NAT.Target
	if len(g.Ports) == 1 && g.Ports[0].HasNumber() {
		return t.String()
	}
	return t.Addr().String()
}

func (b *Backend) sourceNAT(s spec, g enforce.Grant) []ruleAt {
	switch {
	case g.NAT.Masquerade:
		return b.side(Masquerade, s, g)
	case g.NAT.SNAT.IsValid():
		s.to = g.NAT.SNAT.String()
		return b.side(SNAT, s, g)
	}
	return nil
}

// accept is side with the target that the user has chosen.
func (b *Backend) accept(role Role, s spec, g enforce.Grant) []ruleAt {
	s.target = b.cfg.Chains[role].Target
	return b.side(role, s, g)
}

// side makes the rule with the client as source, as destination, or both.
func (b *Backend) side(role Role, s spec, g enforce.Grant) []ruleAt {
	if s.target == "" {
		s.target = Defaults[role].Target
	}
	var port uint16
	if len(g.Ports) == 1 {
		s.proto, port = g.Ports[0].Proto, g.Ports[0].Number
	}
	asSource, asDest := s, s
	asSource.src, asSource.dst, asSource.dport = g.Src, g.Dst, port
	asDest.src, asDest.dst, asDest.sport = g.Dst, g.Src, port
	switch b.cfg.Chains[role].Direction {
	case enforce.DirDst:
		return []ruleAt{{role, asDest}}
	case enforce.DirBoth:
		return []ruleAt{{role, asSource}, {role, asDest}}
	}
	return []ruleAt{{role, asSource}}
}

// client is the address that a rule of the role is for.
func (b *Backend) client(r ruleAt) (peer, local netip.Addr, port uint16) {
	asDest := b.cfg.Chains[r.role].Direction == enforce.DirDst
	if b.cfg.Chains[r.role].Direction == enforce.DirBoth {
		asDest = r.spec.sport != 0
	}
	if asDest {
		return r.spec.dst, r.spec.src, r.spec.sport
	}
	return r.spec.src, r.spec.dst, r.spec.dport
}
