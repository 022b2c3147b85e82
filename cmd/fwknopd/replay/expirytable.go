package replay

import "hash/maphash"

// A portKey identifies one open port for one client, the unit that a repeated grant
// extends. It is small and holds no pointers, as a capture may open very many at once.
type portKey struct {
	src    [16]byte
	kind   uint32 // onlyPort, or the number of a further kind of grant; never 0
	number uint16
	proto  uint16 // 16 bits, so that the struct has no padding and hashes at once
}

// An expiryTable maps open ports to their expiry times. A Go map would take a
// twentieth of the time spent on a valid packet. It uses linear probing and is at most
// 4/5 full. The zero value is an empty table.
type expiryTable struct {
	slots   []expirySlot // their number is a power of two
	n       int
	stanzas map[uint32]int // open ports by stanza
	seed    maphash.Seed
}

// An expirySlot is one slot, free if its kind is 0.
type expirySlot struct {
	portKey
	at     int64  // Unix nanoseconds
	stanza uint32 // that opened it, or extended it last
}

func (e *expirySlot) used() bool { return e.kind != 0 }

const (
	onlyPort = 1 // the kind of most grants
	minSlots = 64
)

// homeSlot returns the slot where the search for k starts.
func (e *expiryTable) homeSlot(k portKey) int {
	return int(maphash.Comparable(e.seed, k)) & (len(e.slots) - 1)
}

// find returns the slot of k, or the free slot to put it in.
func (e *expiryTable) find(k portKey) int {
	i := e.homeSlot(k)
	for e.slots[i].used() && e.slots[i].portKey != k {
		i = (i + 1) & (len(e.slots) - 1)
	}
	return i
}

// has reports whether k is in the table.
func (e *expiryTable) has(k portKey) bool { return e.n > 0 && e.slots[e.find(k)].used() }

// count adds n to the number of open ports of a stanza.
func (e *expiryTable) count(stanza uint32, n int) {
	if e.stanzas == nil {
		e.stanzas = make(map[uint32]int)
	}
	if e.stanzas[stanza] += n; e.stanzas[stanza] == 0 {
		delete(e.stanzas, stanza)
	}
}

// extend sets the expiry of k to at by a stanza, unless it is later already.
func (e *expiryTable) extend(k portKey, at int64, stanza uint32) {
	if 5*(e.n+1) > 4*len(e.slots) {
		e.grow()
	}
	switch s := &e.slots[e.find(k)]; {
	case !s.used():
		e.n++
		e.count(stanza, 1)
		*s = expirySlot{k, at, stanza}
	case s.at < at:
		if s.stanza != stanza {
			e.count(s.stanza, -1)
			e.count(stanza, 1)
		}
		s.at, s.stanza = at, stanza
	}
}

func (e *expiryTable) grow() {
	old := e.slots
	e.slots = make([]expirySlot, max(minSlots, 2*len(old)))
	if old == nil {
		e.seed = maphash.MakeSeed()
	}
	for _, s := range old {
		if s.used() {
			e.slots[e.find(s.portKey)] = s
		}
	}
}

// removeExpired removes k if it has expired by now, and reports whether it did.
func (e *expiryTable) removeExpired(k portKey, now int64) bool {
	if e.n == 0 {
		return false
	}
	i := e.find(k)
	if s := &e.slots[i]; !s.used() || s.at > now {
		return false
	}
	e.n--
	e.count(e.slots[i].stanza, -1)
	mask := len(e.slots) - 1
	for next := (i + 1) & mask; e.slots[next].used(); next = (next + 1) & mask {
		// An entry that could not be found past the free slot moves into it.
		if home := e.homeSlot(e.slots[next].portKey); (next-home)&mask >= (next-i)&mask {
			e.slots[i] = e.slots[next]
			i = next
		}
	}
	e.slots[i] = expirySlot{}
	return true
}
