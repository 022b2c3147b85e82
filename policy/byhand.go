package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"fwknopd/enforce"
	"fwknopd/parse"
	"fwknopd/policy/conf"
	"fwknopd/policy/knock"
	"fwknopd/policy/spa"
)

// ByHand is what an administrator asks a stanza to open, in place of a packet.
type ByHand struct {
	Src      netip.Addr     // the client, not unspecified
	Dst      netip.Addr     // one of our addresses, which ENABLE_DESTINATION_RULE needs; else invalid
	Ports    []enforce.Port // one or more
	Lifetime time.Duration  // whole seconds; 0: that of the stanza
}

// Grant returns the grant that a valid packet of the client would get from the stanza, which
// asks for access for itself and for the lifetime; a stanza with a sequence grants the ports
// asked for alone. Without a refusal the caller has yet to check it against
// [enforce.Limits], which bound the lifetime. Keys, user names and passwords are not asked for.
func (h *ByHand) Grant(s *conf.Server, st *conf.Stanza, now time.Time) (enforce.Grant, *Refusal) {
	e, prepared := &Engine{server: s}, &stanza{Stanza: st}
	r := &request{now: now, ev: &parse.Event{Src: netip.AddrPortFrom(h.Src, 0), Dst: netip.AddrPortFrom(h.Dst, 0)}}
	r.msg = spa.Message{Type: spa.Access, Allow: h.Src, Ports: h.Ports, HasTimeout: h.Lifetime > 0, Timeout: uint32(h.Lifetime / time.Second)}
	var g enforce.Grant
	ref := e.checkByHand(r, prepared, h)
	if ref == nil && st.Mode != conf.ModeSPA {
		g = e.knockGrant(now, r.ev, &knock.Result{Allow: h.Src, Ports: portsOf(h.Ports), Timeout: h.lifetime(st)}, st)
	} else if ref == nil {
		var err error
		if prepared.external, err = newExternal(st, s); err != nil {
			ref = refuse(SPAPort, err.Error())
		} else if ref = e.checkAccess(r, prepared); ref == nil {
			ref = e.grant(r, prepared, h.lifetime(st), &g)
		}
	}
	if ref != nil {
		return enforce.Grant{}, &Refusal{st.Pos.Line, ref.reason, ref.detail}
	}
	return g, nil
}

func (h *ByHand) lifetime(st *conf.Stanza) time.Duration {
	if h.Lifetime > 0 {
		return h.Lifetime
	}
	return st.AccessTimeout
}

// checkByHand checks what does not depend on the kind of the stanza, and its ports.
func (e *Engine) checkByHand(r *request, st *stanza, h *ByHand) *refusal {
	switch {
	case st.Shadow:
		return refuse(NoStanza, "it is a shadow stanza, which opens nothing")
	case !e.server.Feeds(st.Mode):
		return refuse(NoStanza, fmt.Sprintf("AUTH_MODE %v does not use it", e.server.AuthModes))
	case !st.Source.Contains(h.Src):
		return &refusal{SPASource, Detail{Got: h.Src.String(), Text: "not in SOURCE"}}
	case e.server.DestinationRule != h.Dst.IsValid():
		return refuse(SPASource, "a destination goes with ENABLE_DESTINATION_RULE, which needs one")
	case h.Dst.IsValid() && (!sameFamily(h.Src, h.Dst) || !st.Destination.IsZero() && !st.Destination.Contains(h.Dst)):
		return &refusal{SPASource, Detail{Got: h.Dst.String(), Text: "not in DESTINATION"}}
	case h.Lifetime == 0 && st.AccessTimeout == 0:
		return refuse(SPATimeout, "it opens without an end: say for how long")
	}
	for _, check := range []func(*Engine, *request, *stanza) *refusal{(*Engine).checkExpiry, (*Engine).checkWindow, (*Engine).checkAddress} {
		if ref := check(e, r, st); ref != nil {
			return ref
		}
	}
	if st.Mode != conf.ModeSPA { // RESTRICT_PORTS is for the port in the sequence
		asked := slices.DeleteFunc(slices.Clone(h.Ports), func(p enforce.Port) bool { return slices.Contains(st.OpenPorts, p) })
		r = &request{msg: spa.Message{Ports: asked}}
	}
	return e.checkPorts(r, st)
}
