package enforce

import "net/netip"

// A Role is the purpose of a rule of a grant, which determines its chain.
type Role uint8

// The roles; each but Guarded has a keyword of its own: IPT_INPUT_ACCESS and so on.
const (
	Input      Role = iota // accepts to this host
	Output                 // accepts from this host
	Forward                // accepts through this host
	Guarded                // lets a client pass the drops of GUARD_FORWARD
	DNAT                   // rewrites the destination
	SNAT                   // rewrites the source to a given address
	Masquerade             // rewrites the source to the address of the interface
	Roles                  // number of roles
)

var roleNames = [Roles]string{"input", "output", "forward", "guard", "dnat", "snat", "masquerade"}

// String returns the role's name in lower case.
func (r Role) String() string { return roleNames[r] }

// A Chain is one value of IPT_INPUT_ACCESS and similar keywords: from where our chain is
// jumped to and what its rules do.
type Chain struct {
	Target    string    // ACCEPT, DNAT, SNAT, MASQUERADE
	Direction Direction // which side of a packet the client's address is on
	Table     string    // filter, nat, …
	From      string    // the chain that jumps to ours
	JumpPos   int       // position of the jump in From, from 1
	To        string    // our chain
	RulePos   int       // position of new rules in To, from 1; 0 appends
}

// Direction is the second field of the seven-field form.
type Direction uint8

const (
	DirSrc  Direction = iota // src: rules match the client as source
	DirDst                   // dst: as destination
	DirBoth                  // both: a rule for each
)

// A Rule is one of the rules or set elements that make a grant of one port.
type Rule struct {
	Role     Role
	Src, Dst netip.Addr     // the client, and the other address if the rule matches it
	Bits     uint8          // of Src, as in [Grant]
	Ports    []Port         // one; none if the rule matches every port and protocol
	To       netip.AddrPort // what DNAT and SNAT rewrite to, SNAT without a port
}

// Rules returns the rules that a grant of one port (see [Grant.Split]) needs, in the
// order in which they take effect.
func (g Grant) Rules() (rs []Rule) {
	add := func(role Role, to netip.AddrPort) {
		rs = append(rs, Rule{Role: role, Src: g.Src, Bits: g.Bits, Dst: g.Dst, Ports: g.Ports, To: to})
	}
	if g.NAT != nil {
		if g.NAT.Target.IsValid() {
			add(DNAT, g.NAT.Target)
		}
		g = g.BehindDNAT()
		switch {
		case g.NAT.Masquerade:
			add(Masquerade, netip.AddrPort{})
		case g.NAT.SNAT.IsValid():
			add(SNAT, netip.AddrPortFrom(g.NAT.SNAT, 0))
		}
		if !g.NAT.Local {
			add(Forward, netip.AddrPort{})
			return rs
		}
	}
	add(Input, netip.AddrPort{})
	if g.Output {
		add(Output, netip.AddrPort{})
	}
	return rs
}

// JoinRules is the inverse of [Grant.Rules], except for fields that rules do not have. If
// rules are missing it returns the most likely grant.
func JoinRules(rs []Rule) (g Grant) {
	var by [Roles]*Rule
	for i := range rs {
		by[rs[i].Role] = &rs[i]
	}
	for _, role := range []Role{DNAT, Output, Input, Guarded, Forward, SNAT, Masquerade} { // first those with the port that the client sees
		if r := by[role]; r != nil {
			g = Grant{Src: r.Src, Bits: r.Bits, Dst: r.Dst, Ports: r.Ports, All: len(r.Ports) == 0}
			break
		}
	}
	g.Output = by[Output] != nil
	if by[DNAT] != nil || by[Forward] != nil || by[SNAT] != nil || by[Masquerade] != nil {
		g.NAT = &NAT{Local: by[Input] != nil, Masquerade: by[Masquerade] != nil}
		if r := by[DNAT]; r != nil {
			g.NAT.Target = r.To
		}
		if r := by[SNAT]; r != nil {
			g.NAT.SNAT = r.To.Addr()
		}
	}
	return g.Normal()
}

// BehindDNAT returns a grant of one port as hooks after the translation see it: the
// destination is the target.
func (g Grant) BehindDNAT() Grant {
	if g.NAT == nil || !g.NAT.Target.IsValid() {
		return g
	}
	t := g.NAT.Target
	g.Dst = t.Addr()
	if len(g.Ports) == 1 && g.Ports[0].HasNumber() {
		g.Ports = []Port{{Proto: g.Ports[0].Proto, Number: t.Port()}}
	}
	return g
}

// Filtered returns the part of a grant of one port for a firewall that only filters, if
// another one translates addresses.
func (g Grant) Filtered() Grant {
	if g.NAT == nil {
		return g
	}
	local := g.NAT.Local
	g = g.BehindDNAT()
	if g.NAT = new(NAT); local {
		g.NAT = nil
	}
	return g.Normal()
}

// GroupBy groups the values with the same key; groups are in the order of their first
// value.
func GroupBy[T any, K comparable](all []T, key func(T) K) (groups [][]T) {
	index := make(map[K]int)
	for _, v := range all {
		k := key(v)
		i, ok := index[k]
		if !ok {
			i = len(groups)
			index[k] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], v)
	}
	return groups
}
