package replay

import (
	"math"
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// What goes in comes out, as far as 32 bytes reach.
func TestPacking(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tab table
		r := record{
			seen: rapid.Int64Range(-seenLimit, seenLimit).Draw(t, "seen"),
			keep: rapid.SampledFrom([]int64{0, 1, 1700000000, math.MaxUint32 - 1, forever}).Draw(t, "keep"),
			src: rapid.SampledFrom([][16]byte{{}, netip.MustParseAddr("192.0.2.255").As16(),
				netip.MustParseAddr("2001:db8::7").As16(), netip.MustParseAddr("::1").As16()}).Draw(t, "src"),
		}
		r.id[0], r.id[15] = 1, 2
		for range 3 {
			p := tab.pack(&r)
			if got := tab.unpack(&p); got != r {
				t.Fatalf("%+v, want %+v", got, r)
			}
		}
	})
	for _, extreme := range []record{{keep: -5, seen: math.MinInt64}, {keep: math.MaxUint32 + 5, seen: math.MaxInt64}} {
		var tab table
		p := tab.pack(&extreme)
		if got := tab.unpack(&p); got.keep < extreme.keep {
			t.Errorf("%+v is kept until %d only", extreme, got.keep)
		}
	}
}
