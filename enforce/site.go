package enforce

import "net/netip"

// SiteBits6 is the length of the prefix that one site has of 6to4 and of unique local addresses.
const SiteBits6 = 48

// sites are addresses of which a short prefix is not that of one client: those of the host or the
// link itself, those in which IPv6 carries an IPv4 address behind a fixed prefix (RFC 6052, RFC
// 8215; Teredo, RFC 4380, where the bits of the client come last), and identifiers that are no
// places (ORCHID, RFC 7343) stand for themselves. A site with 6to4 has 2002:V4ADDR::/48 (RFC 3056,
// section 2), one with unique local addresses a /48 with a random number (RFC 4193).
var sites = []struct {
	in    netip.Prefix
	least int
}{
	{netip.MustParsePrefix("127.0.0.0/8"), 32}, {netip.MustParsePrefix("169.254.0.0/16"), 32},
	{netip.MustParsePrefix("::/64"), 128}, {netip.MustParsePrefix("fe80::/10"), 128},
	{netip.MustParsePrefix("64:ff9b::/32"), 128}, {netip.MustParsePrefix("2001::/32"), 128},
	{netip.MustParsePrefix("2001:10::/28"), 128}, {netip.MustParsePrefix("2001:20::/28"), 128},
	{netip.MustParsePrefix("2002::/16"), SiteBits6}, {netip.MustParsePrefix("fc00::/7"), SiteBits6},
}

// LeastBits returns the least length of a prefix that has addresses of p and is that of one site;
// 0 if it may have any.
func LeastBits(p netip.Prefix) (least int) {
	for _, s := range sites {
		if s.in.Overlaps(p) {
			least = max(least, s.least)
		}
	}
	return least
}
