package replay

import (
	"encoding/binary"
	"math"
	"net/netip"
	"time"
)

// id is the first half of a digest: 128 bits, so that a chance match (which would
// refuse an innocent message, never admit a guilty one) does not happen.
type id [16]byte

// forever is the keep value of a record whose age is unknown.
const forever = math.MaxInt64

// A record is one sighting.
type record struct {
	id   id
	src  [16]byte // IPv4 as mapped; zero: unknown
	seen int64    // Unix microseconds; 0: unknown
	keep int64    // Unix seconds: droppable once this is before the cutoff
}

func (r *record) first() First {
	var f First
	if r.seen != 0 {
		f.Time = time.UnixMicro(r.seen).UTC()
	}
	if a := netip.AddrFrom16(r.src); !a.IsUnspecified() {
		f.Src = a.Unmap()
	}
	return f
}

// packed is a record in 32 bytes. It holds no pointers, so that a million of them
// cost the garbage collector nothing.
type packed struct {
	id   id
	src  uint32 // an IPv4 address, or an index into table.v6
	keep uint32 // the largest value: for ever
	seen int64  // shifted left by two, with the kind of src
}

// The kinds of packed.src.
const (
	srcUnknown = iota
	srcIPv4
	srcIPv6
	srcMask = 3
)

// seenLimit is as far from 1970 as packed.seen reaches, in microseconds.
const seenLimit = 1 << 60

func (t *table) pack(r *record) packed {
	p := packed{id: r.id, keep: uint32(min(max(r.keep, 0), math.MaxUint32)), seen: min(max(r.seen, -seenLimit), seenLimit) << 2}
	switch a := netip.AddrFrom16(r.src); {
	case a.IsUnspecified():
	case a.Is4In6():
		p.src = binary.BigEndian.Uint32(r.src[12:])
		p.seen |= srcIPv4
	default:
		p.src = uint32(len(t.v6))
		p.seen |= srcIPv6
		t.v6 = append(t.v6, r.src)
	}
	return p
}

func (t *table) unpack(p *packed) record {
	r := record{id: p.id, keep: int64(p.keep), seen: p.seen >> 2}
	if p.keep == math.MaxUint32 {
		r.keep = forever
	}
	switch p.seen & srcMask {
	case srcIPv4:
		r.src = netip.AddrFrom4([4]byte{byte(p.src >> 24), byte(p.src >> 16), byte(p.src >> 8), byte(p.src)}).As16()
	case srcIPv6:
		r.src = t.v6[p.src]
	}
	return r
}

// chunkLen records make one chunk: growing never copies records.
const chunkLen = 4096

// maxReserve bounds the slots made ahead: a file may claim to be of any size.
const maxReserve = 1 << 22

// A table is a set of records: chunks of them in order of arrival, and a hash
// index with linear probing, at most 3/4 full. At a million records it takes
// 48 MB. The zero value is empty and ready.
type table struct {
	chunks [][]packed
	v6     [][16]byte
	n      int
	slots  []slot
}

// A slot is a place of the index. Its tag spares a look, which is a cache miss, at
// records with another id.
type slot struct {
	tag   uint32
	place uint32 // record number + 1; 0: free
}

func (k *id) tag() uint32 { return binary.LittleEndian.Uint32(k[8:]) }

func (t *table) at(i int) *packed { return &t.chunks[i/chunkLen][i%chunkLen] }

// find returns the record of k, nil if there is none.
func (t *table) find(k id) *packed {
	if t.n == 0 {
		return nil
	}
	mask := uint64(len(t.slots) - 1)
	for i := binary.LittleEndian.Uint64(k[:]) & mask; ; i = (i + 1) & mask {
		s := t.slots[i]
		if s.place == 0 {
			return nil
		}
		if s.tag != k.tag() {
			continue
		}
		if r := t.at(int(s.place - 1)); r.id == k {
			return r
		}
	}
}

// insert adds r, whose id must be absent.
func (t *table) insert(r record) {
	if 4*(t.n+1) > 3*len(t.slots) {
		t.index(max(1024, 2*len(t.slots)))
	}
	if t.n%chunkLen == 0 {
		t.chunks = append(t.chunks, make([]packed, 0, chunkLen))
	}
	last := &t.chunks[len(t.chunks)-1]
	*last = append(*last, t.pack(&r))
	t.n++
	t.link(t.n - 1)
}

// reserve makes room in the index for n records, within reason.
func (t *table) reserve(n int64) {
	size := 1024
	for int64(size)*3/4 < n && size < maxReserve {
		size *= 2
	}
	if size > len(t.slots) {
		t.index(size)
	}
}

// index rebuilds the slots, size (a power of two) of them.
func (t *table) index(size int) {
	t.slots = make([]slot, size)
	for i := range t.n {
		t.link(i)
	}
}

func (t *table) link(i int) {
	mask := uint64(len(t.slots) - 1)
	k := &t.at(i).id
	h := binary.LittleEndian.Uint64(k[:]) & mask
	for t.slots[h].place != 0 {
		h = (h + 1) & mask
	}
	t.slots[h] = slot{k.tag(), uint32(i + 1)}
}

// drop removes the records to be kept only until before cutoff (Unix seconds).
func (t *table) drop(cutoff int64) {
	var left table
	for i := range t.n {
		if r := t.unpack(t.at(i)); r.keep >= cutoff {
			left.insert(r)
		}
	}
	*t = left
}
