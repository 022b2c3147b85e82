package firewalld

import (
	"net/netip"
	"slices"
	"strings"
)

// A zone is one that is active: what firewalld sends to it.
type zone struct {
	name       string
	interfaces []string
	sources    []string // addresses, networks, MAC addresses, "ipset:NAME"
}

// sets are the entries of ipsets by name; nil for one that could not be read.
type sets map[string][]string

// route returns the zones in which packets of a client can land: firewalld looks at the
// sources of zones first, then at the interface; what neither is bound to goes to the default
// zone. Interfaces are those of clients, none for any. A source that cannot be compared with an
// address, such as a MAC address, may be the client's, so that the others count, too.
func route(client netip.Addr, active []zone, ipsets sets, interfaces []string, fallback string) (names []string) {
	var maybe []string
	for _, z := range active {
		switch bound(client, z.sources, ipsets) {
		case yes:
			names = append(names, z.name)
		case perhaps:
			maybe = append(maybe, z.name)
		}
	}
	if len(names) == 0 {
		names = append(maybe, byInterface(active, interfaces, fallback)...)
	} else {
		names = append(names, maybe...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// byInterface returns the zones of interfaces; of all of them, and the default zone, which has
// those that no zone names, if there are none.
func byInterface(active []zone, interfaces []string, fallback string) (names []string) {
	if len(interfaces) == 0 {
		names = []string{fallback}
		for _, z := range active {
			if len(z.interfaces) > 0 {
				names = append(names, z.name)
			}
		}
		return names
	}
	for _, name := range interfaces {
		i := slices.IndexFunc(active, func(z zone) bool {
			return slices.ContainsFunc(z.interfaces, func(pattern string) bool { return isInterface(pattern, name) })
		})
		if i < 0 {
			names = append(names, fallback)
		} else {
			names = append(names, active[i].name)
		}
	}
	return names
}

// isInterface compares an interface with one of a zone, where a + at the end stands for any
// rest.
func isInterface(pattern, name string) bool {
	if prefix, wild := strings.CutSuffix(pattern, "+"); wild {
		return strings.HasPrefix(name, prefix)
	}
	return pattern == name
}

type answer uint8

const (
	no answer = iota
	perhaps
	yes
)

// bound reports whether a client is one of the sources of a zone.
func bound(client netip.Addr, sources []string, ipsets sets) (best answer) {
	for _, source := range sources {
		name, isSet := strings.CutPrefix(source, "ipset:")
		if !isSet {
			best = max(best, holds(source, client))
			continue
		}
		entries, known := ipsets[name]
		if !known {
			best = max(best, perhaps)
		}
		for _, entry := range entries {
			best = max(best, holds(entry, client))
		}
	}
	return best
}

// holds compares a client with an address, a network, a range, or what is none of these.
func holds(source string, client netip.Addr) answer {
	if p, err := netip.ParsePrefix(source); err == nil {
		return ask(p.Masked().Contains(client))
	}
	if a, err := netip.ParseAddr(source); err == nil {
		return ask(a == client)
	}
	from, to, isRange := strings.Cut(source, "-")
	first, err := netip.ParseAddr(from)
	last, err2 := netip.ParseAddr(to)
	if isRange && err == nil && err2 == nil {
		return ask(first.Compare(client) <= 0 && client.Compare(last) <= 0)
	}
	return perhaps
}

func ask(b bool) answer {
	if b {
		return yes
	}
	return no
}
