package enforce

// BehindDNAT is a grant of one port as hooks after the translation see it: the
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

// Filtered is what is left of a grant of one port for a firewall that only filters,
// beside another one that translates addresses.
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
