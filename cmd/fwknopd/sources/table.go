package sources

import (
	"encoding/binary"
	"math"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"time"

	"fwknopd/parse"
)

const (
	// MaxSources bounds a table, because addresses in logs can be forged. SYNs of
	// further sources are only counted.
	MaxSources = 1 << 19
	// chunk is how many sources are allocated at a time, so that growing copies none.
	chunk = 1 << 10
	// minIndex is the initial size of the index.
	minIndex = 1 << 12
)

// A table counts SYNs by source and result. Sources are kept in order of first
// appearance; if it has a store, those for which there is no room are in files. It is accessed for every SYN and exceeds the CPU caches, so it has its
// own hash index, and SYNs are recorded in batches: that way their cache misses
// overlap.
type table struct {
	chunks          []*[chunk]Source
	n               int
	limit           int        // of n
	marks           []mark     // the order of sources, ascending
	store           *store     // nil: none
	index           []slot     // a power of two, at most half full
	overflows       []overflow // see source.overflow
	overflowResults int        // results in overflows
	syns            uint64
	dropped         uint64 // SYNs of sources beyond MaxSources
	finished        bool
	sums            sums // after finish

	optionless uint64 // SYNs logged without their options
	cut        uint64 // SYNs whose options the capture truncated

	paths   []parse.TunnelPath // of sources; the first is that of none
	pathIDs map[parse.TunnelPath]uint16

	ports   *portTable // nil: ports are not counted
	decided []decided  // by number of the source; as long as needed

	pending    int // in batch
	batch      [batchSize]batchEntry
	prefetched [batchSize]slot // scratch of flush
	keys       [batchSize]byte // scratch of flush
}

// batchSize is how many SYNs are recorded at a time, about as many as the cache
// misses that a core can have outstanding.
const batchSize = 32

// A batchEntry is a SYN that has not been recorded yet.
type batchEntry struct {
	key    [16]byte
	hash   uint64
	at     int64 // Unix ns or noTime
	result int32
	port   uint16 // destination
	tunnel uint16 // index in paths
}

// A slot is one slot of the index. The tag avoids reading a source whose hash differs.
type slot struct {
	tag   uint32
	place uint32 // 1 + number of the source, 0 if free
}

func newTable() *table {
	return &table{
		index: newIndex(minIndex), limit: MaxSources, marks: make([]mark, 1),
		paths: make([]parse.TunnelPath, 1), pathIDs: make(map[parse.TunnelPath]uint16),
	}
}

// add counts one SYN, in a tunnel of paths. It is visible after the next flush.
func (t *table) add(addr netip.Addr, at time.Time, result int32, port, tunnel uint16) {
	e := &t.batch[t.pending]
	e.key = addr.As16()
	e.hash = hash(&e.key, tunnel)
	e.at, e.result, e.port, e.tunnel = nanoseconds(at), result, port, tunnel
	t.pending++
	if t.pending == batchSize {
		t.flush()
	}
}

// maxPaths bounds how many tunnels are distinguished. Sources in further ones are in furtherPath.
const (
	maxPaths    = 1 << 12
	furtherPath = maxPaths
)

// path returns the index of p in paths, adding it if new.
func (t *table) path(p parse.TunnelPath) uint16 {
	if p == (parse.TunnelPath{}) {
		return 0
	}
	i, ok := t.pathIDs[p]
	switch {
	case ok:
		return i
	case len(t.paths) >= maxPaths:
		return furtherPath
	}
	i = uint16(len(t.paths))
	t.paths, t.pathIDs[p] = append(t.paths, p), i
	return i
}

// nanoseconds returns a time as sources have it.
func nanoseconds(at time.Time) int64 {
	if at.IsZero() {
		return noTime
	}
	return at.UnixNano()
}

// flush records the pending SYNs. The prefetched slots may be outdated when the last
// loop uses them; it compares the key.
func (t *table) flush() {
	t.room(t.pending)
	batch := t.batch[:t.pending]
	mask := uint64(len(t.index) - 1)
	for i := range batch {
		at, tag := batch[i].hash&mask, uint32(batch[i].hash>>32)
		for t.index[at].place != 0 && t.index[at].tag != tag {
			at = (at + 1) & mask
		}
		t.prefetched[i] = t.index[at]
	}
	if t.n > 0 {
		for i := range batch { // only to load them into the cache
			t.keys[i] = t.at(int(max(t.prefetched[i].place, 1) - 1)).key[0]
		}
	}
	for i := range batch {
		e, g := &batch[i], t.prefetched[i]
		place := int(g.place) - 1
		if place < 0 || g.tag != uint32(e.hash>>32) || !t.at(place).is(e.key, e.tunnel) {
			if place = t.findOrAdd(e.key, e.tunnel, e.hash); place < 0 {
				t.dropped++
				continue
			}
		}
		s := t.at(place)
		s.syns++
		s.seen(e.at)
		if e.result != noResult {
			t.addResult(s, e.result)
		}
		if t.ports != nil && (i%portSample == 0 || t.n <= MaxWithPorts) {
			t.ports.add(place, parse.Port{Proto: parse.TCP, Number: e.port})
		}
	}
	t.syns += uint64(len(batch))
	t.pending = 0
}

// at returns source number i.
func (t *table) at(i int) *Source { return &t.chunks[i/chunk][i%chunk] }

// seed is that of hash, the same for all tables, and not known to an attacker.
var seed = [2]uint64{rand.Uint64(), rand.Uint64()}

// hash mixes an address and a tunnel with the random seed, so that an attacker cannot choose
// addresses that collide.
func hash(key *[16]byte, tunnel uint16) uint64 {
	hi, lo := bits.Mul64(binary.LittleEndian.Uint64(key[:])^seed[0]^uint64(tunnel)<<48, binary.LittleEndian.Uint64(key[8:])^seed[1])
	hi, lo = bits.Mul64(hi^lo^seed[0], 0xd6e8feb86659fd93)
	return hi ^ lo
}

// findOrAdd returns the number of the source with an address in a tunnel, adding it if new; -1
// if the table is full.
func (t *table) findOrAdd(key [16]byte, tunnel uint16, h uint64) int {
	tag := uint32(h >> 32)
	i := h & uint64(len(t.index)-1)
	for t.index[i].place != 0 {
		if t.index[i].tag == tag {
			if place := int(t.index[i].place - 1); t.at(place).is(key, tunnel) {
				return place
			}
		}
		i = (i + 1) & uint64(len(t.index)-1)
	}
	if t.n == t.limit {
		return -1
	}
	if t.n/chunk == len(t.chunks) {
		c := new([chunk]Source)
		c[0].first = noTime // a write, as in newIndex
		t.chunks = append(t.chunks, c)
	}
	s := t.at(t.n)
	*s = Source{key: key, tunnel: tunnel, first: math.MaxInt64, last: noTime}
	t.n++
	t.index[i] = slot{tag, uint32(t.n)}
	if 2*t.n >= len(t.index) {
		t.rehash()
	}
	return t.n - 1
}

// newIndex returns an empty index. It clears the fresh memory although that is zero: a
// page that is read before it is written faults twice, the second time with a TLB
// flush on the other cores.
func newIndex(slots int) []slot {
	index := make([]slot, slots)
	clear(index)
	return index
}

// rehash doubles the size of the index.
func (t *table) rehash() {
	t.index = newIndex(2 * len(t.index))
	for n := range t.n {
		h := hash(&t.at(n).key, t.at(n).tunnel)
		i := h & uint64(len(t.index)-1)
		for t.index[i].place != 0 {
			i = (i + 1) & uint64(len(t.index)-1)
		}
		t.index[i] = slot{uint32(h >> 32), uint32(n + 1)}
	}
}

// merge adds u, which counted the records after those of t. rename maps results of u
// to those of t.
func (t *table) merge(u *table, rename func(int32) int32) {
	t.flush()
	u.flush()
	t.syns += u.syns
	t.dropped += u.dropped
	t.optionless += u.optionless
	t.cut += u.cut
	if u.store.holds() {
		t.adopt(u, rename)
		return
	}
	translated := t.namesFrom(u, rename)
	var r record
	for i := range u.n {
		u.record(i, &r)
		r.rename(translated)
		t.room(1)
		if !t.take(&r) {
			t.dropped += uint64(r.syns)
		}
	}
}

// namesFrom returns what translates numbers of u to those of t.
func (t *table) namesFrom(u *table, rename func(int32) int32) *names {
	return &names{resultOf: rename, tunnelOf: func(i uint16) uint16 {
		if i == furtherPath {
			return i
		}
		return t.path(u.paths[i])
	}}
}

// A decided counts what was decided about a source.
type decided struct{ granted, refused uint32 }

// decide adds d to source number i.
func (t *table) decide(i int, d decided) {
	for len(t.decided) <= i {
		t.decided = append(t.decided, decided{})
	}
	t.decided[i].granted += d.granted
	t.decided[i].refused += d.refused
}

// decisionsOf returns what was decided about source number i.
func (t *table) decisionsOf(i int) decided {
	if i >= len(t.decided) {
		return decided{}
	}
	return t.decided[i]
}
