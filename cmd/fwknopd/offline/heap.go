package offline

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// leave is what the heap may grow by between two collections even when there is
// little in it. Up to there a collection costs more than the memory it wins.
const leave = 24 << 20

// growFreely lets the heap grow by leave, or to twice its size where that is more,
// unless GOGC says otherwise. The runtime knows percentages alone: they are set anew
// after every collection.
var growFreely = sync.OnceFunc(func() {
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(percentFor(0))
	watchCollections()
})

// watchCollections sets a finalizer, which runs after the next collection, and that
// one the next. The runtime has no other way to be told.
func watchCollections() {
	runtime.SetFinalizer(new(watch), func(*watch) {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		debug.SetGCPercent(percentFor(live[0].Value.Uint64()))
		watchCollections()
	})
}

// A watch is large enough to be allocated on its own, as a finalizer wants it.
type watch struct{ _ [64]byte }

// heapMinimum is where the runtime starts the first collection at 100 %.
const heapMinimum = 4 << 20

func percentFor(live uint64) int {
	return int(max(100, 100*leave/max(live, heapMinimum)))
}
