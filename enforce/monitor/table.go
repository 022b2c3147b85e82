package monitor

import (
	"container/heap"
	"time"

	"fwknopd/enforce"
)

// An entry is one opening that the monitor looks after: a grant of one port, or an
// external one.
type entry struct {
	key         string
	grant       enforce.Grant
	deadline    time.Duration // by Clock.Elapsed; meaningless for a grant without end
	next        time.Duration // when to look at it: the deadline, a little earlier, or the next try
	ending      bool          // its time is over, or somebody wants it closed
	version     int           // number of the last request for it: a late answer to an older one is known by it
	tries       int           // failed attempts to close it
	postponed   time.Duration // for connections through it, in all
	blocked     []string      // what drops it all the same, as it was told
	unconfirmed []string      // as the last look found it
	index       int           // place in the queue; -1: not in it
}

func (e *entry) permanent() bool { return e.grant.Expires.IsZero() }

// A table holds entries by key, and those that have an end in a queue by the time
// at which to look at them.
type table struct {
	entries  map[string]*entry
	queue    queue
	requests int
}

// put returns the entry of a grant, and whether that is [Granted], [Extended] or
// [Kept]. The later end holds.
func (t *table) put(part enforce.Grant, now clockReading) (e *entry, kind Kind) {
	key := part.Key()
	t.requests++
	e, kind = t.entries[key], Extended
	switch {
	case e == nil:
		if t.entries == nil {
			t.entries = make(map[string]*entry)
		}
		e, kind = &entry{index: -1}, Granted
		t.entries[key] = e
	case e.ending:
		kind = Granted
	case !enforce.Outlives(part.Expires, e.grant.Expires):
		e.version = t.requests
		return e, Kept
	}
	*e = entry{key: key, grant: part, version: t.requests, blocked: e.blocked, unconfirmed: e.unconfirmed, index: e.index}
	t.remove(e)
	if !e.permanent() {
		e.deadline = now.deadline(part.Expires)
		t.schedule(e, e.deadline)
	}
	return e, kind
}

// schedule makes e due at next.
func (t *table) schedule(e *entry, next time.Duration) {
	t.remove(e)
	e.next = next
	heap.Push(&t.queue, e)
}

// remove takes e out of the queue.
func (t *table) remove(e *entry) {
	if e.index >= 0 {
		heap.Remove(&t.queue, e.index)
	}
}

// drop forgets e.
func (t *table) drop(e *entry) {
	t.remove(e)
	delete(t.entries, e.key)
}

// due takes what is due, at most limit entries, out of the queue.
func (t *table) due(now time.Duration, limit int) (due []*entry) {
	for len(t.queue) > 0 && len(due) < limit && t.queue[0].next <= now {
		due = append(due, heap.Pop(&t.queue).(*entry))
	}
	return due
}

// next is when to look again; ok is false if never.
func (t *table) next() (at time.Duration, ok bool) {
	if len(t.queue) == 0 {
		return 0, false
	}
	return t.queue[0].next, true
}

// shift moves all ends along with the wall clock: what is left of a grant does not
// change when somebody sets the clock. What another daemon wrote down ends when the
// wall clock says so.
func (t *table) shift(now clockReading, step time.Duration) {
	for _, e := range t.entries {
		switch {
		case e.permanent():
		case e.grant.Foreign == "":
			e.grant.Expires = e.grant.Expires.Add(step)
		case !e.ending:
			e.deadline = now.deadline(e.grant.Expires)
			t.schedule(e, e.deadline)
		}
	}
}

// wanted are the parts that should be open in the firewall. A rule of another program
// is not put back.
func (t *table) wanted() (parts []enforce.Grant) {
	for _, e := range t.entries {
		if !e.ending && e.grant.External == nil && e.grant.Foreign == "" {
			parts = append(parts, e.grant)
		}
	}
	return parts
}

// queue is a heap by next.
type queue []*entry

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].next < q[j].next }

func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push implements [heap.Interface].
func (q *queue) Push(x any) {
	e := x.(*entry)
	e.index = len(*q)
	*q = append(*q, e)
}

// Pop implements [heap.Interface].
func (q *queue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last], *q = nil, (*q)[:last]
	e.index = -1
	return e
}
