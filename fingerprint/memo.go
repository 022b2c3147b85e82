package fingerprint

import (
	"encoding/binary"
	"math/bits"

	"fwknopd/parse"
)

// shape is all of a SYN that any signature can look at; time stamps are reduced
// to zero or not zero, so that the SYNs of one system have few shapes.
type shape [shapeWords]uint64

const (
	shapeHeader = 2 // words before the options
	shapeWords  = shapeHeader + parse.MaxOptions/8
)

// of takes the shape of ev, whose options are known.
func (k *shape) of(ev *parse.Event) {
	var s syn
	s.header(ev)
	b := ev.Options()
	k[0] = uint64(s.window) | uint64(s.size)<<16 | uint64(s.ttl)<<32 | uint64(s.df)<<40 | uint64(len(b))<<48
	k[1] = uint64(s.quirks) | uint64(s.known)<<16
	var buf [parse.MaxOptions]byte
	copy(buf[:], b)
	dullStamps(buf[:len(b)])
	for i := range parse.MaxOptions / 8 {
		k[shapeHeader+i] = binary.LittleEndian.Uint64(buf[8*i:])
	}
}

// dullStamps replaces the numbers of time stamps that are not zero by one.
func dullStamps(b []byte) {
	for i := 0; i < len(b); {
		if b[i] == kindTimestamp && i+10 <= len(b) && b[i+1] == 10 {
			dull(b[i+2 : i+6])
			dull(b[i+6 : i+10])
		}
		n := optionLen(b[i:])
		if n == 0 || b[i] == kindEnd {
			return
		}
		i += n
	}
}

func dull(b []byte) {
	if binary.BigEndian.Uint32(b) != 0 {
		binary.BigEndian.PutUint32(b, 1)
	}
}

// memo is a table of the shapes seen last. Its size is constant: whoever forges
// shapes can only push others out. A shape has two places; the one used longer
// ago makes room.
type memo [memoSets][2]memoSlot

// memoSets bounds the memory of a Matcher to 4 MiB, enough for twice the shapes
// of a million-line log of a busy border.
const memoSets = 1 << 15

type memoSlot struct {
	shape shape
	id    ID
	used  bool
}

// find returns the place of k, and whether k is there; if not, the caller fills
// the place.
func (m *memo) find(k *shape) (*memoSlot, bool) {
	set := &m[k.hash()%memoSets]
	if set[0].used && set[0].shape == *k {
		return &set[0], true
	}
	if set[1].used && set[1].shape == *k {
		return &set[1], true
	}
	set[1] = set[0]
	set[0].used = true
	return &set[0], false
}

// hash mixes the words by multiplication; it need not resist forgery, a bad hash
// costs no more than the work it saves.
func (k *shape) hash() uint64 {
	h := uint64(0x9e3779b97f4a7c15)
	for _, w := range k {
		hi, lo := bits.Mul64(h^w, 0xd6e8feb86659fd93)
		h = hi ^ lo
	}
	return h
}
