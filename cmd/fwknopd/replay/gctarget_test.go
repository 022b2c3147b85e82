package replay

import (
	"runtime"
	"testing"
)

func TestPercentFor(t *testing.T) {
	for live, want := range map[uint64]int{0: 600, 8 << 20: 300, 24 << 20: 100, 1 << 30: 100} {
		if got := gcPercent(live); got != want {
			t.Errorf("%d MiB live: %d %%, want %d", live>>20, got, want)
		}
	}
}

// TestRaiseGCTarget checks that the heap grows by about 24 MiB between collections, not 4.
func TestRaiseGCTarget(t *testing.T) {
	t.Setenv("GOGC", "") // the runtime has read it already
	raiseGCTarget()
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100 {
		garbage = make([]byte, 1<<20)
	}
	runtime.ReadMemStats(&after)
	if n := after.NumGC - before.NumGC; n < 1 || n > 8 {
		t.Errorf("%d collections for 100 MiB", n)
	}
}

var garbage []byte
