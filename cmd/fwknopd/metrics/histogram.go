package metrics

import (
	"sync/atomic"
	"time"
)

// A histogram counts durations by size.
type histogram struct {
	bounds []time.Duration // the highest of each count, ascending
	counts []atomic.Uint64 // one more than bounds: the last one is for what is longer
	sum    atomic.Uint64   // in microseconds
}

func newHistogram(bounds []time.Duration) *histogram {
	return &histogram{bounds: bounds, counts: make([]atomic.Uint64, len(bounds)+1)}
}

func (h *histogram) observe(d time.Duration) {
	d = max(d, 0)
	i := 0
	for i < len(h.bounds) && d > h.bounds[i] {
		i++
	}
	h.sum.Add(uint64(d / time.Microsecond))
	h.counts[i].Add(1)
}
