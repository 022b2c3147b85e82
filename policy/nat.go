package policy

import (
	"net/netip"

	"fwknopd/enforce"
	"fwknopd/policy/spa"
)

// nat reports the message types that ask for a translation.
func nat(t spa.Type) bool {
	switch t {
	case spa.NATAccess, spa.NATAccessTimeout, spa.LocalNATAccess, spa.LocalNATAccessTimeout:
		return true
	}
	return false
}

// translate adds to g where the opening leads: nowhere else, for most messages.
func (e *Engine) translate(g *enforce.Grant, r *request, st *stanza) *refusal {
	local := r.msg.Type == spa.LocalNATAccess || r.msg.Type == spa.LocalNATAccessTimeout
	forced := st.ForcesNAT()
	if !forced && !nat(r.msg.Type) {
		return nil
	}
	if ref := e.natEnabled(r, st, local, forced); ref != nil {
		return ref
	}
	var ref *refusal
	switch {
	case forced && st.ForwardAll:
		ref = forwardAll(g, st.ForceNAT.Addr())
	case forced:
		ref = forwardTo(g, st.ForceNAT)
	default:
		if ref = e.forwardAsAsked(g, r, st); ref == nil && st.ForwardAll && !local {
			ref = forwardAll(g, g.NAT.Target.Addr())
		}
	}
	if ref != nil {
		return ref
	}
	g.NAT.Local = local && !forced
	if st.DisableDNAT && !g.NAT.Local {
		withoutDNAT(g)
	}
	return e.sourceNAT(g, st)
}

// natEnabled asks the switches: of the server, and of a stanza of 1.9. What a
// message asks for must be on, also where the stanza leads it elsewhere.
func (e *Engine) natEnabled(r *request, st *stanza, local, forced bool) *refusal {
	asked := nat(r.msg.Type)
	switch {
	case forced && !e.server.Forwarding && !e.server.LocalNAT:
		return refuse(SPANAT, "FORCE_NAT and FORWARD_ALL need ENABLE_IPT_FORWARDING")
	case asked && local && !e.server.LocalNAT:
		return refuse(SPANAT, "ENABLE_IPT_LOCAL_NAT is off")
	case asked && !local && !e.server.Forwarding:
		return refuse(SPANAT, TextForwardingOff)
	case asked && !local && !forced && st.ForwardAccessNeeded && !st.ForwardAccess:
		return refuse(SPANAT, TextForwardOff)
	}
	return nil
}

// forwardAll opens everything towards one host, or towards all.
func forwardAll(g *enforce.Grant, to netip.Addr) *refusal {
	g.All, g.Ports, g.NAT = true, nil, &enforce.NAT{}
	if !to.IsValid() || to.IsUnspecified() {
		g.Dst = netip.Addr{} // ENABLE_DESTINATION_RULE says to which of our addresses, and this leads elsewhere
	}
	if to.IsValid() && !to.IsUnspecified() {
		if !sameFamily(g.Src, to) {
			return refuse(SPANAT, "address families of client and target differ")
		}
		g.NAT.Target = netip.AddrPortFrom(to, 0)
	}
	return nil
}

// forwardAsAsked reads the two conventions. Clients of 1.x name the inside service
// in the message and the outside port in the nat field, later ones the other way
// round.
func (e *Engine) forwardAsAsked(g *enforce.Grant, r *request, st *stanza) *refusal {
	host, err := netip.ParseAddr(r.msg.NATHost)
	if err != nil {
		var ref *refusal
		if host, ref = e.resolve(r.msg.NATHost, g.Src); ref != nil {
			return ref
		}
	}
	if !st.InternalNets.IsZero() && !st.InternalNets.Contains(host) {
		return &refusal{SPANAT, Detail{Got: host.String(), Text: TextNATTarget}}
	}
	if len(g.Ports) != 1 {
		return refuse(SPANAT, "a translation is for one port")
	}
	inside := r.msg.NATPort
	if r.msg.Perl19 {
		inside, g.Ports[0].Number = g.Ports[0].Number, inside
	}
	return forwardTo(g, netip.AddrPortFrom(host, inside))
}

// forwardTo leads the one port of g to the target.
func forwardTo(g *enforce.Grant, to netip.AddrPort) *refusal {
	switch {
	case len(g.Ports) != 1:
		return refuse(SPANAT, "a translation is for one port")
	case !g.Ports[0].HasNumber():
		return refuse(SPANAT, "ICMP cannot be translated")
	case !sameFamily(g.Src, to.Addr()):
		return refuse(SPANAT, "address families of client and target differ")
	case to.Addr().IsUnspecified() || to.Addr().IsMulticast() || to.Port() == 0:
		return refuse(SPANAT, "not an address that can be a target")
	}
	g.NAT = &enforce.NAT{Target: to}
	return nil
}

// resolve looks a target up that is given by name: an address that src can reach, if
// it has one.
func (e *Engine) resolve(host string, src netip.Addr) (netip.Addr, *refusal) {
	deny := func(text string) (netip.Addr, *refusal) {
		return netip.Addr{}, &refusal{SPANAT, Detail{Got: host, Text: text}}
	}
	switch {
	case !e.server.NATDNS:
		return deny(TextNATDNS)
	case e.opts.Resolve == nil:
		return deny("the target is a host name, and none are looked up here")
	}
	found, err := e.opts.Resolve(host)
	if err != nil || len(found) == 0 {
		return deny("the host name of the target does not resolve")
	}
	for _, a := range found {
		if sameFamily(src, a) {
			return a, nil
		}
	}
	return found[0], nil
}

// withoutDNAT makes of a translation a mere permission to pass (DISABLE_DNAT): the
// client addresses the inside host and port itself, so these are what is opened.
func withoutDNAT(g *enforce.Grant) {
	to := g.NAT.Target
	g.NAT.Target = netip.AddrPort{}
	if !to.IsValid() {
		return
	}
	g.Dst = to.Addr()
	if !g.All {
		g.Ports[0].Number = to.Port()
	}
}

// sourceNAT adds the translation of the client's address: the stanza's word first,
// then the server's.
func (e *Engine) sourceNAT(g *enforce.Grant, st *stanza) *refusal {
	switch {
	case g.NAT.Local:
		return nil
	case st.ForceSNAT.IsValid():
		g.NAT.SNAT = st.ForceSNAT
	case st.ForceMasquerade:
		g.NAT.Masquerade = true
	case e.server.SNAT && e.server.SNATAddr.IsValid():
		g.NAT.SNAT = e.server.SNATAddr
	case e.server.SNAT:
		g.NAT.Masquerade = true
	}
	if g.NAT.SNAT.IsValid() && !sameFamily(g.Src, g.NAT.SNAT) {
		return refuse(SPANAT, "address families of client and SNAT address differ")
	}
	return nil
}
