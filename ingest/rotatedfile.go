package ingest

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/fnv"
	"io"
	"os"
	"sync/atomic"
	"time"

	"fwknopd/parse"
)

// A fileID identifies a file for as long as it exists, and after that too
// where the file system stores its time of creation.
type fileID struct {
	dev, ino uint64
	born     int64
}

// fileStat is what stat returns of a file.
type fileStat struct {
	fileID
	size    int64
	mtime   int64
	regular bool
}

// headSize is how many of a file's first bytes show whether it still is the same
// file. A log line has a time stamp, so do the first records of a capture.
const headSize = 512

// A head is the first bytes of a file.
type head struct {
	b [headSize]byte
	n int

	sum    uint64 // hash of the first summed bytes
	summed int
}

func (h *head) bytes() []byte { return h.b[:h.n] }

// continues reports whether a file that now begins with h may be one that began with
// before. An empty file goes on as anything.
func (h *head) continues(before *head) bool { return bytes.HasPrefix(h.bytes(), before.bytes()) }

// blank reports whether there is no record yet: the file is empty, or a capture that is
// no more than its header, which all captures of a program have in common.
func (h *head) blank() bool {
	b := h.bytes()
	if !bytes.HasPrefix(b, ngMagic) {
		_, pcap := pcapMagic(b)
		return len(b) == 0 || pcap && len(b) == pcapHeader
	}
	order := binary.ByteOrder(binary.LittleEndian)
	for len(b) >= ngBlockLeast {
		kind := order.Uint32(b)
		if kind == ngSection && binary.BigEndian.Uint32(b[8:]) == ngOrderMagic {
			order = binary.BigEndian
		}
		size := order.Uint32(b[4:])
		if kind != ngSection && kind != ngInterface || size < ngBlockLeast || size > uint32(len(b)) {
			return false
		}
		b = b[size:]
	}
	return len(b) == 0 && h.n < headSize
}

// related reports whether two files begin alike, as far as both go.
func (h *head) related(other *head) bool {
	n := min(h.n, other.n)
	return !h.blank() && !other.blank() && bytes.Equal(h.b[:n], other.b[:n])
}

// extend adds what was read at offset off.
func (h *head) extend(b []byte, off int64) {
	if skip := int64(h.n) - off; skip >= 0 && skip < int64(len(b)) {
		h.n += copy(h.b[h.n:], b[skip:])
	}
}

// hash is computed once for as long as the head stays: it is part of every State.
func (h *head) hash() uint64 {
	if h.summed != h.n {
		sum := fnv.New64a()
		sum.Write(h.bytes())
		h.sum, h.summed = sum.Sum64(), h.n
	}
	return h.sum
}

// A rotatedFile is one file that is, or was, at a followed path.
type rotatedFile struct {
	f    *os.File
	gone bool // f was truncated under us and there is no copy
	id   fileID
	head head
	off  int64 // of the next read
	size int64 // as last seen
	// blankAt is its mtime before its head was last found to be blank.
	blankAt int64
	*readBuffer
	records   records
	wd        int
	watched   bool
	until     time.Time      // when to stop waiting for late writes; zero while it is the last
	bytesRead *atomic.Uint64 // the source's count
}

// Read implements io.Reader. Its io.EOF means for now.
func (g *rotatedFile) Read(b []byte) (int, error) {
	if g.gone {
		return 0, io.EOF
	}
	n, err := g.f.ReadAt(b, g.off)
	if n > 0 && !g.intact() { // truncated and grown again: not what follows what we have
		return 0, io.EOF
	}
	g.head.extend(b[:n], g.off)
	g.off += int64(n)
	g.bytesRead.Add(uint64(n))
	if n > 0 {
		return n, nil
	}
	return 0, err
}

// begin takes what is in the file for the head of a file that had no record so far,
// before it is read: what is read must belong to it. It returns false if nothing is there,
// or if it is not what was there.
func (g *rotatedFile) begin() bool {
	st, err := statFile(g.f)
	now := readHead(g.f)
	if err != nil || now.n == 0 || !now.continues(&g.head) {
		return false
	}
	if now.n > g.head.n {
		g.head, g.blankAt = now, st.mtime
	}
	return true
}

// intact reports whether the file still begins as it did. After a read, it
// shows whether what was read belongs to what was read before.
func (g *rotatedFile) intact() bool {
	now := readHead(g.f)
	return now.continues(&g.head)
}

func readHead(f *os.File) (h head) {
	h.n, _ = f.ReadAt(h.b[:], 0)
	return h
}

// untouched reports whether no content of the file can have come and gone unseen: it
// still has what was read of it, or is as blank as it was.
func (g *rotatedFile) untouched() bool {
	if !g.head.blank() {
		return g.intact()
	}
	st, err := statFile(g.f)
	return err == nil && st.size == int64(g.head.n) && st.mtime == g.blankAt
}

// mayCopy reports whether c, which is beside g, may hold what came and went unseen in it though
// g is untouched: g is blank, and c was made in the tick of the clock in which g became so.
func (g *rotatedFile) mayCopy(c *candidate) bool {
	switch {
	case !g.head.blank():
		return false
	case c.fileID.born == 0: // the file system does not store it
		return c.mtime <= g.blankAt
	}
	return c.fileID.born == g.blankAt
}

func (g *rotatedFile) state() State {
	return State{Dev: g.id.dev, Inode: g.id.ino, Offset: g.position(), Head: g.head.hash(), HeadN: g.head.n}
}

// position returns the offset of the first byte that was not delivered.
func (g *rotatedFile) position() int64 { return g.off - int64(len(g.bytes())) }

// skip goes to the first record that ends behind offset at.
func (g *rotatedFile) skip(at int64) error {
	if _, ok := g.records.(*lines); ok {
		g.off = lastLineStart(g.f, at)
		return nil
	}
	var ev parse.Event
	for g.position() < at {
		err := g.records.next(context.Background(), &ev)
		if err == io.EOF {
			return nil
		}
		if err != nil && !isSkip(err) {
			return err
		}
	}
	return nil
}

// lastLineStart returns where the line begins that is unfinished at offset at; at
// itself if none is, or if the line is too long.
func lastLineStart(f *os.File, at int64) int64 {
	b := make([]byte, min(at, maxLine))
	n, _ := f.ReadAt(b, at-int64(len(b)))
	if i := bytes.LastIndexByte(b[:n], '\n'); i >= 0 || at == int64(n) {
		return at - int64(n) + int64(i) + 1
	}
	return at
}

// drained reports whether the file was replaced and nothing came since. Its buffer
// is released.
func (g *rotatedFile) drained() bool {
	if g.until.IsZero() || len(g.bytes()) > 0 {
		return false
	}
	if !g.gone {
		if st, err := statFile(g.f); err == nil && st.size > g.off {
			return false
		}
	}
	g.readBuffer.release()
	return true
}
