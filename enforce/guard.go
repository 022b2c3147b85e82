package enforce

import "slices"

// A Guard is the ports of GUARD_FORWARD, as a client sees them, in front of any
// translation. What begins a connection to one of them and is forwarded is dropped unless
// a grant is for it: of a port that a container publishes, the input hook sees nothing.
type Guard []Port

// Rules returns [Grant.Rules] of a grant of one port, and one of role [Guarded] if the
// grant is for a guarded port and its packets may be forwarded.
func (ports Guard) Rules(g Grant) []Rule {
	rs := g.Rules()
	if ports.concerns(g) {
		rs = append(rs, Rule{Role: Guarded, Src: g.Src, Bits: g.Bits, Dst: g.Dst, Ports: g.Ports})
	}
	return rs
}

func (ports Guard) concerns(g Grant) bool {
	if g.NAT != nil && g.NAT.Local || len(ports) == 0 {
		return false
	}
	return g.All || len(g.Ports) == 1 && slices.Contains(ports, g.Ports[0])
}
