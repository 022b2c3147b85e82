package replay

import "hash/maphash"

// A portKey identifies one open port for one client, the unit that a repeated grant
// extends. It is small and holds no pointers, as a capture may open very many at once.
type portKey struct {
	src    [16]byte
	kind   uint32 // onlyPort, or the number of a further kind of grant
	number uint16
	proto  uint16 // 16 bits, so that the struct has no padding and hashes at once
}

// onlyPort is the kind of most grants.
const onlyPort = 1

// An expiryTable maps open ports to their expiry times. A Go map would take a
// twentieth of the time spent on a valid packet. The index uses linear probing and is at
// most 4/5 full; with the hashes in it, it fits into the cache, and neither a port that is
// not there nor growing touches the ports. The zero value is an empty table.
type expiryTable struct {
	index   []indexSlot // their number is a power of two
	ports   pool[openPort]
	n       int
	stanzas map[uint32]int // open ports by stanza
	seed    maphash.Seed
}

// An openPort is one port of the table.
type openPort struct {
	portKey
	at     int64  // Unix nanoseconds
	stanza uint32 // that opened it, or extended it last
}

// An indexSlot is one slot of the index.
type indexSlot struct {
	hash uint32
	port uint32 // its number in the pool, from 1; 0: the slot is free
}

func (s indexSlot) used() bool { return s.port != 0 }

const minSlots = 64

// port returns what a used slot leads to.
func (e *expiryTable) port(s indexSlot) *openPort { return e.ports.at(s.port - 1) }

// home returns the slot where the search for a hash starts.
func (e *expiryTable) home(hash uint32) int { return int(hash) & (len(e.index) - 1) }

// find returns the slot of k, or the free slot to put it in, and the hash of k.
func (e *expiryTable) find(k portKey) (int, uint32) {
	hash := uint32(maphash.Comparable(e.seed, k))
	i := e.home(hash)
	for s := e.index[i]; s.used() && (s.hash != hash || e.port(s).portKey != k); s = e.index[i] {
		i = (i + 1) & (len(e.index) - 1)
	}
	return i, hash
}

// has reports whether k is in the table.
func (e *expiryTable) has(k portKey) bool {
	if e.n == 0 {
		return false
	}
	i, _ := e.find(k)
	return e.index[i].used()
}

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
	if 5*(e.n+1) > 4*len(e.index) {
		e.grow()
	}
	i, hash := e.find(k)
	if s := &e.index[i]; !s.used() {
		e.n++
		e.count(stanza, 1)
		number := e.ports.allocate()
		*e.ports.at(number) = openPort{k, at, stanza}
		*s = indexSlot{hash, number + 1}
		return
	}
	if p := e.port(e.index[i]); p.at < at {
		if p.stanza != stanza {
			e.count(p.stanza, -1)
			e.count(stanza, 1)
		}
		p.at, p.stanza = at, stanza
	}
}

func (e *expiryTable) grow() {
	old := e.index
	e.index = make([]indexSlot, max(minSlots, 2*len(old)))
	if old == nil {
		e.seed = maphash.MakeSeed()
	}
	for _, s := range old {
		if !s.used() {
			continue
		}
		i := e.home(s.hash)
		for e.index[i].used() {
			i = (i + 1) & (len(e.index) - 1)
		}
		e.index[i] = s
	}
}

// removeExpired removes k if it has expired by now, and reports whether it did.
func (e *expiryTable) removeExpired(k portKey, now int64) bool {
	if e.n == 0 {
		return false
	}
	i, _ := e.find(k)
	s := e.index[i]
	if !s.used() || e.port(s).at > now {
		return false
	}
	e.n--
	e.count(e.port(s).stanza, -1)
	e.ports.free(s.port - 1)
	mask := len(e.index) - 1
	for next := (i + 1) & mask; e.index[next].used(); next = (next + 1) & mask {
		// An entry that could not be found past the free slot moves into it.
		if home := e.home(e.index[next].hash); (next-home)&mask >= (next-i)&mask {
			e.index[i] = e.index[next]
			i = next
		}
	}
	e.index[i] = indexSlot{}
	return true
}
