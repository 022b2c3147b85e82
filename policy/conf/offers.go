package conf

import "slices"

// Offers reports whether the stanza may open a port in the firewall.
func (s *Stanza) Offers(p Port) bool {
	if s.DisableAccess || s.ExternalOpen != "" || s.CycleOpen != "" || slices.Contains(s.RestrictPorts, p) {
		return false
	}
	return s.ForwardAll || s.OpenPortsAny || slices.Contains(s.OpenPorts, p)
}
