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

// A record is one sighting. It holds no pointers, so that a million of them cost
// the garbage collector nothing.
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

// chunkLen records make one chunk: growing never copies records.
const chunkLen = 4096

// A table is a set of records: chunks of them in order of arrival, and a hash
// index of 4 bytes a slot with linear probing, at most 3/4 full. At a million
// records it takes 56 MB. The zero value is empty and ready.
type table struct {
	chunks [][]record
	n      int
	slots  []uint32 // record number + 1; 0: free
}

func (t *table) at(i int) *record { return &t.chunks[i/chunkLen][i%chunkLen] }

func (t *table) find(k id) *record {
	if t.n == 0 {
		return nil
	}
	mask := uint64(len(t.slots) - 1)
	for i := binary.LittleEndian.Uint64(k[:]) & mask; ; i = (i + 1) & mask {
		s := t.slots[i]
		if s == 0 {
			return nil
		}
		if r := t.at(int(s - 1)); r.id == k {
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
		t.chunks = append(t.chunks, make([]record, 0, chunkLen))
	}
	last := &t.chunks[len(t.chunks)-1]
	*last = append(*last, r)
	t.n++
	t.link(t.n - 1)
}

// index rebuilds the slots, size (a power of two) of them.
func (t *table) index(size int) {
	t.slots = make([]uint32, size)
	for i := range t.n {
		t.link(i)
	}
}

func (t *table) link(i int) {
	mask := uint64(len(t.slots) - 1)
	k := &t.at(i).id
	h := binary.LittleEndian.Uint64(k[:]) & mask
	for t.slots[h] != 0 {
		h = (h + 1) & mask
	}
	t.slots[h] = uint32(i + 1)
}

// drop removes the records to be kept only until before cutoff (Unix seconds).
func (t *table) drop(cutoff int64) {
	var left table
	for i := range t.n {
		if r := t.at(i); r.keep >= cutoff {
			left.insert(*r)
		}
	}
	*t = left
}
