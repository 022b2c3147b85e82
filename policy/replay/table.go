package replay

import (
	"encoding/binary"
	"math"
	"net/netip"
	"time"
)

// An id is the first 64 bits of a digest, which a Go map indexes without a hash of its
// own. That a fresh message shares one with any of ten million records has a chance
// below 1 in 10^12; it would be refused as seen, and nothing would be granted.
type id uint64

// A record is the first sighting of one message.
type record struct {
	id   id
	src  [16]byte // IPv4 as mapped; zero: unknown
	seen int64    // Unix microseconds; 0: unknown
	keep int64    // Unix seconds: to be dropped once this is before the cutoff
	sent int64    // Unix seconds; 0: unknown. A table does not have it
}

// accepted returns the time stamp of the message of r, in Unix seconds, if the clocks of
// client and server agreed on it, else 0: then one of the clocks was wrong.
func (r *record) accepted(maxAge time.Duration) int64 {
	seen, limit := r.seen/1e6, int64(maxAge/time.Second)
	if age := seen - r.sent; age > limit || -age > limit {
		return 0
	}
	return r.sent
}

// forever is the keep value of a record whose age is unknown.
const forever = math.MaxInt64

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

// A table is a set of records. It holds no pointers but to its chunks, so that the
// garbage collector does not look at the records. The zero value is empty and ready.
type table struct {
	index  map[id]uint32 // number of the entry
	chunks [][]entry     // in order of insertion
	v6     [][16]byte    // IPv6 addresses
}

// chunkLen entries make one chunk: growing copies none.
const chunkLen = 4096

// An entry is a record without its id in 16 bytes.
type entry struct {
	src  uint32 // an IPv4 address, or an index into table.v6
	keep uint32 // the largest value: for ever
	seen int64  // shifted left by two, with the kind of src
}

// The kinds of entry.src.
const (
	srcUnknown = iota
	srcIPv4
	srcIPv6
	srcMask = 3
)

// seenLimit is as far from 1970 as entry.seen reaches, in microseconds.
const seenLimit = 1 << 60

// find returns the record of k.
func (t *table) find(k id) (record, bool) {
	i, ok := t.index[k]
	if !ok {
		return record{}, false
	}
	return t.unpack(k, t.chunks[i/chunkLen][i%chunkLen]), true
}

// drop removes the records whose keep is before cutoff (Unix seconds).
func (t *table) drop(cutoff int64) {
	var left table
	for k, i := range t.index {
		if r := t.unpack(k, t.chunks[i/chunkLen][i%chunkLen]); r.keep >= cutoff {
			left.insert(r)
		}
	}
	*t = left
}

// insert adds r, whose id must be absent.
func (t *table) insert(r record) {
	if t.index == nil {
		t.index = make(map[id]uint32)
	}
	n := t.len()
	if n%chunkLen == 0 {
		t.chunks = append(t.chunks, make([]entry, 0, chunkLen))
	}
	last := &t.chunks[len(t.chunks)-1]
	*last = append(*last, t.pack(&r))
	t.index[r.id] = uint32(n)
}

func (t *table) len() int { return len(t.index) }

func (t *table) pack(r *record) entry {
	e := entry{keep: uint32(min(max(r.keep, 0), math.MaxUint32)), seen: min(max(r.seen, -seenLimit), seenLimit) << 2}
	switch a := netip.AddrFrom16(r.src); {
	case a.IsUnspecified():
	case a.Is4In6():
		e.src = binary.BigEndian.Uint32(r.src[12:])
		e.seen |= srcIPv4
	default:
		e.src = uint32(len(t.v6))
		e.seen |= srcIPv6
		t.v6 = append(t.v6, r.src)
	}
	return e
}

func (t *table) unpack(k id, e entry) record {
	r := record{id: k, keep: e.keepUntil(), seen: e.seen >> 2}
	switch e.seen & srcMask {
	case srcIPv4:
		r.src = netip.AddrFrom4([4]byte{byte(e.src >> 24), byte(e.src >> 16), byte(e.src >> 8), byte(e.src)}).As16()
	case srcIPv6:
		r.src = t.v6[e.src]
	}
	return r
}

func (e entry) keepUntil() int64 {
	if e.keep == math.MaxUint32 {
		return forever
	}
	return int64(e.keep)
}
