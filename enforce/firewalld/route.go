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
// address, such as a MAC address, may be the client's, so that the others count, too; so do
// they with a source that has a part of the client's prefix.
func route(client netip.Prefix, active []zone, ipsets sets, interfaces []string, fallback string) (names []string) {
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
func bound(client netip.Prefix, sources []string, ipsets sets) (best answer) {
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
func holds(source string, client netip.Prefix) answer {
	first, last, ok := addresses(source)
	if !ok {
		return perhaps
	}
	from, to := span(client)
	switch {
	case first.Compare(from) <= 0 && to.Compare(last) <= 0:
		return yes
	case to.Compare(first) < 0 || last.Compare(from) < 0:
		return no
	}
	return perhaps
}

// addresses returns the first and the last address of a network, an address or a range.
func addresses(source string) (first, last netip.Addr, ok bool) {
	if p, err := netip.ParsePrefix(source); err == nil {
		first, last = span(p)
		return first, last, true
	}
	from, to, isRange := strings.Cut(source, "-")
	if !isRange {
		to = from
	}
	first, err := netip.ParseAddr(from)
	last, err2 := netip.ParseAddr(to)
	return first, last, err == nil && err2 == nil
}

// span returns the first and the last address of a prefix.
func span(p netip.Prefix) (first, last netip.Addr) {
	first = p.Masked().Addr()
	b := first.AsSlice()
	for i := range b {
		b[i] |= byte(0xff >> min(max(p.Bits()-8*i, 0), 8))
	}
	last, _ = netip.AddrFromSlice(b)
	return first, last
}
