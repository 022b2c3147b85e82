package enforce

import (
	"net/netip"
	"strconv"
)

// The shortest prefixes that a grant may be for. A shorter one is no place that a client moves
// within: a /8 is that of a large operator, a /32 of IPv6 all that a provider has.
const (
	MinBits4 = 8
	MinBits6 = 32
)

// Source returns what Src and Bits let in: one address, or a prefix. It is not valid if
// Bits is longer than the address.
func (g *Grant) Source() netip.Prefix {
	if g.Bits == 0 {
		return netip.PrefixFrom(g.Src, g.Src.BitLen())
	}
	return netip.PrefixFrom(g.Src, int(g.Bits))
}

// SetSource sets Src and Bits to p; one address has no Bits.
func (g *Grant) SetSource(p netip.Prefix) {
	p = p.Masked()
	if g.Src, g.Bits = p.Addr(), 0; !p.IsSingleIP() {
		g.Bits = uint8(max(p.Bits(), 0))
	}
}

// IsHost reports whether one address is let in.
func (g *Grant) IsHost() bool { return g.Bits == 0 && !g.Also.IsValid() }

// Covers reports whether the address is let in.
func (g *Grant) Covers(a netip.Addr) bool {
	return a == g.Src || g.Bits != 0 && g.Source().Contains(a) || g.Also.Contains(a)
}

// Overlaps reports whether one of the addresses of p is let in.
func (g *Grant) Overlaps(p netip.Prefix) bool {
	n := g.Normal()
	return n.Source().Overlaps(p) || n.Also.Overlaps(p)
}

// AppendSource appends what is let in, as "192.0.2.7", "192.0.2.0/24" or "192.0.2.7 and
// 198.51.100.9".
func (g *Grant) AppendSource(b []byte) []byte {
	b = g.Src.AppendTo(b)
	if g.Bits != 0 {
		b = strconv.AppendUint(append(b, '/'), uint64(g.Bits), 10)
	}
	if g.Also.IsValid() {
		b = append(append(b, " and "...), PrefixText(g.Also)...)
	}
	return b
}

// PrefixText returns a prefix, one of a single address as that address.
func PrefixText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// SourceText returns what [Grant.AppendSource] appends.
func (g *Grant) SourceText() string { return string(g.AppendSource(nil)) }

// Sources returns what is let in, in the order of the fields.
func (g *Grant) Sources() []netip.Prefix {
	if g.Also.IsValid() {
		return []netip.Prefix{g.Source(), g.Also}
	}
	return []netip.Prefix{g.Source()}
}

// BySource returns g, in normal form, once for each of its sources. Each has the Dst that
// is of its address family; a translation is for one family.
func (g Grant) BySource() []Grant {
	g = g.Normal()
	if !g.Also.IsValid() {
		return []Grant{g}
	}
	first, second := g, g
	first.Also, second.Also = netip.Prefix{}, netip.Prefix{}
	second.SetSource(g.Also)
	both := []Grant{first, second.Normal()}
	for i := range both {
		if dst := both[i].Dst; dst.IsValid() && both[i].NAT == nil && dst.Is4() != both[i].Src.Is4() {
			both[i].Dst = netip.Addr{}
		}
	}
	return both
}

// normalizeSources masks prefixes, gives a single address no Bits, and drops an Also that
// Src has already.
func (g *Grant) normalizeSources() {
	if p := g.Source(); p.IsValid() {
		g.SetSource(p)
	}
	if a := g.Also.Addr(); a.Is4In6() {
		g.Also = netip.PrefixFrom(a.Unmap(), g.Also.Bits()-96)
	}
	if g.Also = g.Also.Masked(); g.Also == g.Source() {
		g.Also = netip.Prefix{}
	}
}

// hasValidBits reports whether Bits and Also are such as a rule may have: Src is the first
// address of a prefix that is not too short, and there is no second one.
func (g *Grant) hasValidBits() bool {
	if g.Also.IsValid() {
		return false
	}
	shortest := MinBits6
	if g.Src.Is4() {
		shortest = MinBits4
	}
	return g.Bits == 0 || int(g.Bits) >= shortest && g.Source().IsValid()
}
