package fingerprint

import (
	"encoding/binary"

	"fwknopd/parse"
)

// shape is all of a SYN that any signature can test; time stamps are reduced to zero or
// not zero and the TTL to its class, so that the SYNs of one system have few shapes, at
// any distance.
type shape [shapeWords]uint64

const (
	shapeHeader = 2 // words before the options
	shapeWords  = shapeHeader + parse.MaxOptions/8
)

// encode sets k to the shape of ev, whose options are known. It reports false if
// signatures test more than the shape holds.
func (k *shape) encode(ev *parse.Event, ttls *ttlClasses, conds *conditions) bool {
	met, all := conds.met(ev)
	var h header
	h.decode(ev)
	b := ev.Options()
	k[0] = uint64(h.window) | uint64(h.size)<<16 | uint64(ttls[h.ttl])<<32 | uint64(h.df)<<40 | uint64(len(b))<<48
	k[1] = uint64(h.quirks) | uint64(h.known)<<16 | uint64(met)<<32
	var buf [parse.MaxOptions]byte
	copy(buf[:], b)
	maskTimestamps(buf[:len(b)])
	for i := range parse.MaxOptions / 8 {
		k[shapeHeader+i] = binary.LittleEndian.Uint64(buf[8*i:])
	}
	return all
}

// ttlClasses numbers TTLs: those of one class fit the same initial TTLs.
type ttlClasses [256]uint8

func newTTLClasses(set *Set, maxHops int) *ttlClasses {
	var initial [256]bool
	for i := range set.sigs {
		initial[set.sigs[i].pattern.ttl] = true
	}
	var c ttlClasses
	for ttl := 1; ttl < len(c); ttl++ {
		c[ttl] = c[ttl-1]
		lost, won := ttl-1, ttl+maxHops-1 // what fits this TTL and not the one below, and the reverse
		if initial[lost] || 0 <= won && won < len(initial) && initial[won] {
			c[ttl]++
		}
	}
	return &c
}

// maskTimestamps replaces the numbers of time stamps that are not zero by one. It may
// run on past an option that [syn.decode] finds broken: nothing is read there.
func maskTimestamps(b []byte) {
	for i := 0; i < len(b); {
		switch {
		case b[i] == kindEnd:
			return
		case b[i] == kindNOP:
			i++
		case i+1 == len(b) || b[i+1] < 2:
			return
		default:
			n := int(b[i+1])
			if b[i] == kindTimestamp && n == 10 && i+n <= len(b) {
				for _, number := range [...][]byte{b[i+2:], b[i+6:]} {
					if binary.BigEndian.Uint32(number) != 0 {
						binary.BigEndian.PutUint32(number, 1)
					}
				}
			}
			i += n
		}
	}
}

// shapeCache is a two-way set-associative table of the shapes seen last. Its size is
// bounded: forged shapes can only evict others. Of the two entries of a set the older is
// replaced.
type shapeCache struct {
	sets   [][2]cacheEntry
	bits   uint // log2 of the number of sets
	misses int  // since it grew
}

// A cache starts with 128 KiB, room for several times the shapes in a million lines
// of a busy border, and grows once, to 512 KiB.
const (
	cacheBits    = 10
	cacheMaxBits = 12
)

type cacheEntry struct {
	shape shape // zero if not in use: a real one knows some quirks
	id    ID
}

// find returns the entry of k, and whether it holds k; if not, the caller fills it before
// the next find. The hash need not resist forgery: a collision costs no more than matching
// the signatures again.
func (c *shapeCache) find(k *shape) (*cacheEntry, bool) {
	var hash uint64 // a sum of products, of which the upper bits are good
	for i, w := range k {
		hash += (w ^ w>>32) * hashFactors[i]
	}
	set := &c.sets[hash>>(64-c.bits)]
	if set[0].shape == *k {
		return &set[0], true
	}
	if set[1].shape == *k {
		return &set[1], true
	}
	if c.misses++; c.misses > 2*len(c.sets) && c.bits < cacheMaxBits {
		*c = newShapeCache(cacheMaxBits) // what it held comes again
		set = &c.sets[hash>>(64-c.bits)]
	}
	set[1] = set[0]
	return &set[0], false
}

// newShapeCache makes an empty table. It is cleared nevertheless: a page of fresh
// memory that is read before it is written faults twice, and the second fault
// interrupts the other cores.
func newShapeCache(bits uint) shapeCache {
	c := shapeCache{sets: make([][2]cacheEntry, 1<<bits), bits: bits}
	clear(c.sets)
	return c
}

// hashFactors are odd and otherwise arbitrary: bits of the fractional parts of the
// square roots of the first primes.
var hashFactors = [shapeWords]uint64{
	0x6a09e667f3bcc909, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
	0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b,
}
