package enforce

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

// TestRules: the rules of each form of a grant, and the grant read back from them.
func TestRules(t *testing.T) {
	src, inside, outside := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddrPort("10.0.0.2:80"), netip.MustParseAddr("198.51.100.1")
	tcp := func(n uint16) []Port { return []Port{{Proto: TCP, Number: n}} }
	for _, c := range []struct {
		grant Grant
		want  []Rule
	}{
		{Grant{Ports: tcp(22)}, []Rule{{Role: Input, Ports: tcp(22)}}},
		{Grant{All: true, Dst: outside, Output: true}, []Rule{{Role: Input, Dst: outside}, {Role: Output, Dst: outside}}},
		{Grant{Ports: tcp(80), NAT: &NAT{}}, []Rule{{Role: Forward, Ports: tcp(80)}}},
		{Grant{Ports: tcp(8080), NAT: &NAT{Target: inside, Masquerade: true}}, []Rule{
			{Role: DNAT, Ports: tcp(8080), To: inside},
			{Role: Masquerade, Dst: inside.Addr(), Ports: tcp(80)}, {Role: Forward, Dst: inside.Addr(), Ports: tcp(80)},
		}},
		{Grant{Ports: tcp(8080), Dst: outside, NAT: &NAT{Target: inside, SNAT: outside}}, []Rule{
			{Role: DNAT, Dst: outside, Ports: tcp(8080), To: inside},
			{Role: SNAT, Dst: inside.Addr(), Ports: tcp(80), To: netip.AddrPortFrom(outside, 0)}, {Role: Forward, Dst: inside.Addr(), Ports: tcp(80)},
		}},
		{Grant{Ports: tcp(8022), Output: true, NAT: &NAT{Target: inside, Local: true}}, []Rule{
			{Role: DNAT, Ports: tcp(8022), To: inside},
			{Role: Input, Dst: inside.Addr(), Ports: tcp(80)}, {Role: Output, Dst: inside.Addr(), Ports: tcp(80)},
		}},
	} {
		c.grant.Src = src
		for i := range c.want {
			c.want[i].Src = src
		}
		got := c.grant.Rules()
		if !slices.EqualFunc(got, c.want, func(a, b Rule) bool {
			return a.Role == b.Role && a.Src == b.Src && a.Dst == b.Dst && a.To == b.To && slices.Equal(a.Ports, b.Ports)
		}) {
			t.Errorf("%s: %+v, want %+v", c.grant.Key(), got, c.want)
		}
		if back := JoinRules(got); back.Key() != c.grant.Key() {
			t.Errorf("%s: reads %s", c.grant.Key(), back.Key())
		}
	}
}

func TestNewDifference(t *testing.T) {
	now := time.Unix(1700000000, 0)
	grant := func(addr string, end time.Duration) Grant {
		return Grant{Src: netip.MustParseAddr(addr), All: true, Expires: now.Add(end)}
	}
	open, gone, ended, other := grant("192.0.2.1", time.Minute), grant("192.0.2.2", time.Minute), grant("192.0.2.3", 0), grant("192.0.2.4", time.Minute)
	diff := NewDifference([]Grant{open, gone, ended}, ByKey([]Grant{open, other}), now, func(key string, _ Grant) bool { return key == open.Key() })
	same := func(a, b Grant) bool { return a.Key() == b.Key() }
	if !slices.EqualFunc(diff.Missing, []Grant{gone}, same) || !slices.EqualFunc(diff.Found, []Grant{other}, same) {
		t.Errorf("%+v", diff)
	}
}
