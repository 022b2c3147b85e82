package policy

import (
	"net/netip"

	"fwknopd/enforce"
	"fwknopd/policy/conf"
	"fwknopd/policy/spa"
)

// translate adds to g the address translation that the message or the stanza has.
func (e *Engine) translate(g *enforce.Grant, r *request, st *stanza) *refusal {
	local := r.msg.Type == spa.LocalNATAccess || r.msg.Type == spa.LocalNATAccessTimeout
	forced := st.ForcesNAT()
	if ref := e.checkNATEnabled(r, st, local, forced); ref != nil {
		return ref
	}
	if g.Also.IsValid() && g.Also.Addr().Is4() != g.Src.Is4() {
		return refuse(SPANAT, "address families of the two clients differ: "+g.SourceText())
	}
	if ref := e.forward(g, r, st, local); ref != nil {
		return ref
	}
	g.NAT.Local = local && !forced
	if st.DisableDNAT && !g.NAT.Local {
		removeDNAT(g)
	}
	return e.sourceNAT(g, st)
}

// forward adds the target that the stanza forces, or else the requested one.
func (e *Engine) forward(g *enforce.Grant, r *request, st *stanza, local bool) *refusal {
	switch {
	case st.ForcesNAT() && st.ForwardAll:
		return forwardAll(g, st.ForceNAT.Addr())
	case st.ForcesNAT():
		return forwardTo(g, st.ForceNAT)
	}
	ref := e.forwardRequested(g, r, st)
	if ref == nil && st.ForwardAll && !local {
		ref = forwardAll(g, g.NAT.Target.Addr())
	}
	return ref
}

// checkNATEnabled checks that NAT is enabled, in the server and in a stanza of 1.9. A
// requested kind must be enabled even if the stanza forces another target.
func (e *Engine) checkNATEnabled(r *request, st *stanza, local, forced bool) *refusal {
	asked := r.msg.Type.HasNAT()
	switch {
	case forced && !e.server.Forwarding && !e.server.LocalNAT:
		return refuse(SPANAT, "FORCE_NAT and FORWARD_ALL need ENABLE_IPT_FORWARDING")
	case asked && local && !e.server.LocalNAT:
		return refuse(SPANAT, "ENABLE_IPT_LOCAL_NAT is off")
	case asked && !local && !e.server.Forwarding:
		return refuse(SPANAT, TextForwardingOff)
	case asked && !local && !forced && st.Dialect == conf.Perl19 && !st.ForwardAccess:
		return refuse(SPANAT, TextForwardOff)
	}
	return nil
}

// forwardAll grants all traffic to one host, or to any.
func forwardAll(g *enforce.Grant, to netip.Addr) *refusal {
	g.All, g.Ports, g.NAT = true, nil, &enforce.NAT{}
	if !to.IsValid() || to.IsUnspecified() {
		g.Dst = netip.Addr{} // ENABLE_DESTINATION_RULE is for our own addresses
	}
	if to.IsValid() && !to.IsUnspecified() {
		if !sameFamily(g.Src, to) {
			return refuse(SPANAT, "address families of client and target differ")
		}
		g.NAT.Target = netip.AddrPortFrom(to, 0)
	}
	return nil
}

// forwardRequested forwards as requested. Clients of 1.x send the inside port in the
// message and the outside port in the nat field, later ones the other way round.
func (e *Engine) forwardRequested(g *enforce.Grant, r *request, st *stanza) *refusal {
	host, err := netip.ParseAddr(r.msg.NATHost)
	if err != nil {
		var ref *refusal
		if host, ref = e.resolve(r, st, g.Src); ref != nil {
			return ref
		}
	}
	if !st.InternalNets.IsZero() && !st.InternalNets.Contains(host) {
		return &refusal{SPANAT, Detail{Got: host.String(), Text: TextNATTarget}}
	}
	if host.Unmap().IsLoopback() {
		return &refusal{SPANAT, Detail{Got: host.String(), Text: "a loopback address is no target"}}
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

// forwardTo forwards the one port of g to the target.
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

// resolve resolves the host name of the target, to an address of the family of src if there is
// one. What asks a name server comes after the one-time code.
func (e *Engine) resolve(r *request, st *stanza, src netip.Addr) (netip.Addr, *refusal) {
	host := r.msg.NATHost
	deny := func(text string) (netip.Addr, *refusal) {
		return netip.Addr{}, &refusal{SPANAT, Detail{Got: host, Text: text}}
	}
	switch {
	case !e.server.NATDNS:
		return deny(TextNATDNS)
	case e.opts.Resolve == nil:
		return deny("the target is a host name, and none are looked up here")
	}
	if st.totp != nil {
		if ref := e.checkCode(r, st); ref != nil {
			return netip.Addr{}, ref
		}
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

// removeDNAT replaces the translation by a permission to pass (DISABLE_DNAT): the client
// sends to the inside host and port itself.
func removeDNAT(g *enforce.Grant) {
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

// sourceNAT adds the translation of the client's address, of the stanza or else of the
// server.
func (e *Engine) sourceNAT(g *enforce.Grant, st *stanza) *refusal {
	if g.NAT.Local {
		return nil
	}
	g.NAT.SNAT, g.NAT.Masquerade = st.SourceNAT(e.server)
	if g.NAT.SNAT.IsValid() && !sameFamily(g.Src, g.NAT.SNAT) {
		return refuse(SPANAT, "address families of client and SNAT address differ")
	}
	return nil
}
