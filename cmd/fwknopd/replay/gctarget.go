package replay

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// gcHeadroom is how much the heap may grow between two collections even if it is
// small. Below that a collection costs more time than the memory is worth.
const gcHeadroom = 24 << 20

// raiseGCTarget lets the heap grow by gcHeadroom, or to twice its size if that is
// more, unless GOGC is set. The runtime accepts a percentage only, so it is set again
// after every collection.
var raiseGCTarget = sync.OnceFunc(func() {
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(gcPercent(0))
	adjustAfterGC()
})

// adjustAfterGC sets a finalizer that runs after the next collection, sets the
// percentage and calls adjustAfterGC again. The runtime has no other hook for this.
func adjustAfterGC() {
	runtime.SetFinalizer(new(gcSentinel), func(*gcSentinel) {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		debug.SetGCPercent(gcPercent(live[0].Value.Uint64()))
		adjustAfterGC()
	})
}

// A gcSentinel is large enough not to share its allocation with other objects, which
// could delay the finalizer.
type gcSentinel struct{ _ [64]byte }

// heapMinimum is the heap size at which the runtime starts the first collection at
// 100 %.
const heapMinimum = 4 << 20

func gcPercent(live uint64) int {
	return int(max(100, 100*gcHeadroom/max(live, heapMinimum)))
}
