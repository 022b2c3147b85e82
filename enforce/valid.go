package enforce

import (
	"errors"
	"fmt"
	"net/netip"
)

// ErrInvalid is wrapped by [Grant.Validate] with what is wrong.
var ErrInvalid = errors.New("not a grant for a firewall")

// Validate returns an error for grants of which no backend may make rules: one without
// client or port would open more than was requested.
func (g Grant) Validate() error {
	g = g.Normal()
	switch {
	case g.Foreign != "":
		return fmt.Errorf("%w: it is a rule of another program", ErrInvalid)
	case g.External != nil:
		return fmt.Errorf("%w: it runs commands", ErrInvalid)
	case !isHost(g.Src, g.Src):
		return fmt.Errorf("%w: client %s", ErrInvalid, g.Src)
	case !g.hasValidBits():
		return fmt.Errorf("%w: clients %s", ErrInvalid, g.SourceText())
	case g.Dst.IsValid() && !isHost(g.Dst, g.Src):
		return fmt.Errorf("%w: destination %s", ErrInvalid, g.Dst)
	case g.All != (len(g.Ports) == 0):
		return fmt.Errorf("%w: %d ports, all = %v", ErrInvalid, len(g.Ports), g.All)
	}
	for _, p := range g.Ports {
		if !isValidPort(p) {
			return fmt.Errorf("%w: port %s", ErrInvalid, p)
		}
	}
	if g.NAT != nil {
		return g.validateNAT(g.NAT)
	}
	return nil
}

func (g Grant) validateNAT(n *NAT) error {
	ported := len(g.Ports) > 0 && g.Ports[0].HasNumber()
	switch {
	case n.Target == netip.AddrPort{} && !n.Local:
	case !isHost(n.Target.Addr(), g.Src) || ported != (n.Target.Port() != 0):
		return fmt.Errorf("%w: target %s", ErrInvalid, n.Target)
	}
	if n.SNAT.IsValid() && (n.Masquerade || !isHost(n.SNAT, g.Src)) {
		return fmt.Errorf("%w: source %s", ErrInvalid, n.SNAT)
	}
	return nil
}

// isHost reports whether a is an address of one host, in the family of like.
func isHost(a, like netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && a.Zone() == "" && a.Is4() == like.Is4()
}
