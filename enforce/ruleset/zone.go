package ruleset

import "strings"

// zonePrefixes begin the names of the chains that have the rules of a zone of firewalld for
// packets to this host: in nf_tables, and with iptables as its backend.
var zonePrefixes = []string{"filter_IN_", "IN_"}

// policyPrefix begins the names of what firewalld calls policies, in the place of a zone's.
const policyPrefix = "policy_"

// zoneOf returns the zone whose chain this is, "" for another chain.
func zoneOf(chain string) string {
	for _, prefix := range zonePrefixes {
		if zone, ok := strings.CutPrefix(chain, prefix); ok && !strings.HasPrefix(zone, policyPrefix) {
			return zone
		}
	}
	return ""
}

// dispatched is whether a rule matches. One of which that is not known, such as by an
// interface or a named set, and which leads to the chain of a zone, does if the packet is one
// of that zone.
func (w *walk) dispatched(verdicts []Verdict, match Truth) Truth {
	if match != Maybe || w.packet.Zone == "" || w.base.Layer != Firewalld || len(verdicts) != 1 {
		return match
	}
	zone := zoneOf(verdicts[0].Chain)
	if zone == "" {
		return match
	}
	return Of(zone == w.packet.Zone)
}
