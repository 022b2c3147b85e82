package enforce

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var (
	addr     = netip.MustParseAddr
	prefix   = netip.MustParsePrefix
	addrPort = netip.MustParseAddrPort
	epoch    = time.Unix(1700000000, 0)
	values   = cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, netip.Prefix{})
)

func TestKey(t *testing.T) {
	for _, c := range []struct {
		name string
		g    Grant
		want string
	}{
		{"port", Grant{Src: addr("192.0.2.7"), Ports: []Port{{Proto: TCP, Number: 22}}}, "192.0.2.7 tcp/22"},
		{"sorted, once", Grant{Src: addr("192.0.2.7"), Ports: []Port{{Proto: UDP, Number: 53}, {Proto: TCP, Number: 22}, {Proto: UDP, Number: 53}}}, "192.0.2.7 tcp/22 udp/53"},
		{"mapped", Grant{Src: addr("::ffff:192.0.2.7"), Ports: []Port{{Proto: TCP, Number: 22}}}, "192.0.2.7 tcp/22"},
		{"icmp has no port", Grant{Src: addr("192.0.2.7"), Ports: []Port{{Proto: ICMP, Number: 8}}}, "192.0.2.7 icmp"},
		{"icmp of its family", Grant{Src: addr("2001:db8::7"), Ports: []Port{{Proto: ICMP, Number: 0}}}, "2001:db8::7 icmpv6"},
		{"destination", Grant{Src: addr("192.0.2.7"), Dst: addr("198.51.100.1"), Ports: []Port{{Proto: TCP, Number: 22}}}, "192.0.2.7 to 198.51.100.1 tcp/22"},
		{"output", Grant{Src: addr("192.0.2.7"), Ports: []Port{{Proto: TCP, Number: 22}}, Output: true}, "192.0.2.7 tcp/22 output"},
		{"forwarded never goes out", Grant{Src: addr("192.0.2.7"), Ports: []Port{{Proto: TCP, Number: 80}}, Output: true, NAT: &NAT{Target: addrPort("10.0.0.2:80")}},
			"192.0.2.7 tcp/80 nat 10.0.0.2:80"},
		{"local", Grant{Src: addr("192.0.2.7"), Ports: []Port{{Proto: TCP, Number: 80}}, Output: true, NAT: &NAT{Target: addrPort("10.0.0.2:80"), Local: true}},
			"192.0.2.7 tcp/80 output nat 10.0.0.2:80 local"},
		{"all, snat", Grant{Src: addr("192.0.2.7"), All: true, NAT: &NAT{SNAT: addr("10.0.0.1")}}, "192.0.2.7 all nat snat 10.0.0.1"},
		{"masquerade", Grant{Src: addr("192.0.2.7"), All: true, NAT: &NAT{Masquerade: true}}, "192.0.2.7 all nat masquerade"},
		{"prefix", Grant{Src: addr("192.0.2.7"), Bits: 24, Ports: []Port{{Proto: TCP, Number: 22}}}, "192.0.2.0/24 tcp/22"},
		{"prefix of one", Grant{Src: addr("192.0.2.7"), Bits: 32, Ports: []Port{{Proto: TCP, Number: 22}}}, "192.0.2.7 tcp/22"},
		{"mapped prefix", Grant{Src: addr("::ffff:192.0.2.7"), Bits: 24, Ports: []Port{{Proto: TCP, Number: 22}}}, "192.0.2.0/24 tcp/22"},
		{"prefix of IPv6", Grant{Src: addr("2001:db8::7:1"), Bits: 64, All: true}, "2001:db8::/64 all"},
		{"two", Grant{Src: addr("192.0.2.7"), Also: prefix("198.51.100.9/24"), All: true}, "192.0.2.7 and 198.51.100.0/24 all"},
		{"two, mapped", Grant{Src: addr("192.0.2.7"), Also: prefix("::ffff:198.51.100.9/128"), All: true}, "192.0.2.7 and 198.51.100.9 all"},
		{"twice the same", Grant{Src: addr("192.0.2.7"), Bits: 24, Also: prefix("192.0.2.9/24"), All: true}, "192.0.2.0/24 all"},
		{"external", Grant{Src: addr("192.0.2.7"), External: &External{Open: []string{"/bin/open", "a b"}}}, `192.0.2.7 external "/bin/open" "a b" external`},
	} {
		if got := c.g.Key(); got != c.want {
			t.Errorf("%s: Key = %q, want %q", c.name, got, c.want)
		}
		later := c.g
		later.Expires, later.Stanza, later.User = epoch, 9, "alice"
		if later.Key() != c.want || later.Tag() != c.g.Tag() {
			t.Errorf("%s: time, stanza or user are part of the key", c.name)
		}
	}
}

func TestSplit(t *testing.T) {
	g := Grant{Src: addr("192.0.2.7"), Ports: []Port{{Proto: UDP, Number: 53}, {Proto: TCP, Number: 22}, {Proto: TCP, Number: 22}}, Expires: epoch, Stanza: 3}
	want := []Grant{
		{Src: addr("192.0.2.7"), Ports: []Port{{Proto: TCP, Number: 22}}, Expires: epoch, Stanza: 3},
		{Src: addr("192.0.2.7"), Ports: []Port{{Proto: UDP, Number: 53}}, Expires: epoch, Stanza: 3},
	}
	if diff := cmp.Diff(want, g.Split(), values); diff != "" {
		t.Error(diff)
	}
	if g.Ports[0] != (Port{Proto: UDP, Number: 53}) {
		t.Error("Split changed its receiver")
	}
	for _, whole := range []Grant{
		{Src: addr("192.0.2.7"), All: true},
		{Src: addr("192.0.2.7"), Ports: g.Ports, External: &External{Open: []string{"/bin/open"}}},
	} {
		if n := len(whole.Split()); n != 1 {
			t.Errorf("%s: %d parts, want 1", whole.Key(), n)
		}
	}
}

func TestOutlives(t *testing.T) {
	var none time.Time
	for _, c := range []struct {
		name string
		a, b time.Time
		want bool
	}{
		{"later", epoch.Add(1), epoch, true},
		{"same", epoch, epoch, false},
		{"earlier", epoch, epoch.Add(1), false},
		{"no end and an end", none, epoch, true},
		{"an end and no end", epoch, none, false},
		{"neither ends", none, none, false},
	} {
		if got := Outlives(c.a, c.b); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
