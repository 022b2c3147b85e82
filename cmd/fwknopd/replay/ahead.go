package replay

import (
	"iter"
	"runtime"
	"sync"
	"sync/atomic"

	"fwknopd/parse"
	"fwknopd/policy"
)

const (
	// aheadSlots is how far ahead packets are opened, in events.
	aheadSlots = 1024
	// aheadLead is how far an opener that was overtaken jumps ahead.
	aheadLead = 64
	// aheadLeast is how far ahead of the engine a packet must be to be worth opening. Of one
	// that is nearer the engine gets there first and opens it too: an opener that is slower
	// than the rest of the work would stay in step with the engine like that.
	aheadLeast = 4
	// aheadAfter is the number of events after which it is known whether most of the input is SPA.
	aheadAfter = 256
)

// An ahead opens SPA packets on further processors while the engine, which decides in order,
// is at earlier ones. Each opener reads the input for itself. What is not opened in time the
// engine opens.
type ahead struct {
	engine *policy.Engine
	read   func() iter.Seq[*parse.Event]

	wanted   int          // packets that the engine wanted opened among the first events
	last     int64        // position of the last of them
	position atomic.Int64 // of the current event, from 1
	rings    []ring       // one for each opener; none: not running
	room     sync.Cond    // position has moved on, or this ends
	ending   bool         // under room.L
	running  sync.WaitGroup
}

// A ring has what one opener opened lately. Of n openers each has every n-th event.
type ring struct {
	n     int64
	slots []slot
}

// A slot holds the event at one position.
type slot struct {
	position atomic.Int64 // 0: none
	policy.Opened
}

func newRing(n int64) ring { return ring{n, make([]slot, aheadSlots/n+1)} }

// slot returns the place of the event at a position.
func (r *ring) slot(at int64) *slot { return &r.slots[at/r.n%int64(len(r.slots))] }

// prepare has openers start if the input turns out to be mostly SPA. read opens it again, for an
// opener that yields each of its events from the first; nil if that cannot be done.
func (a *ahead) prepare(e *policy.Engine, read func() iter.Seq[*parse.Event]) {
	a.engine, a.read, a.room.L = e, read, new(sync.Mutex)
}

// started reports whether there are openers.
func (a *ahead) started() bool { return len(a.rings) > 0 }

// next is called before each event.
func (a *ahead) next() {
	at := a.position.Add(1)
	switch {
	case len(a.rings) > 0 && at%aheadLead == 0:
		a.room.Broadcast()
	case at == aheadAfter && a.engine != nil && a.wanted > aheadAfter/2:
		a.start(runtime.GOMAXPROCS(0) - 1)
	}
}

// current returns what an opener made of the current event, nil if it was not opened in time.
func (a *ahead) current() *policy.Opened {
	at := a.position.Load()
	n := int64(len(a.rings))
	if n == 0 {
		if a.last != at { // it is asked for each stanza
			a.wanted, a.last = a.wanted+1, at
		}
		return nil
	}
	if s := a.rings[at%n].slot(at); s.position.Load() == at {
		return &s.Opened
	}
	return nil
}

// start starts n openers.
func (a *ahead) start(n int) {
	inputs := make([]iter.Seq[*parse.Event], 0, n)
	for range n {
		events := a.read()
		if events == nil {
			break
		}
		inputs = append(inputs, events)
	}
	a.rings = make([]ring, len(inputs))
	for i, events := range inputs {
		a.rings[i] = newRing(int64(len(inputs)))
		a.running.Go(func() { a.open(events, int64(i), &a.rings[i]) })
	}
}

// stop ends the openers. The input may be followed by another one, see prepare.
func (a *ahead) stop() {
	if len(a.rings) > 0 {
		a.setEnding(true)
		a.room.Broadcast()
		a.running.Wait()
		a.setEnding(false)
	}
	a.rings, a.wanted, a.last = nil, 0, 0
	a.position.Store(0)
}

func (a *ahead) setEnding(to bool) {
	a.room.L.Lock()
	defer a.room.L.Unlock()
	a.ending = to
}

// open opens the events of the i-th ring.
func (a *ahead) open(events iter.Seq[*parse.Event], i int64, r *ring) {
	opener := a.engine.NewOpener()
	var at, from int64
	for ev := range events {
		at++
		if at%r.n != i || at < from {
			continue
		}
		now := a.position.Load()
		if at < now+aheadLeast {
			from = now + aheadLead
			continue
		}
		if at >= now+aheadSlots && !a.waitForRoom(at) {
			return
		}
		if s := r.slot(at); opener.Open(ev, &s.Opened) {
			s.position.Store(at)
		}
	}
}

// waitForRoom waits until the slot for the position is free. It reports false at the end.
func (a *ahead) waitForRoom(at int64) bool {
	a.room.L.Lock()
	defer a.room.L.Unlock()
	for !a.ending && at >= a.position.Load()+aheadSlots {
		a.room.Wait()
	}
	return !a.ending
}
