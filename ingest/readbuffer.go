package ingest

import (
	"context"
	"io"
)

const (
	// readBufferSize is how much of an input is read at once. A quarter of a megabyte
	// is where larger buffers stop paying and the second-level cache still fits.
	readBufferSize = 256 << 10
	// emptyReads is how many reads in a row may return nothing before the reader
	// is taken for broken.
	emptyReads = 100
)

// A readBuffer is the unread front of a stream, in a buffer of bounded size. It keeps
// no end of file: a reader that had nothing may have more the next time, and what
// was not taken stays.
type readBuffer struct {
	r          io.Reader
	buf        []byte
	start, end int // buf[start:end] is unread
}

func newReadBuffer(r io.Reader) *readBuffer { return &readBuffer{r: r} }

// bytes returns what is unread and in memory. It is valid until the next fill.
func (w *readBuffer) bytes() []byte { return w.buf[w.start:w.end] }

// release frees the memory of an empty buffer until the next fill.
func (w *readBuffer) release() { *w = readBuffer{r: w.r} }

// take marks n bytes as read.
func (w *readBuffer) take(n int) { w.start += n }

// fill reads on. A full buffer is an error of the caller: it bounds its records.
func (w *readBuffer) fill(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if w.buf == nil {
		w.buf = make([]byte, readBufferSize)
	}
	if w.start > 0 {
		w.end = copy(w.buf, w.buf[w.start:w.end])
		w.start = 0
	}
	for range emptyReads {
		n, err := w.r.Read(w.buf[w.end:])
		w.end += n
		if n > 0 {
			return nil // an error will come again
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// need returns at least n unread bytes, or the reason why there are fewer. n is
// bounded by the caller.
func (w *readBuffer) need(ctx context.Context, n int) ([]byte, error) {
	for w.end-w.start < n {
		if n > max(len(w.buf), readBufferSize) {
			buf := make([]byte, n+readBufferSize)
			w.end = copy(buf, w.bytes())
			w.start, w.buf = 0, buf
		}
		if err := w.fill(ctx); err != nil {
			return nil, err
		}
	}
	return w.bytes(), nil
}

// discard takes up to *n bytes without keeping them in memory, and leaves in *n
// what it could not take yet.
func (w *readBuffer) discard(ctx context.Context, n *int64) error {
	for *n > 0 {
		if w.start == w.end {
			if err := w.fill(ctx); err != nil {
				return err
			}
		}
		m := min(*n, int64(w.end-w.start))
		w.take(int(m))
		*n -= m
	}
	return nil
}
