package sources

import (
	"encoding/binary"
	"errors"
	"math"
	"time"

	"fwknopd/cmd/fwknopd/codec"
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

// A record in a file is its length after that field, 4 bytes; flags; the address, 4 bytes with isIPv4,
// else 16; its order and SYNs; and, if the flag is set, each of: the first time, in seconds with
// wholeSeconds, else in ns, and how much later the last one is; the tunnel; the number of results and
// these; results left out; decisions; votes, and records of ports without a place, the number of ports,
// and each with its records. Numbers are varints.
const (
	isIPv4 = 1 << iota
	hasTime
	wholeSeconds
	hasTunnel
	hasResults
	hasOmitted
	hasDecided
	hasPorts
)

const (
	lengthSize = 4
	keySize    = 16
	v4Size     = 4
	prefixSize = keySize - v4Size
	second     = int64(time.Second)
	portsSize  = binary.MaxVarintLen32 * (3 + 2*portsOfSource)
	// maxRecord bounds the size of a record.
	maxRecord = lengthSize + 1 + keySize + 4*binary.MaxVarintLen64 + binary.MaxVarintLen16 +
		binary.MaxVarintLen32*(1+MaxResults+1+2) + portsSize
)

// appendTo appends r as it is in a file.
func (r *record) appendTo(b []byte) []byte {
	begin := len(b)
	flags := r.flags()
	b = append(b, 0, 0, 0, 0, flags)
	if flags&isIPv4 != 0 {
		b = append(b, r.key[prefixSize:]...)
	} else {
		b = append(b, r.key[:]...)
	}
	b = binary.AppendUvarint(b, r.order)
	b = binary.AppendUvarint(b, uint64(r.syns))
	if flags&hasTime != 0 {
		first, last := r.first, r.last
		if flags&wholeSeconds != 0 {
			first, last = first/second, last/second
		}
		b = binary.AppendUvarint(binary.AppendVarint(b, first), uint64(last-first))
	}
	if flags&hasTunnel != 0 {
		b = binary.AppendUvarint(b, uint64(r.tunnel))
	}
	if flags&hasResults != 0 {
		b = binary.AppendUvarint(b, uint64(len(r.results)))
		for _, result := range r.results {
			b = binary.AppendVarint(b, int64(result))
		}
	}
	if flags&hasOmitted != 0 {
		b = binary.AppendUvarint(b, uint64(r.omitted))
	}
	if flags&hasDecided != 0 {
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(r.decided.granted)), uint64(r.decided.refused))
	}
	if flags&hasPorts != 0 {
		b = r.ports.appendTo(binary.AppendUvarint(b, uint64(r.votes)))
	}
	binary.LittleEndian.PutUint32(b[begin:], uint32(len(b)-begin-lengthSize))
	return b
}

// flags returns those of r.
func (r *record) flags() (flags byte) {
	for _, f := range [...]struct {
		set  bool
		flag byte
	}{
		{[prefixSize]byte(r.key[:]) == mapped, isIPv4},
		{r.timed(), hasTime},
		{r.first%second == 0 && r.last%second == 0, wholeSeconds},
		{r.tunnel != 0, hasTunnel},
		{len(r.results) > 0, hasResults},
		{r.omitted > 0, hasOmitted},
		{r.decided != decided{}, hasDecided},
		{r.votes > 0, hasPorts},
	} {
		if f.set {
			flags |= f.flag
		}
	}
	return flags
}

func (r *record) timed() bool { return r.first != math.MaxInt64 || r.last != noTime }

// mapped is what an IPv4 address in its mapped form begins with.
var mapped = [prefixSize]byte{10: 0xff, 11: 0xff}

func (c *portCounts) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(c.rest)), uint64(c.n))
	for i := range c.n {
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(c.port[i])), uint64(c.count[i]))
	}
	return b
}

// errDamaged is the error of a file that does not hold what was written.
var errDamaged = errors.New("a temporary file has changed")

// decode reads what appendTo wrote, without the length. The results of r are reused.
func (r *record) decode(b []byte) error {
	if len(b) == 0 {
		return errDamaged
	}
	flags, rest := b[0], codec.NewFields(b[1:])
	*r = record{results: r.results[:0], first: math.MaxInt64, last: noTime}
	if flags&isIPv4 != 0 {
		copy(r.key[:], mapped[:])
		copy(r.key[prefixSize:], rest.Bytes(v4Size))
	} else {
		copy(r.key[:], rest.Bytes(keySize))
	}
	r.order, r.syns = rest.Number(math.MaxUint64), uint32(rest.Number(math.MaxUint32))
	if flags&hasTime != 0 {
		r.first = rest.Signed()
		r.last = r.first + int64(rest.Number(math.MaxUint64))
		if flags&wholeSeconds != 0 {
			r.first, r.last = r.first*second, r.last*second
		}
	}
	if flags&hasTunnel != 0 {
		r.tunnel = uint16(rest.Number(math.MaxUint16))
	}
	if flags&hasResults != 0 {
		n := rest.Number(math.MaxUint64)
		if n > MaxResults {
			return errDamaged
		}
		for range n {
			r.results = append(r.results, int32(rest.Signed()))
		}
	}
	if flags&hasOmitted != 0 {
		r.omitted = uint32(rest.Number(math.MaxUint32))
	}
	if flags&hasDecided != 0 {
		r.decided = decided{uint32(rest.Number(math.MaxUint32)), uint32(rest.Number(math.MaxUint32))}
	}
	if flags&hasPorts != 0 && !r.decodePorts(&rest) || !rest.Whole() {
		return errDamaged
	}
	return nil
}

// decodePorts reads votes and ports; false if they are none.
func (r *record) decodePorts(rest *codec.Fields) bool {
	r.votes = uint32(rest.Number(math.MaxUint32))
	r.ports.rest, r.ports.n = uint32(rest.Number(math.MaxUint32)), uint32(rest.Number(math.MaxUint32))
	if r.votes == 0 || r.ports.n > portsOfSource {
		return false
	}
	for i := range r.ports.n {
		r.ports.port[i], r.ports.count[i] = portKey(rest.Number(math.MaxUint32)), uint32(rest.Number(math.MaxUint32))
	}
	return true
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
