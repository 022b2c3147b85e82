package stats

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"net/netip"
)

const (
	// maxPairs is how many pairs of source and port are distinguished. Of more a sample is kept.
	maxPairs = 1 << 15
	// minPairSlots is the first size of their table.
	minPairSlots = 1 << 12
	// placeBits are those of a key that hold the place of the port.
	placeBits = 18
)

// pairSeed is that of the hash, the same for all tables of a process so that they can be merged, and not
// known to an attacker.
var pairSeed = [2]uint64{rand.Uint64(), rand.Uint64()}

// pairs is a set of pairs of source and port, from which sources are counted by port. It is exact
// up to maxPairs. Then only pairs are kept whose hash begins with so many zero bits (distinct
// sampling, Gibbons 2001): each stands for 1<<zeros pairs.
type pairs struct {
	seed  [2]uint64
	keys  []uint64 // a power of two of slots, at most half of them used; 0 is free
	n     int
	zeros uint
}

// add adds a pair.
func (t *pairs) add(src netip.Addr, place int) {
	a := src.As16()
	hi, lo := bits.Mul64(binary.LittleEndian.Uint64(a[:])^t.seed[0], binary.LittleEndian.Uint64(a[8:])^t.seed[1])
	hi, lo = bits.Mul64(hi^lo^uint64(place)*0x9e3779b97f4a7c15, t.seed[0]|1)
	if key := (hi^lo)&^(1<<placeBits-1) | uint64(place+1); t.sampled(key) {
		t.insert(key)
	}
}

// sampled reports whether a key is in the sample.
func (t *pairs) sampled(key uint64) bool { return uint(bits.LeadingZeros64(key)) >= t.zeros }

// insert adds a key of the sample.
func (t *pairs) insert(key uint64) {
	if t.keys == nil {
		t.keys = make([]uint64, minPairSlots)
	}
	mask := uint64(len(t.keys) - 1)
	i := key >> placeBits & mask
	for t.keys[i] != 0 {
		if t.keys[i] == key {
			return
		}
		i = (i + 1) & mask
	}
	t.keys[i] = key
	if t.n++; 2*t.n <= len(t.keys) {
		return
	}
	if t.n > maxPairs {
		t.zeros++
		t.rebuild(len(t.keys))
	} else {
		t.rebuild(2 * len(t.keys))
	}
}

// rebuild puts the keys of the sample into a table of that size.
func (t *pairs) rebuild(slots int) {
	old := t.keys
	t.keys, t.n = make([]uint64, slots), 0
	for _, key := range old {
		if key != 0 && t.sampled(key) {
			t.insert(key)
		}
	}
}

// merge adds o.
func (t *pairs) merge(o *pairs) {
	if t.zeros < o.zeros {
		t.zeros = o.zeros
		t.rebuild(max(len(t.keys), minPairSlots))
	}
	for _, key := range o.keys {
		if key != 0 && t.sampled(key) {
			t.insert(key)
		}
	}
}

// estimated reports whether the numbers are estimates.
func (t *pairs) estimated() bool { return t.zeros > 0 }

// sources returns the number of sources by place.
func (t *pairs) sources() []uint64 {
	n := make([]uint64, portPlaces)
	for _, key := range t.keys {
		if key != 0 {
			n[key&(1<<placeBits-1)-1] += 1 << t.zeros
		}
	}
	return n
}
