package enforce

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBySource(t *testing.T) {
	icmp, both := []Port{{Proto: ICMP}}, Grant{Src: addr("192.0.2.7"), Also: prefix("2001:db8::9/64"), Dst: addr("203.0.113.1"), Ports: []Port{{Proto: TCP, Number: 22}, {Proto: ICMP}}}
	want := []Grant{
		{Src: addr("192.0.2.7"), Dst: addr("203.0.113.1"), Ports: icmp},
		{Src: addr("192.0.2.7"), Dst: addr("203.0.113.1"), Ports: both.Ports[:1]},
		{Src: addr("2001:db8::"), Bits: 64, Ports: both.Ports[:1]},
		{Src: addr("2001:db8::"), Bits: 64, Ports: []Port{{Proto: ICMPv6}}},
	}
	if diff := cmp.Diff(want, both.Split(), values); diff != "" {
		t.Error(diff)
	}
	for _, part := range both.Split() {
		if err := part.Validate(); err != nil {
			t.Error(err)
		}
	}
	if err := both.Validate(); err == nil {
		t.Error("a grant for two clients is valid for a firewall")
	}
	// A translation keeps its destination: without it, it would lead to every host.
	both.NAT = &NAT{}
	if parts := both.Split(); parts[2].Validate() == nil {
		t.Errorf("a translation of two families: %v", parts[2])
	}
}

func TestValidPrefixes(t *testing.T) {
	for _, c := range []struct {
		src  string
		bits uint8
		want bool
	}{
		{"192.0.2.7", 24, true}, {"10.0.0.0", 8, true}, {"10.0.0.0", 7, false}, {"192.0.2.7", 33, false}, {"0.1.2.3", 8, false},
		{"2001:db8::7", 64, true}, {"2001:db8::7", 32, true}, {"2001:db8::7", 31, false}, {"2001:db8::7", 129, false}, {"::1", 64, false},
		{"ff02::1", 64, false},
	} {
		g := Grant{Src: addr(c.src), Bits: c.bits, All: true}
		if got := g.Validate() == nil; got != c.want {
			t.Errorf("%s: valid = %v, want %v", g.SourceText(), got, c.want)
		}
	}
}

func TestCovers(t *testing.T) {
	for _, c := range []struct {
		g       Grant
		in, out []string
	}{
		{Grant{Src: addr("192.0.2.7")}, []string{"192.0.2.7"}, []string{"192.0.2.8"}},
		{Grant{Src: addr("192.0.2.0"), Bits: 24}, []string{"192.0.2.0", "192.0.2.255"}, []string{"192.0.3.0", "2001:db8::1"}},
		{Grant{Src: addr("192.0.2.7"), Also: prefix("2001:db8::/64")}, []string{"192.0.2.7", "2001:db8::1"}, []string{"192.0.2.8", "2001:db8:0:1::1"}},
	} {
		for _, a := range append(c.in, c.out...) {
			p := netip.PrefixFrom(addr(a), addr(a).BitLen())
			if want := strings.Contains(strings.Join(c.in, " "), a); c.g.Covers(addr(a)) != want || c.g.Overlaps(p) != want {
				t.Errorf("%s lets %s in: want %v", c.g.SourceText(), a, want)
			}
		}
	}
}

// TestWireForm: a grant for one address looks between the processes as it did.
func TestWireForm(t *testing.T) {
	text, err := json.Marshal(Grant{Src: addr("192.0.2.7")})
	if err != nil || strings.Contains(string(text), "Bits") || strings.Contains(string(text), "Also") {
		t.Errorf("%s, %v", text, err)
	}
	g := Grant{Src: addr("192.0.2.0"), Bits: 24, Also: prefix("2001:db8::/64")}
	if text, err = json.Marshal(g); err != nil {
		t.Fatal(err)
	}
	var back Grant
	if err := json.Unmarshal(text, &back); err != nil || back.Key() != g.Key() {
		t.Errorf("%s: %q, %v", text, back.Key(), err)
	}
}

// TestHostAllocates: a prefix beside it costs a grant for one address nothing.
func TestHostAllocates(t *testing.T) {
	g := Grant{Src: addr("192.0.2.7"), Ports: []Port{{Proto: TCP, Number: 22}}}
	buf := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() {
		buf = g.AppendSource(buf[:0])
		if !g.IsHost() || !g.Covers(g.Src) || !g.Source().IsSingleIP() {
			t.Error("not one address")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
