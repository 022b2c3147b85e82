package sources

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"slices"
)

// A File is a place for what does not fit into memory. It is written from its beginning to its
// end, and then read.
type File interface {
	io.Writer
	io.ReaderAt
	io.Closer
}

// A run is a file of records, sorted by a key.
type run struct {
	file  File
	size  int64
	level int    // how often its records were merged
	base  uint64 // to be added to the order of its records
	names *names // from its numbers to those of the table; nil if they are the same
}

// A sortKey is what the records of a run are sorted by. Those of equal keys stand in order of first
// appearance.
type sortKey func(*record) uint64

// bySource has the records of one source stand together.
func bySource(r *record) uint64 { return hash(&r.key, 0) }

// byOrder is the order of first appearance.
func byOrder(r *record) uint64 { return r.order }

const (
	writeBuffer = 1 << 16
	readBuffer  = 1 << 14 // above maxRecord
)

// A runWriter writes a run.
type runWriter struct {
	buf *bufio.Writer
	run run
}

func newRunWriter(create func() (File, error), level int) (*runWriter, error) {
	f, err := create()
	if err != nil {
		return nil, err
	}
	return &runWriter{buf: bufio.NewWriterSize(f, writeBuffer), run: run{file: f, level: level}}, nil
}

// write writes an encoded record.
func (w *runWriter) write(record []byte) error {
	w.run.size += int64(len(record))
	_, err := w.buf.Write(record)
	return err
}

// done returns the run, closing its file if err, which is that of writing, or the last write fails.
func (w *runWriter) done(err error) (*run, error) {
	if err == nil {
		err = w.buf.Flush()
	}
	if err != nil {
		w.run.file.Close()
		return nil, err
	}
	return &w.run, nil
}

// writeSorted writes a run of n records in the order of their keys, of equal keys in the order of
// their numbers. appendRecord appends record number i in its encoded form.
func writeSorted(create func() (File, error), n int, key func(i int) uint64, appendRecord func(b []byte, i int) []byte) (*run, error) {
	w, err := newRunWriter(create, 0)
	if err != nil {
		return nil, err
	}
	type entry struct {
		key    uint64
		number uint32
	}
	order := make([]entry, n)
	for i := range order {
		order[i] = entry{key(i), uint32(i)}
	}
	slices.SortFunc(order, func(a, b entry) int {
		if a.key != b.key { // nearly always
			return cmp.Compare(a.key, b.key)
		}
		return cmp.Compare(a.number, b.number)
	})
	var encoded []byte
	for _, e := range order {
		encoded = appendRecord(encoded[:0], int(e.number))
		if err = w.write(encoded); err != nil {
			break
		}
	}
	return w.done(err)
}

// A cursor reads a run.
type cursor struct {
	run  *run
	buf  *bufio.Reader
	key  uint64 // of record
	from int    // number of the run, which tells records of equal keys apart
	record
}

func newCursor(r *run, from int) *cursor {
	return &cursor{run: r, from: from, buf: bufio.NewReaderSize(io.NewSectionReader(r.file, 0, r.size), readBuffer)}
}

// next reads the next record; io.EOF after the last one.
func (c *cursor) next(key sortKey) error {
	head, err := c.buf.Peek(lengthSize)
	if err != nil {
		if len(head) > 0 {
			return errDamaged
		}
		return err
	}
	size := binary.LittleEndian.Uint32(head)
	if size > maxRecord {
		return errDamaged
	}
	whole, err := c.buf.Peek(lengthSize + int(size))
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = errDamaged
		}
		return err
	}
	if err := c.decode(whole[lengthSize:]); err != nil {
		return err
	}
	c.buf.Discard(len(whole))
	c.order += c.run.base
	c.rename(c.run.names)
	c.key = key(&c.record)
	return nil
}

// A merger reads several runs in the order of their key.
type merger struct {
	key  sortKey
	heap []*cursor // a binary heap; the first is the next
}

// newMerger begins to read runs, of which those with earlier records come first.
func newMerger(runs []*run, key sortKey) (*merger, error) {
	m := &merger{key: key}
	for i, r := range runs {
		c := newCursor(r, i)
		switch err := c.next(key); {
		case err == nil:
			m.heap = append(m.heap, c)
		case !errors.Is(err, io.EOF):
			return nil, err
		}
	}
	for i := len(m.heap)/2 - 1; i >= 0; i-- {
		m.down(i)
	}
	return m, nil
}

// record returns the next record, which is valid until next; nil after the last one.
func (m *merger) record() *record {
	if len(m.heap) == 0 {
		return nil
	}
	return &m.heap[0].record
}

// second returns the cursor of the record after the next one; nil if there is none.
func (m *merger) second() *cursor {
	switch {
	case len(m.heap) < 2:
		return nil
	case len(m.heap) > 2 && m.heap[2].before(m.heap[1]):
		return m.heap[2]
	}
	return m.heap[1]
}

// next goes on to the record after the next one.
func (m *merger) next() error {
	switch err := m.heap[0].next(m.key); {
	case errors.Is(err, io.EOF):
		last := len(m.heap) - 1
		m.heap[0] = m.heap[last]
		m.heap = m.heap[:last]
	case err != nil:
		return err
	}
	m.down(0)
	return nil
}

// down restores the heap below i.
func (m *merger) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(m.heap) {
			return
		}
		if child+1 < len(m.heap) && m.heap[child+1].before(m.heap[child]) {
			child++
		}
		if !m.heap[child].before(m.heap[i]) {
			return
		}
		m.heap[i], m.heap[child] = m.heap[child], m.heap[i]
		i = child
	}
}

func (c *cursor) before(d *cursor) bool {
	return c.key < d.key || c.key == d.key && c.from < d.from
}
