package report

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"fwknopd/policy"
	"fwknopd/policy/conf"
)

// manyStanzas returns stanzas with one address each, every tenth a network with an exception.
func manyStanzas(n int) *conf.Access {
	a := &conf.Access{Stanzas: make([]conf.Stanza, n)}
	for i := range a.Stanzas {
		st := &a.Stanzas[i]
		st.Number, st.Pos = i+1, conf.Pos{File: "/etc/fwknop/access.conf", Line: 3*i + 1}
		addr := netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 7})
		st.Source.Include = []netip.Prefix{netip.PrefixFrom(addr, 32)}
		if i%10 == 0 {
			st.Source.Include = []netip.Prefix{netip.PrefixFrom(addr, 24).Masked()}
			st.Source.Exclude = []netip.Prefix{netip.PrefixFrom(addr, 32)}
		}
	}
	return a
}

// Cover says what a look at each stanza says.
func TestSources(t *testing.T) {
	a := manyStanzas(300)
	s := NewSources(a)
	for i := range 70_000 {
		addr := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		want := slices.ContainsFunc(a.Stanzas, func(st conf.Stanza) bool { return st.Source.Contains(addr) })
		if got := s.Cover(addr); got != want {
			t.Fatalf("%s: %v, want %v", addr, got, want)
		}
	}
	if s.Cover(netip.MustParseAddr("2001:db8::1")) || NewSources(new(conf.Access)).Cover(netip.MustParseAddr("10.0.0.1")) {
		t.Error("an address of no stanza")
	}
}

// BenchmarkCompat words the refusal of a packet that no stanza is for, with few stanzas and
// with many.
func BenchmarkCompat(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			access := manyStanzas(n)
			c := Compat{Server: &conf.Server{Dialect: conf.C26}, Access: access, Sources: NewSources(access)}
			p := Packet{Src: netip.MustParseAddrPort("192.0.2.7:4000"), Dst: netip.MustParseAddrPort("198.51.100.1:62201"), Proto: 17}
			d := policy.Decision{Verdict: policy.Deny, Reason: policy.NoStanza, Mode: policy.ModeSPA, Src: p.Src.Addr()}
			if len(c.Decision(&d, &p)) != 1 {
				b.Fatal("no line")
			}
			for b.Loop() {
				c.Decision(&d, &p)
			}
		})
	}
}
