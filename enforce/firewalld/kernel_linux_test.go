package firewalld

import (
	"net/netip"
	"strings"
	"testing"

	"fwknopd/enforce"
	"fwknopd/fixtures/netlab"
)

// TestRemoveFromKernel: of what a dead firewalld left, the rule of the grant is removed, and
// none that differs from it in one thing.
func TestRemoveFromKernel(t *testing.T) {
	netlab.Need(t, "nft")
	lab := netlab.New(t)
	prefix := func(p string, g enforce.Grant) enforce.Grant {
		g.SetSource(netip.MustParsePrefix(p))
		return g
	}
	ssh := enforce.Grant{Ports: port(enforce.TCP, 22)}
	for _, c := range []struct {
		name, chain, rule string
		grant             enforce.Grant
		stays             bool
	}{
		{"one address", "filter_IN_public_pre", "ip saddr 192.0.2.7 tcp dport 22 accept", prefix("192.0.2.7/32", ssh), false},
		{"IPv6", "filter_IN_public_pre", "ip6 saddr 2001:db8::7 tcp dport 22 accept", prefix("2001:db8::7/128", ssh), false},
		{"a prefix of whole bytes", "filter_IN_public_pre", "ip saddr 192.0.2.0/24 tcp dport 22 accept", prefix("192.0.2.0/24", ssh), false},
		{"a prefix of IPv6", "filter_IN_public_pre", "ip6 saddr 2001:db8::/56 tcp dport 22 accept", prefix("2001:db8::/56", ssh), false},
		{"a prefix of other bits", "filter_IN_public_pre", "ip saddr 192.0.0.0/20 tcp dport 22 accept", prefix("192.0.0.0/20", ssh), false},
		{"every port", "filter_IN_public_pre", "ip saddr 192.0.2.7 accept", prefix("192.0.2.7/32", enforce.Grant{All: true}), false},
		{"a destination", "filter_IN_public_pre", "ip saddr 192.0.2.7 ip daddr 192.0.2.1 tcp dport 22 accept",
			prefix("192.0.2.7/32", enforce.Grant{Dst: netip.MustParseAddr("192.0.2.1"), Ports: ssh.Ports}), false},
		{"ICMP", "filter_IN_public_pre", "ip saddr 192.0.2.7 meta l4proto icmp accept", prefix("192.0.2.7/32", enforce.Grant{Ports: port(enforce.ICMP, 0)}), false},
		{"a translation", "nat_PRE_public_pre", "ip saddr 192.0.2.7 tcp dport 8080 dnat ip to 10.0.0.1:80", prefix("192.0.2.7/32",
			enforce.Grant{Ports: port(enforce.TCP, 8080), NAT: &enforce.NAT{Target: netip.MustParseAddrPort("10.0.0.1:80")}}), false},

		{"another target", "nat_PRE_public_pre", "ip saddr 192.0.2.7 tcp dport 8080 dnat ip to 10.0.0.2:80", prefix("192.0.2.7/32",
			enforce.Grant{Ports: port(enforce.TCP, 8080), NAT: &enforce.NAT{Target: netip.MustParseAddrPort("10.0.0.1:80")}}), true},
		{"to the client", "filter_IN_public_pre", "ip daddr 192.0.2.7 tcp dport 22 accept", prefix("192.0.2.7/32", ssh), true},
		{"from the port", "filter_IN_public_pre", "ip saddr 192.0.2.7 tcp sport 22 accept", prefix("192.0.2.7/32", ssh), true},
		{"another prefix", "filter_IN_public_pre", "ip saddr 192.0.0.0/20 tcp dport 22 accept", prefix("192.0.0.0/21", ssh), true},
		{"a mark", "filter_IN_public_pre", "ip saddr 192.0.2.7 tcp dport 22 meta mark 5 accept", prefix("192.0.2.7/32", ssh), true},
		{"a drop", "filter_IN_public_pre", "ip saddr 192.0.2.7 tcp dport 22 drop", prefix("192.0.2.7/32", ssh), true},
		{"a rule without priority", "filter_IN_public_allow", "ip saddr 192.0.2.7 tcp dport 22 accept", prefix("192.0.2.7/32", ssh), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			hook := ""
			if c.grant.NAT != nil {
				hook = "type nat hook prerouting priority -90;"
			}
			lab.Server.RunInput(t, "table inet firewalld\ndelete table inet firewalld\ntable inet firewalld { chain "+c.chain+" { "+hook+"\n"+c.rule+"\n}\n}", "nft -f -")
			var err error
			lab.Server.Do(func() { err = removeFromKernel(c.grant.Normal()) })
			if err != nil {
				t.Fatal(err)
			}
			left := lab.Server.Run(t, "nft list table inet firewalld")
			if stays := strings.Contains(left, "saddr") || strings.Contains(left, "daddr"); stays != c.stays {
				t.Errorf("stays: %v\n%s", stays, left)
			}
		})
	}
}
