package spa

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// TestLimiter reads: at the second, from the source, so many packets in a row are
// asked for and so many get through.
func TestLimiter(t *testing.T) {
	t0 := time.Unix(1700000000, 0)
	a, b, c := "192.0.2.1", "192.0.2.2", "2001:db8::1"
	l := NewLimiter(Rate{PerSecond: 2, Burst: 4}, Rate{PerSecond: 3, Burst: 9})
	for i, step := range []struct {
		at         float64
		src        string
		asked, got int
	}{
		{0, a, 10, 4},  // its burst
		{0, b, 10, 4},  // another source has its own
		{0, c, 10, 1},  // 9 in total
		{1, a, 10, 2},  // 2 a second
		{1, b, 10, 1},  // 3 a second in total
		{1, c, 10, 0},  //
		{60, c, 10, 4}, // all is full again
		{60, "2001:db8::ffff:1", 10, 0},
		{60, "2001:db8:0:1::1", 10, 4},
		{60, a, 10, 1},
		{55, a, 10, 0}, // times run back a little
		{10, a, 10, 4}, // the clock was set back
		{10, a, 10, 0},
	} {
		got := 0
		for range step.asked {
			if l.Allow(netip.MustParseAddr(step.src), t0.Add(time.Duration(step.at*float64(time.Second)))) {
				got++
			}
		}
		if got != step.got {
			t.Errorf("step %d: %s at %v: %d of %d, want %d", i, step.src, step.at, got, step.asked, step.got)
		}
	}
}

func TestLimiterOff(t *testing.T) {
	l := NewLimiter(Rate{}, Rate{})
	for range 10000 {
		if !l.Allow(netip.MustParseAddr("192.0.2.1"), time.Unix(0, 0)) {
			t.Fatal("limited")
		}
	}
}

// TestLimiterIsBounded: forged sources do not make it grow, and the oldest go.
func TestLimiterIsBounded(t *testing.T) {
	l := NewLimiter(Rate{PerSecond: 1, Burst: 1}, Rate{})
	now := time.Unix(1700000000, 0)
	src := func(i uint32) netip.Addr {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], i)
		return netip.AddrFrom4(b)
	}
	for i := range uint32(3 * maxSources) {
		if !l.Allow(src(i), now) {
			t.Fatalf("source %d is new and refused", i)
		}
	}
	if len(l.buckets) != maxSources || len(l.order) != maxSources {
		t.Errorf("%d buckets for %d in order", len(l.buckets), len(l.order))
	}
	if l.Allow(src(3*maxSources-1), now) {
		t.Error("the newest was forgotten")
	}
	if l.Allow(src(2*maxSources), now) {
		t.Error("the oldest that fits was forgotten")
	}
}

func TestLimiterAllocatesNothing(t *testing.T) {
	l := NewLimiter(Rate{PerSecond: 1, Burst: 1}, Rate{PerSecond: 20, Burst: 40})
	src, now := netip.MustParseAddr("2001:db8::1"), time.Unix(1700000000, 0)
	if n := testing.AllocsPerRun(100, func() { l.Allow(src, now) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Left is how many of the next packets Allow lets through, at any times and with any rates.
func TestLimiterLeft(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		l := NewLimiter(Rate{PerSecond: float64(r.IntN(4)), Burst: r.IntN(5)}, Rate{PerSecond: float64(r.IntN(7)), Burst: r.IntN(9)})
		now := time.Unix(1700000000, 0)
		for range 100 {
			now = now.Add(time.Duration(r.IntN(1_500_000_000)-400_000_000) * time.Nanosecond)
			if r.IntN(50) == 0 {
				now = now.Add(-time.Minute)
			}
			src := netip.AddrFrom4([4]byte{192, 0, 2, byte(r.IntN(4))})
			left, got := min(l.Left(src, now), 20), 0
			for range r.IntN(20) {
				if l.Allow(src, now) {
					got++
				}
				if want := min(l.Left(src, now)+got, 20); want != left && left < 20 {
					t.Fatalf("%d left after %d, %d before", want-got, got, left)
				}
			}
			if got > left {
				t.Fatalf("%d let through, %d left", got, left)
			}
		}
	}
}
