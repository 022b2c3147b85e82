package stats

import (
	"maps"
	"slices"
	"time"

	"fwknopd/parse"
)

// maxBuckets bounds the buckets of a timeline that hold anything.
const maxBuckets = 2000

// widths are those of buckets, in seconds; each is a multiple of the one before, so that buckets
// can be joined. Behind the last one they double.
var widths = []int64{1, 5, 15, 30, 60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86400, 7 * 86400}

// widerThan returns the next width.
func widerThan(width int64) int64 {
	for _, w := range widths {
		if w > width {
			return w
		}
	}
	return 2 * width
}

// lastSecond is the end of the times that RFC 3339 can name, 9999-12-31T23:59:59Z.
const lastSecond = 253402300799

// named returns a time if RFC 3339 can name it, else zero.
func named(t time.Time) time.Time {
	if t.IsZero() || t.Unix() > lastSecond {
		return time.Time{}
	}
	return t.UTC()
}

// counts are those of a bucket.
type counts struct{ events, syns, granted, refused, other uint64 }

func (c *counts) add(d counts) {
	c.events += d.events
	c.syns += d.syns
	c.granted += d.granted
	c.refused += d.refused
	c.other += d.other
}

// A timeline counts by time. Buckets become wider when there are too many; their number does not
// depend on the span of the times, so that a few wrong stamps do no harm.
type timeline struct {
	width    int64 // seconds
	buckets  map[int64]*counts
	current  *counts // nil: none; that of the last time
	start    int64   // of current
	from, to time.Time
	untimed  uint64 // events
}

func newTimeline() timeline {
	return timeline{width: widths[0], buckets: make(map[int64]*counts)}
}

// add counts at a time; without one of a clock, events are only counted as such.
func (t *timeline) add(at time.Time, d counts) {
	if !parse.OfClock(at) || at.Unix() > lastSecond {
		t.untimed += d.events
		return
	}
	t.extend(at, at)
	t.at(at.Unix()).add(d)
}

// event counts an event at a time.
func (t *timeline) event(at time.Time, syn bool) {
	if !parse.OfClock(at) || at.Unix() > lastSecond {
		t.untimed++
		return
	}
	t.extend(at, at)
	c := t.at(at.Unix())
	c.events++
	if syn {
		c.syns++
	}
}

func (t *timeline) extend(from, to time.Time) {
	if t.from.IsZero() || from.Before(t.from) {
		t.from = from
	}
	if to.After(t.to) {
		t.to = to
	}
}

// at returns the bucket of a second. It is valid until the next call.
func (t *timeline) at(sec int64) *counts {
	if t.current != nil && uint64(sec-t.start) < uint64(t.width) {
		return t.current
	}
	for {
		t.start = sec - sec%t.width
		if t.current = t.buckets[t.start]; t.current != nil {
			return t.current
		}
		if len(t.buckets) < maxBuckets {
			t.current = new(counts)
			t.buckets[t.start] = t.current
			return t.current
		}
		t.widen(widerThan(t.width))
	}
}

// widen joins buckets into ones of that width.
func (t *timeline) widen(width int64) {
	wide := make(map[int64]*counts)
	for start, c := range t.buckets {
		start -= start % width
		if wide[start] == nil {
			wide[start] = new(counts)
		}
		wide[start].add(*c)
	}
	t.width, t.buckets, t.current = width, wide, nil
}

// merge adds o.
func (t *timeline) merge(o *timeline) {
	if t.width < o.width {
		t.widen(o.width)
	}
	for start, c := range o.buckets {
		t.at(start).add(*c)
	}
	t.untimed += o.untimed
	if !o.from.IsZero() {
		t.extend(o.from, o.to)
	}
}

// summary returns the buckets in order.
func (t *timeline) summary() Timeline {
	out := Timeline{Width: time.Duration(t.width) * time.Second, Buckets: make([]Bucket, 0, len(t.buckets))}
	for _, start := range slices.Sorted(maps.Keys(t.buckets)) {
		c := t.buckets[start]
		out.Buckets = append(out.Buckets, Bucket{Start: time.Unix(start, 0).UTC(), Events: c.events, SYNs: c.syns,
			Granted: c.granted, Refused: c.refused, Other: c.other})
	}
	return out
}
