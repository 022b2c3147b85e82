package firewalld

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// TestRoute: a grant goes to the zones in which packets of its client land.
func TestRoute(t *testing.T) {
	active := []zone{
		{"external", []string{"eth0"}, nil},
		{"home", []string{"wlan+"}, []string{"10.0.0.0/8", "2001:db8:1::/48"}},
		{"mac", nil, []string{"00:11:22:33:44:55"}},
		{"set", nil, []string{"ipset:friends"}},
		{"range", nil, []string{"198.51.100.1-198.51.100.9"}},
	}
	known := sets{"friends": {"203.0.113.5", "203.0.113.64/26"}}
	for _, c := range []struct {
		name, client string
		active       []zone
		ipsets       sets
		interfaces   string
		want         string
	}{
		{"by interface, and perhaps by MAC address", "192.0.2.7", active, known, "eth0", "external mac"},
		{"a pattern", "192.0.2.7", active, known, "wlan1", "home mac"},
		{"an interface of no zone", "192.0.2.7", active, known, "eth7", "mac public"},
		{"any interface", "192.0.2.7", active, known, "", "external home mac public"},
		{"by source first", "10.1.2.3", active, known, "eth0", "home mac"},
		{"by source, IPv6", "2001:db8:1::9", active, known, "eth0", "home mac"},
		{"by a set", "203.0.113.70", active, known, "eth0", "mac set"},
		{"by a range", "198.51.100.9", active, known, "eth0", "mac range"},
		{"behind a range", "198.51.100.10", active, known, "eth0", "external mac"},
		{"a set that is not known", "192.0.2.7", active, sets{}, "eth0", "external mac set"},
		{"a prefix in a network", "10.1.2.0/24", active, known, "eth0", "home mac"},
		{"a prefix with a part in a set", "203.0.113.0/24", active, known, "eth0", "external mac set"},
		{"a prefix with a range in it", "198.51.100.0/28", active, known, "eth0", "external mac range"},
		{"a prefix around a network", "2001:db8::/32", active, known, "eth0", "external home mac"},
		{"a prefix outside", "192.0.2.0/24", active, known, "eth0", "external mac"},
		{"nothing is active", "192.0.2.7", nil, nil, "eth0", "public"},
		{"nothing is active, any interface", "192.0.2.7", nil, nil, "", "public"},
	} {
		client, err := netip.ParsePrefix(c.client)
		if err != nil {
			addr := netip.MustParseAddr(c.client)
			client = netip.PrefixFrom(addr, addr.BitLen())
		}
		got := route(client, c.active, c.ipsets, strings.Fields(c.interfaces), "public")
		if want := strings.Fields(c.want); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", c.name, got, want)
		}
	}
}
