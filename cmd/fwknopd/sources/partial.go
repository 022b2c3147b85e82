package sources

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"fwknopd/fingerprint"
	"fwknopd/parse"
)

// A partial is what a [Counter] has counted, for the Counter of another process: partialMagic, items,
// and the CRC-32C of both, 4 bytes, which shows damage; who can write one can say anything. An item is
// its kind, its length as a varint, and so many bytes. Records stand in order of first appearance and
// refer to the names in front of them by number.
const partialMagic = "fwknopd partial 3\n"

// The kinds of items.
const (
	itemAbout   = 'a' // what the caller of WritePartial gave; the first item
	itemMatched = 'm' // the signatures of the next combination, from 0: their indexes, as varints
	itemUnknown = 'u' // the next kind of SYN that no signature fits: see appendUnknown
	itemTunnel  = 't' // the next path of tunnels, from 1: see appendPath
	itemRecord  = 'r' // a source: see record.appendTo, without the length and the order, its times since that of the last one
	itemKind    = 'k' // with Detail: a result as records have it, and its SYNs, as varints
	itemEnd     = 'e' // SYNs, those dropped, optionless, cut and without a result, and sources, 8 bytes each; the last item
)

const (
	// MaxAbout bounds what goes with a partial.
	MaxAbout = 4 << 20
	// maxItem bounds all other items.
	maxItem = 1 << 17
	// maxCombinations bounds those of a partial; a matcher has no more.
	maxCombinations = 1 << 14
	// maxDiffers bounds the fields in which a signature differs.
	maxDiffers = 16
	endSize    = 6 * 8
	sumSize    = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrPartial is the error of a partial that WritePartial did not write, or that was changed.
var ErrPartial = errors.New("not a partial result, or a damaged one")

func badPartial(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrPartial, fmt.Sprintf(format, a...))
}

var (
	errDetail  = errors.New("detail that was not asked for")
	errDecided = errors.New("a partial result has no decisions")
)

// WritePartial writes what c has counted of SYNs, after [Counter.Finish], for [Counter.MergePartial] of a
// Counter with the same Detail; about goes with it, at most [MaxAbout] bytes.
func (c *Counter) WritePartial(w io.Writer, about []byte) error {
	if len(about) > MaxAbout {
		return fmt.Errorf("a partial result with %d bytes about it", len(about))
	}
	p := partialWriter{w: bufio.NewWriterSize(w, writeBuffer), c: c}
	p.raw([]byte(partialMagic))
	p.item(itemAbout, about)
	if err := c.records(p.record); err != nil {
		return err
	}
	p.kinds()
	t := c.Totals()
	var end []byte
	for _, n := range []uint64{t.SYNs, t.Dropped, t.Optionless, t.Cut, c.untold, uint64(t.Sources)} {
		end = binary.LittleEndian.AppendUint64(end, n)
	}
	p.item(itemEnd, end)
	p.raw(binary.LittleEndian.AppendUint32(nil, p.sum))
	if p.err != nil {
		return p.err
	}
	return p.w.Flush()
}

// records calls f with a record of each source, in order of first appearance, after Finish.
func (c *Counter) records(f func(*record) error) error {
	if s := c.table.store; s != nil && len(s.sorted) > 0 {
		return inOrder(s.sorted, f)
	}
	var r record
	for i := range c.table.n {
		c.table.record(i, &r)
		if err := f(&r); err != nil {
			return err
		}
	}
	return nil
}

// A partialWriter writes items. Names get their numbers as records need them.
type partialWriter struct {
	w                           *bufio.Writer
	sum                         uint32 // of what was written
	c                           *Counter
	err                         error // the first
	matched, unmatched, tunnels []int32
	names                       [3]int32 // given to each of these
	since                       since
	buf, name                   []byte
}

// A since is the whole second of the first time of the last record that has one. The times of the next
// one count from it.
type since int64

func (s *since) subtract(r *record) {
	if r.timed() {
		next := since(r.first - r.first%second)
		r.first, r.last = r.first-int64(*s), r.last-int64(*s)
		*s = next
	}
}

// add is the reverse of subtract.
func (s *since) add(r *record) {
	if r.timed() {
		r.first, r.last = r.first+int64(*s), r.last+int64(*s)
		*s = since(r.first - r.first%second)
	}
}

func (p *partialWriter) raw(b []byte) {
	if p.err == nil {
		p.sum = crc32.Update(p.sum, castagnoli, b)
		_, p.err = p.w.Write(b)
	}
}

func (p *partialWriter) item(kind byte, b []byte) {
	var head [1 + binary.MaxVarintLen64]byte
	head[0] = kind
	p.raw(head[:1+binary.PutUvarint(head[1:], uint64(len(b)))])
	p.raw(b)
}

// result returns the number of a result, whose name it writes if it is new.
func (p *partialWriter) result(r int32) int32 {
	if r >= 0 {
		return p.number(&p.matched, 0, int(r), itemMatched, func() []byte {
			return appendSignatures(p.name[:0], p.c.opt.Matcher.Result(fingerprint.ID(r)))
		})
	}
	return ^p.number(&p.unmatched, 1, int(^r), itemUnknown, func() []byte {
		return appendUnknown(p.name[:0], &p.c.ids.unknown[^r])
	})
}

// kinds writes how many SYNs had each result.
func (p *partialWriter) kinds() {
	write := func(result int32, n uint64) {
		if n > 0 {
			number := p.result(result)
			p.buf = binary.AppendUvarint(binary.AppendVarint(p.buf[:0], int64(number)), n)
			p.item(itemKind, p.buf)
		}
	}
	for id, n := range p.c.matched {
		write(int32(id), n)
	}
	for i, n := range p.c.unmatched {
		write(^int32(i), n)
	}
}

// record writes r, which it changes, and the names that are new in it.
func (p *partialWriter) record(r *record) error {
	if r.decided != (decided{}) {
		return errDecided
	}
	for i, result := range r.results {
		r.results[i] = p.result(result)
	}
	if r.tunnel != 0 && r.tunnel != furtherPath {
		r.tunnel = 1 + uint16(p.number(&p.tunnels, 2, int(r.tunnel), itemTunnel, func() []byte {
			return appendPath(p.name[:0], p.c.table.paths[r.tunnel])
		}))
	}
	r.order = 0 // they stand in it
	p.since.subtract(r)
	p.buf = r.appendTo(p.buf[:0])
	p.item(itemRecord, p.buf[lengthSize:])
	return p.err
}

// number returns the number of a name, which it writes if it is new.
func (p *partialWriter) number(known *[]int32, list, i int, kind byte, encoded func() []byte) int32 {
	for len(*known) <= i {
		*known = append(*known, unknownName)
	}
	if (*known)[i] == unknownName {
		p.name = encoded()
		p.item(kind, p.name)
		(*known)[i] = p.names[list]
		p.names[list]++
	}
	return (*known)[i]
}

func appendSignatures(b []byte, sigs []*fingerprint.Signature) []byte {
	for _, s := range sigs {
		b = binary.AppendUvarint(b, uint64(s.Index))
	}
	return b
}

// appendUnknown appends the text, 1 + the index of the nearest signature or 0, and the fields in which
// that differs, to the end; each text with its length.
func appendUnknown(b []byte, u *Unknown) []byte {
	b = appendText(b, u.Text)
	nearest := uint64(0)
	if u.Nearest != nil {
		nearest = uint64(u.Nearest.Index) + 1
	}
	b = binary.AppendUvarint(b, nearest)
	for _, field := range u.Differs {
		b = appendText(b, field)
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendPath appends kind, whether there is a number, and that, 6 bytes a tunnel.
func appendPath(b []byte, path parse.TunnelPath) []byte {
	for _, t := range path {
		numbered := byte(0)
		if t.Numbered {
			numbered = 1
		}
		b = binary.LittleEndian.AppendUint32(append(b, byte(t.Kind), numbered), t.Number)
	}
	return b
}
