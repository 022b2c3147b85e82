package index

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"fwknopd/policy/conf"
)

// drawAddr draws an address of few, so that networks meet.
func drawAddr(t *rapid.T) netip.Addr {
	b := func() byte { return rapid.SampledFrom([]byte{0, 1, 127, 128, 255}).Draw(t, "byte") }
	switch rapid.IntRange(0, 9).Draw(t, "kind") {
	case 0:
		return netip.Addr{}
	case 1:
		return netip.AddrFrom16([16]byte{10: 0xff, 11: 0xff, 12: 10, 15: b()})
	case 2:
		return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 15: b()}).WithZone("eth0")
	case 3, 4:
		return netip.AddrFrom16([16]byte{0: 0x20, 1: b(), 7: b(), 15: b()})
	}
	return netip.AddrFrom4([4]byte{10, b(), b(), b()})
}

func drawNets(t *rapid.T) conf.Nets {
	var n conf.Nets
	for range rapid.IntRange(0, 4).Draw(t, "networks") {
		a := drawAddr(t).WithZone("")
		n.Include = append(n.Include, netip.PrefixFrom(a, rapid.IntRange(0, max(a.BitLen(), 0)).Draw(t, "bits")))
	}
	return n
}

// TestLookupIsLinearScan: a lookup finds the lists that a search through all of them
// finds, in order and once.
func TestLookupIsLinearScan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var table Table
		every := make(map[int]bool)
		lists := make([]conf.Nets, rapid.IntRange(0, 12).Draw(t, "lists"))
		for i := range lists {
			if every[i] = rapid.IntRange(0, 9).Draw(t, "every") == 0; every[i] {
				table.AddEvery(i)
				continue
			}
			lists[i] = drawNets(t)
			table.Add(i, &lists[i])
		}
		table.Link()
		var c Cursor
		for range 20 {
			a := drawAddr(t)
			var want, got []int
			for i := range lists {
				if every[i] || lists[i].Contains(a) {
					want = append(want, i)
				}
			}
			found := table.Lookup(a)
			c.Start(found)
			for i, ok := c.Next(); ok; i, ok = c.Next() {
				got = append(got, i)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%v: %v, want %v", a, got, want)
			}
			if n := found.Size(); n < len(want) || len(want) == 0 && n != 0 {
				t.Fatalf("%v: size %d of %d", a, n, len(want))
			}
		}
	})
}

func many(n int) *Table {
	t := new(Table)
	for i := range n {
		t.Add(i, &conf.Nets{Include: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)}})
	}
	t.Link()
	return t
}

func TestLookupAllocatesNothing(t *testing.T) {
	table, a := many(1000), netip.MustParseAddr("10.0.2.1")
	var c Cursor
	c.Start(table.Lookup(a))
	if n := testing.AllocsPerRun(100, func() {
		c.Start(table.Lookup(a))
		if i, ok := c.Next(); !ok || i != 513 {
			t.Fatal(i, ok)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkLookup: an address that no list names.
func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{1, 1000, 50000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			table, a := many(n), netip.MustParseAddr("192.0.2.7")
			for b.Loop() {
				if table.Lookup(a).Size() != 0 {
					b.Fatal("found")
				}
			}
		})
	}
}

func BenchmarkBuild(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		many(50000)
	}
}
