package osreport

import (
	"encoding/binary"
	"iter"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"time"
)

const (
	// maxSources bounds a tally: addresses in logs can be forged. SYNs of sources
	// past it are counted, not named.
	maxSources = 1 << 19
	// chunk is how many sources are allocated at a time, so that none is copied.
	chunk = 1 << 10
	// leastIndex is the first size of the index.
	leastIndex = 1 << 12
)

// A tally counts SYNs by source and by what they matched. Sources stay in order of
// first appearance. It is hit once a SYN and is larger than a cache, so the index
// is a hash table of our own, and SYNs are entered in batches: their misses then
// overlap instead of adding up.
type tally struct {
	chunks  []*[chunk]source
	n       int
	index   []slot // a power of two, at most half full
	seed    uint64
	more    []further // see source.more
	held    int       // results in more
	syns    uint64
	dropped uint64 // SYNs of sources past maxSources

	optionless uint64 // SYNs whose options are not on record
	cut        uint64 // SYNs that the capture cut short in their options

	waiting  int // in batch
	batch    [batchSize]entry
	gathered [batchSize]slot // scratch of flush
	keys     [batchSize]byte // scratch of flush
}

// batchSize is how many SYNs are entered at a time, about what a core can have in
// flight.
const batchSize = 32

// entry is a SYN that is still to be entered.
type entry struct {
	key    [16]byte
	hash   uint64
	at     int64 // Unix ns or noTime
	result int32
}

// slot is one place of the index. The tag spares a look at a source with another
// hash.
type slot struct {
	tag   uint32
	place uint32 // 1 + number of the source, 0 if free
}

func newTally() *tally {
	return &tally{index: newIndex(leastIndex), seed: rand.Uint64()}
}

// add counts one SYN. It shows after the next flush.
func (t *tally) add(addr netip.Addr, at time.Time, result int32) {
	e := &t.batch[t.waiting]
	e.key = addr.As16()
	e.hash = t.hash(&e.key)
	e.at, e.result = noTime, result
	if !at.IsZero() {
		e.at = at.UnixNano()
	}
	t.waiting++
	if t.waiting == batchSize {
		t.flush()
	}
}

// flush enters the SYNs that wait. Whatever the first loops gathered may be out of
// date in the last one: the key decides.
func (t *tally) flush() {
	batch := t.batch[:t.waiting]
	mask := uint64(len(t.index) - 1)
	for i := range batch {
		t.gathered[i] = t.index[batch[i].hash&mask]
	}
	if t.n > 0 {
		for i := range batch { // only to have them in the cache
			t.keys[i] = t.at(int(max(t.gathered[i].place, 1) - 1)).key[0]
		}
	}
	for i := range batch {
		e, g := &batch[i], t.gathered[i]
		if g.place != 0 && g.tag == uint32(e.hash>>32) {
			if s := t.at(int(g.place - 1)); s.key == e.key {
				t.enter(s, e)
				continue
			}
		}
		if s := t.of(e.key, e.hash); s != nil {
			t.enter(s, e)
		} else {
			t.dropped++
		}
	}
	t.syns += uint64(len(batch))
	t.waiting = 0
}

func (t *tally) enter(s *source, e *entry) {
	s.syns++
	if e.at != noTime {
		s.seen(e.at, e.at)
	}
	if e.result != noResult {
		t.note(s, e.result)
	}
}

// at returns source number i.
func (t *tally) at(i int) *source { return &t.chunks[i/chunk][i%chunk] }

// all yields the sources in order of first appearance.
func (t *tally) all() iter.Seq[*source] {
	return func(yield func(*source) bool) {
		for i := range t.n {
			if !yield(t.at(i)) {
				return
			}
		}
	}
}

// hash mixes an address with the tally's secret, so that nobody can choose
// addresses that collide.
func (t *tally) hash(key *[16]byte) uint64 {
	hi, lo := bits.Mul64(binary.LittleEndian.Uint64(key[:])^t.seed, binary.LittleEndian.Uint64(key[8:])^0x9e3779b97f4a7c15)
	hi, lo = bits.Mul64(hi^lo^t.seed, 0xd6e8feb86659fd93)
	return hi ^ lo
}

// of finds or makes the entry of an address; nil if there is no room.
func (t *tally) of(key [16]byte, h uint64) *source {
	tag := uint32(h >> 32)
	i := h & uint64(len(t.index)-1)
	for t.index[i].place != 0 {
		if t.index[i].tag == tag {
			if s := t.at(int(t.index[i].place - 1)); s.key == key {
				return s
			}
		}
		i = (i + 1) & uint64(len(t.index)-1)
	}
	if t.n == maxSources {
		return nil
	}
	s := t.grow(key)
	t.index[i] = slot{tag, uint32(t.n)}
	if 2*t.n >= len(t.index) {
		t.rehash()
	}
	return s
}

// grow appends a source.
func (t *tally) grow(key [16]byte) *source {
	if t.n%chunk == 0 {
		c := new([chunk]source)
		c[0].first = noTime // a write, as in newIndex
		t.chunks = append(t.chunks, c)
	}
	s := t.at(t.n)
	s.key, s.first, s.last = key, noTime, noTime
	t.n++
	return s
}

// newIndex makes a free index. It is written to all the same: a page of fresh memory
// that is read first faults twice, and then interrupts the other cores.
func newIndex(slots int) []slot {
	index := make([]slot, slots)
	clear(index)
	return index
}

// rehash doubles the index.
func (t *tally) rehash() {
	t.index = newIndex(2 * len(t.index))
	for n := range t.n {
		h := t.hash(&t.at(n).key)
		i := h & uint64(len(t.index)-1)
		for t.index[i].place != 0 {
			i = (i + 1) & uint64(len(t.index)-1)
		}
		t.index[i] = slot{uint32(h >> 32), uint32(n + 1)}
	}
}

// merge adds u, which counted what came after t. Results of u are renumbered by
// rename.
func (t *tally) merge(u *tally, rename func(int32) int32) {
	t.flush()
	u.flush()
	t.syns += u.syns
	t.dropped += u.dropped
	t.optionless += u.optionless
	t.cut += u.cut
	for from := range u.all() {
		to := t.of(from.key, t.hash(&from.key))
		if to == nil {
			t.dropped += uint64(from.syns)
			continue
		}
		to.syns += from.syns
		if from.first != noTime {
			to.seen(from.first, from.last)
		}
		u.results(from, func(r int32) { t.note(to, rename(r)) })
		if n := u.left(from); n > 0 {
			t.further(to).left += n
		}
	}
}
