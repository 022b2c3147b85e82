package knock

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"fwknopd/policy/conf"
)

// TestNearIsLinearScan: the indexes of ports and addresses find every stanza that a
// packet can begin or is part of, in order, as a look at each stanza does.
func TestNearIsLinearScan(t *testing.T) {
	addr := func(t *rapid.T) netip.Addr {
		return netip.AddrFrom4([4]byte{10, 0, rapid.Byte().Draw(t, "third") & 1, rapid.Byte().Draw(t, "fourth") & 3})
	}
	draw := func(t *rapid.T) (n conf.Nets) {
		for range rapid.IntRange(0, 3).Draw(t, "networks") {
			p := netip.PrefixFrom(addr(t), rapid.SampledFrom([]int{0, 8, 24, 31, 32}).Draw(t, "bits")).Masked()
			if rapid.IntRange(0, 3).Draw(t, "exception") == 0 {
				n.Exclude = append(n.Exclude, p)
			} else {
				n.Include = append(n.Include, p)
			}
		}
		return n
	}
	rapid.Check(t, func(t *rapid.T) {
		stanzas := make([]conf.Stanza, rapid.IntRange(1, 30).Draw(t, "stanzas"))
		for i := range stanzas {
			stanzas[i] = rapid.SampledFrom([]conf.Stanza{shared("tcp/1 tcp/2"), shared("tcp/2 tcp/1 tcp/2"), shared("icmp"), encrypted("a key"), blank()}).Draw(t, "stanza")
			stanzas[i].Source = draw(t)
			if rapid.Bool().Draw(t, "destination") {
				stanzas[i].Destination = draw(t)
			}
		}
		tr, w := New(Options{Stanzas: stanzas}), wire{}
		for range 10 {
			ev := w.packet(rapid.SampledFrom([]string{"tcp/1", "tcp/2", "tcp/61007", "udp/61007", "icmp"}).Draw(t, "packet"))
			ev.Src, ev.Dst = netip.AddrPortFrom(addr(t), 1), netip.AddrPortFrom(addr(t), ev.Dst.Port())
			port, _ := knockOf(ev)
			k := knock{ev: ev, addr: ev.Src.Addr(), port: port, now: ev.Time, at: ev.Time}
			var starts, parts, gotStarts, gotParts []int
			for i := range tr.stanzas {
				s := &tr.stanzas[i]
				if s.Mode != conf.ModeSPA && tr.matches(s, &k) {
					if s.startsWith(port) {
						starts = append(starts, i)
					}
					if slices.Contains(s.knocks(), port) {
						parts = append(parts, i)
					}
				}
			}
			for _, i := range tr.near(&k) {
				s := &tr.stanzas[i]
				if tr.matches(s, &k) {
					if s.startsWith(port) {
						gotStarts = append(gotStarts, int(i))
					}
					if s.hasKnock(port) {
						gotParts = append(gotParts, int(i))
					}
				}
			}
			if !slices.Equal(gotStarts, starts) || !slices.Equal(gotParts, parts) {
				t.Fatalf("%v from %v to %v: starts %v, want %v; part of %v, want %v", port, k.addr, ev.Dst.Addr(), gotStarts, starts, gotParts, parts)
			}
		}
	})
}

// TestManyStanzasCarryOver: state is carried over in a time that does not grow with the
// square of the stanzas, by a count of the comparisons that a pairing needs: equal near
// keys are few.
func TestManyStanzasCarryOver(t *testing.T) {
	old := make([]conf.Stanza, 5000)
	for i := range old {
		old[i] = shared("tcp/1 tcp/2")
		old[i].Source = conf.Nets{Include: []netip.Prefix{netip.PrefixFrom(address(i), 32)}}
		if near := nearKey(&old[i]); i > 0 && near == nearKey(&old[i-1]) {
			t.Fatal("stanzas of other sources are near")
		}
	}
	now := append([]conf.Stanza{shared("tcp/3")}, old...) // a line in front moves all
	pairs := matchStanzas(old, now)
	for i := range old {
		if pairs[int32(i)] != int32(i+1) {
			t.Fatalf("stanza %d became %d", i, pairs[int32(i)])
		}
	}
}
