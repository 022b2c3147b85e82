package offline

import "hash/maphash"

// An opening is the unit that a repetition extends: one port for one client. It is
// small and holds no pointers: a capture may open a great many at once.
type opening struct {
	src    [16]byte
	kind   uint32 // onlyPort, or what more it opens; never 0
	number uint16
	proto  uint16 // no padding, so that it hashes as one piece
}

// ends hold when openings end: what a map would do, but a map was a twentieth of the
// cost of a valid packet. Linear probing, at most 4/5 full. The zero value is empty
// and ready.
type ends struct {
	slots []end // their number is a power of two
	n     int
	seed  maphash.Seed
}

// An end is a slot, free if its kind is 0.
type end struct {
	opening
	at int64 // Unix nanoseconds
}

func (e *end) used() bool { return e.kind != 0 }

const (
	onlyPort = 1 // the kind of most openings
	minEnds  = 64
)

// home is where the search for k starts.
func (e *ends) home(k opening) int {
	return int(maphash.Comparable(e.seed, k)) & (len(e.slots) - 1)
}

// find returns the slot of k, or the free one where it belongs.
func (e *ends) find(k opening) int {
	i := e.home(k)
	for e.slots[i].used() && e.slots[i].opening != k {
		i = (i + 1) & (len(e.slots) - 1)
	}
	return i
}

// extend makes at the end of k unless it ends later already.
func (e *ends) extend(k opening, at int64) {
	if 5*(e.n+1) > 4*len(e.slots) {
		e.grow()
	}
	switch s := &e.slots[e.find(k)]; {
	case !s.used():
		e.n++
		*s = end{k, at}
	case s.at < at:
		s.at = at
	}
}

func (e *ends) grow() {
	old := e.slots
	e.slots = make([]end, max(minEnds, 2*len(old)))
	if old == nil {
		e.seed = maphash.MakeSeed()
	}
	for _, s := range old {
		if s.used() {
			e.slots[e.find(s.opening)] = s
		}
	}
}

// drop forgets k if it ends by now, and reports that it did.
func (e *ends) drop(k opening, now int64) bool {
	if e.n == 0 {
		return false
	}
	i := e.find(k)
	if s := &e.slots[i]; !s.used() || s.at > now {
		return false
	}
	e.n--
	mask := len(e.slots) - 1
	for next := (i + 1) & mask; e.slots[next].used(); next = (next + 1) & mask {
		// What would not be found past a hole moves into it.
		if home := e.home(e.slots[next].opening); (next-home)&mask >= (next-i)&mask {
			e.slots[i] = e.slots[next]
			i = next
		}
	}
	e.slots[i] = end{}
	return true
}
