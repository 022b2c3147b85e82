package monitor

import (
	"container/heap"
	"sync"
	"time"

	"fwknopd/enforce"
)

// An entry is one open grant: a grant of one port, or an external one.
type entry struct {
	key         string
	grant       enforce.Grant
	deadline    time.Duration // by Clock.Elapsed; valid iff the grant has an end
	next        time.Duration // when it is due: the deadline, a little earlier, or the next attempt to close it
	ending      bool          // it expired or was revoked
	version     int           // number of the last request for it, by which results of older ones are recognized
	tries       int           // failed attempts to close it in a row
	opened      time.Duration // by Clock.Elapsed
	adopted     bool          // it was open before; when it was opened is not known
	asked       time.Time     // when the latest message for it came, or was claimed elsewhere; zero: not known
	cut         bool          // connections through it end with it
	postponed   time.Duration // sum of all extensions for connections through it
	blocked     []string      // base chains that drop it, as last reported
	unconfirmed []string      // the same as last found
	index       int           // in the queue; -1: not in it
}

func (e *entry) permanent() bool { return e.grant.Expires.IsZero() }

// A table holds entries by key, and those that have an end in a queue by the time at
// which they are due. [Monitor.mu] must be held, except for len, snapshot, open and addNames.
type table struct {
	mu       sync.Mutex // guards changes of entries and of their grants, for readers without Monitor.mu
	entries  map[string]*entry
	stanzas  map[int]int // number of entries by stanza
	queue    queue
	requests int
}

// put adds a grant for a message of a time or moves its end, and returns the entry and whether it was
// [Granted], [Extended] or [Kept]. The later of two ends holds.
func (t *table) put(part enforce.Grant, asked time.Time, now clockReading) (e *entry, kind Kind) {
	key := part.Key()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests++
	e, kind = t.entries[key], Extended
	opened, adopted := now.elapsed, false
	switch {
	case e == nil:
		if t.entries == nil {
			t.entries, t.stanzas = make(map[string]*entry), make(map[int]int)
		}
		t.stanzas[part.Stanza]++
		e, kind = &entry{index: -1}, Granted
		t.entries[key] = e
	case e.ending:
		kind = Granted
	case !enforce.Outlives(part.Expires, e.grant.Expires):
		e.version, e.asked = t.requests, laterOf(e.asked, asked)
		return e, Kept
	default:
		opened, adopted, asked = e.opened, e.adopted, laterOf(e.asked, asked)
	}
	if e.key != "" && e.grant.Stanza != part.Stanza {
		t.count(e.grant.Stanza, -1)
		t.count(part.Stanza, 1)
	}
	*e = entry{key: key, grant: part, version: t.requests, opened: opened, adopted: adopted, asked: asked, blocked: e.blocked, unconfirmed: e.unconfirmed, index: e.index}
	t.remove(e)
	if !e.permanent() {
		e.deadline = now.deadline(part.Expires)
		t.schedule(e, e.deadline)
	}
	return e, kind
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// askedSince reports whether a message for a grant came after a time.
func (t *table) askedSince(key string, after time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entries[key]
	return e != nil && e.asked.After(after)
}

// schedule makes e due at next.
func (t *table) schedule(e *entry, next time.Duration) {
	t.remove(e)
	e.next = next
	heap.Push(&t.queue, e)
}

// remove removes e from the queue.
func (t *table) remove(e *entry) {
	if e.index >= 0 {
		heap.Remove(&t.queue, e.index)
	}
}

// drop removes e from the table.
func (t *table) drop(e *entry) {
	t.remove(e)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.entries[e.key] == e {
		delete(t.entries, e.key)
		t.count(e.grant.Stanza, -1)
	}
}

// count adds n to the number of entries of a stanza.
func (t *table) count(stanza, n int) {
	if t.stanzas[stanza] += n; t.stanzas[stanza] == 0 {
		delete(t.stanzas, stanza)
	}
}

// setEnding notes that e expired or was revoked.
func (t *table) setEnding(e *entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e.ending = true
}

// isOpen reports whether the table has a grant that has not ended.
func (t *table) isOpen(key string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entries[key]
	return e != nil && !e.ending
}

// setEnd moves the end of the grant of e.
func (t *table) setEnd(e *entry, end time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e.grant.Expires = end
}

func (t *table) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.entries)
}

// snapshot returns the grants in the table. It does not wait for a change of the firewall.
func (t *table) snapshot() []enforce.Grant {
	gs := t.open()
	enforce.SortGrants(gs)
	return gs
}

// open is snapshot without an order.
func (t *table) open() []enforce.Grant {
	t.mu.Lock()
	defer t.mu.Unlock()
	gs := make([]enforce.Grant, 0, len(t.entries))
	for _, e := range t.entries {
		if !e.ending {
			gs = append(gs, e.grant)
		}
	}
	return gs
}

// addNames sets the users and stanzas of grants that are in the table.
func (t *table) addNames(gs []enforce.Grant) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range gs {
		if e := t.entries[gs[i].Key()]; e != nil {
			gs[i].User, gs[i].Stanza = e.grant.User, e.grant.Stanza
		}
	}
}

// due removes the entries that are due from the queue, at most limit, and returns them.
func (t *table) due(now time.Duration, limit int) (due []*entry) {
	for len(t.queue) > 0 && len(due) < limit && t.queue[0].next <= now {
		due = append(due, heap.Pop(&t.queue).(*entry))
	}
	return due
}

// next returns when the next entry is due; ok is false if there is none.
func (t *table) next() (at time.Duration, ok bool) {
	if len(t.queue) == 0 {
		return 0, false
	}
	return t.queue[0].next, true
}

// shift moves all ends by a step of the wall clock: the remaining time of a grant does
// not change when the clock is set. A rule of another daemon ends at the wall-clock time
// in its comment, so that its deadline moves instead.
func (t *table) shift(now clockReading, step time.Duration) {
	for _, e := range t.entries {
		switch {
		case e.permanent():
		case e.grant.Foreign == "":
			t.setEnd(e, e.grant.Expires.Add(step))
		case !e.ending:
			e.deadline = now.deadline(e.grant.Expires)
			t.schedule(e, e.deadline)
		}
	}
}

// wanted returns the parts that should be open in the firewall. Rules of other programs
// are not among them: they are not restored.
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
