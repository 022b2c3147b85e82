package sources

import (
	"encoding/binary"
	"errors"
)

// A record is all that a table has on one source, apart from the table.
type record struct {
	key         [16]byte
	order       uint64 // of its first appearance
	first, last int64  // as in Source
	syns        uint32
	tunnel      uint16 // index in table.paths
	results     []int32
	omitted     uint32 // results left out
	decided     decided
	votes       uint32 // for its ports; 0: it has none
	ports       portCounts
}

// record puts what t has on source number i into r, whose results are reused.
func (t *table) record(i int, r *record) {
	s := t.at(i)
	results := r.results[:0]
	t.results(s, func(result int32) { results = append(results, result) })
	*r = record{
		key: s.key, order: t.order(i), first: s.first, last: s.last, syns: s.syns, tunnel: s.tunnel,
		results: results, omitted: t.omitted(s), decided: t.decisionsOf(i),
	}
	if counts, votes := t.ports.of(i); counts != nil {
		r.ports, r.votes = *counts, max(votes, 1)
	}
}

// take adds what is on record of a source, after what t has on it. It reports whether t has room
// for the source.
func (t *table) take(r *record) bool {
	i := t.findOrAdd(r.key, r.tunnel, hash(&r.key, r.tunnel))
	if i < 0 {
		return false
	}
	s := t.at(i)
	s.syns += r.syns
	s.first, s.last = min(s.first, r.first), max(s.last, r.last)
	for _, result := range r.results {
		t.addResult(s, result)
	}
	if r.omitted > 0 {
		t.overflowOf(s).omitted += r.omitted
	}
	if t.ports != nil && r.votes > 0 {
		t.ports.merge(i, &r.ports, r.votes)
	}
	if r.decided != (decided{}) {
		t.decide(i, r.decided)
	}
	return true
}

// A record in a file is its length after that field, 4 bytes; the fields up to tunnel in their
// order; flags; and, if the flag is set, each of: the number of results and these, as varints;
// results left out; decisions; ports. Numbers are little-endian.
const (
	hasResults = 1 << iota
	hasOmitted
	hasDecided
	hasPorts
)

const (
	lengthSize = 4
	fixedSize  = 16 + 8 + 8 + 8 + 4 + 2 + 1
	portsSize  = 4 + 4 + 4 + 8*portsOfSource
	// maxRecord bounds the size of a record.
	maxRecord = lengthSize + fixedSize + binary.MaxVarintLen32*(MaxResults+1) + 4 + 8 + portsSize
)

// appendTo appends r as it is in a file.
func (r *record) appendTo(b []byte) []byte {
	begin := len(b)
	le := binary.LittleEndian
	b = append(b, 0, 0, 0, 0)
	b = append(b, r.key[:]...)
	b = le.AppendUint64(b, r.order)
	b = le.AppendUint64(b, uint64(r.first))
	b = le.AppendUint64(b, uint64(r.last))
	b = le.AppendUint32(b, r.syns)
	b = le.AppendUint16(b, r.tunnel)
	flags := len(b)
	b = append(b, 0)
	if len(r.results) > 0 {
		b[flags] |= hasResults
		b = binary.AppendUvarint(b, uint64(len(r.results)))
		for _, result := range r.results {
			b = binary.AppendVarint(b, int64(result))
		}
	}
	if r.omitted > 0 {
		b[flags] |= hasOmitted
		b = le.AppendUint32(b, r.omitted)
	}
	if r.decided != (decided{}) {
		b[flags] |= hasDecided
		b = le.AppendUint32(le.AppendUint32(b, r.decided.granted), r.decided.refused)
	}
	if r.votes > 0 {
		b[flags] |= hasPorts
		b = r.ports.appendTo(le.AppendUint32(b, r.votes))
	}
	le.PutUint32(b[begin:], uint32(len(b)-begin-lengthSize))
	return b
}

func (c *portCounts) appendTo(b []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint32(le.AppendUint32(b, c.rest), c.n)
	for i := range c.port {
		b = le.AppendUint32(le.AppendUint32(b, uint32(c.port[i])), c.count[i])
	}
	return b
}

// errDamaged is the error of a file that does not hold what was written.
var errDamaged = errors.New("a temporary file has changed")

// decode reads what appendTo wrote, without the length. The results of r are reused.
func (r *record) decode(b []byte) error {
	if len(b) < fixedSize {
		return errDamaged
	}
	le := binary.LittleEndian
	*r = record{
		key: [16]byte(b), order: le.Uint64(b[16:]), first: int64(le.Uint64(b[24:])), last: int64(le.Uint64(b[32:])),
		syns: le.Uint32(b[40:]), tunnel: le.Uint16(b[44:]), results: r.results[:0],
	}
	flags, rest := b[46], fields(b[fixedSize:])
	if flags&hasResults != 0 {
		n := rest.uvarint()
		if n > MaxResults {
			return errDamaged
		}
		for range n {
			r.results = append(r.results, int32(rest.varint()))
		}
	}
	if flags&hasOmitted != 0 {
		r.omitted = rest.uint32()
	}
	if flags&hasDecided != 0 {
		r.decided = decided{rest.uint32(), rest.uint32()}
	}
	if flags&hasPorts != 0 {
		if r.votes = rest.uint32(); r.votes == 0 {
			return errDamaged
		}
		r.ports.rest, r.ports.n = rest.uint32(), rest.uint32()
		for i := range r.ports.port {
			r.ports.port[i], r.ports.count[i] = portKey(rest.uint32()), rest.uint32()
		}
	}
	if rest == nil || len(rest) > 0 || r.ports.n > portsOfSource {
		return errDamaged
	}
	return nil
}

// fields are what is left of a record; nil if something was missing.
type fields []byte

func (f *fields) uint32() uint32 {
	if len(*f) < 4 {
		*f = nil
		return 0
	}
	v := binary.LittleEndian.Uint32(*f)
	*f = (*f)[4:]
	return v
}

func (f *fields) uvarint() uint64 {
	v, n := binary.Uvarint(*f)
	f.skip(n)
	return v
}

func (f *fields) varint() int64 {
	v, n := binary.Varint(*f)
	f.skip(n)
	return v
}

func (f *fields) skip(n int) {
	if n <= 0 {
		*f = nil
		return
	}
	*f = (*f)[n:]
}

// rename puts the numbers of results and of the tunnel in place of those of another table; with nil
// they are the same.
func (r *record) rename(n *names) {
	if n == nil {
		return
	}
	r.tunnel = n.tunnel(r.tunnel)
	kept := r.results[:0]
	for _, result := range r.results {
		if result = n.result(result); result == omittedResult {
			r.omitted++
			continue
		}
		kept = append(kept, result)
	}
	r.results = kept
}
