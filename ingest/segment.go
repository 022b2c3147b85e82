package ingest

import (
	"bytes"
	"io"
	"iter"
)

// A Segment is a part of a file, in bytes: all of it, or a range of a plain log, whose events do not
// depend on what stands before it or behind it.
type Segment struct {
	Start, End int64
	Cut        bool // a range: it begins at the start of a line and ends behind a line, or with the file
}

// Segments yields the segments of a file of a size, in order: of a plain log at most n of about the same
// size, else the whole file. With an error it ends.
func Segments(f io.ReaderAt, size, n int64) iter.Seq2[Segment, error] {
	return func(yield func(Segment, error) bool) {
		if n < 2 || !plainLog(f) {
			yield(Segment{End: size}, nil)
			return
		}
		for i, start := int64(1), int64(0); i <= n; i++ {
			end, err := size, error(nil)
			if i < n {
				end, err = lineStart(f, max(size/n*i, start), size)
			}
			s := Segment{start, end, start > 0 || end < size}
			if end == start {
				continue
			}
			if !yield(s, err) || err != nil {
				return
			}
			start = end
		}
	}
}

// ReadSegment returns a Reader of a segment, whose bytes r yields. name is for messages, in which
// records count from the beginning of the segment.
func ReadSegment(s Segment, name string, r io.Reader, opt ReadOptions) *Reader {
	p := newReader(opt)
	p.names, p.total, p.part = []string{name}, s.End-s.Start, s.Cut
	p.open = func(name string) (*input, error) { return p.segmentInput(s, name, r), nil }
	return p
}

// segmentInput returns the input of a segment with the bytes of r.
func (r *Reader) segmentInput(s Segment, name string, bytes io.Reader) *input {
	in := &input{Input: Input{Name: name}, raw: rawReader{bytes, &r.bytes}}
	if s.Cut {
		in.Kind, in.records = KindLog, &lines{readBuffer: newReadBuffer(&in.raw), lineOptions: r.line}
	}
	return in
}

// plainLog reports whether the file is a log of lines, in UTF-8 and not packed.
func plainLog(f io.ReaderAt) bool {
	probe := Reader{}
	in := &input{raw: rawReader{io.NewSectionReader(f, 0, sniffSize), &probe.bytes}}
	err := in.sniff(&probe)
	in.close()
	l, ok := in.records.(*lines)
	if err != nil || !ok || in.Packed != "" {
		return false
	}
	_, wide := l.readBuffer.r.(*utf16Reader)
	return !wide
}

// lineStart returns the first start of a line behind at.
func lineStart(f io.ReaderAt, at, size int64) (int64, error) {
	buf := make([]byte, 64<<10)
	for at < size {
		n, err := f.ReadAt(buf, at)
		if i := bytes.IndexByte(buf[:n], '\n'); i >= 0 {
			return min(at+int64(i)+1, size), nil
		}
		at += int64(n)
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, err
		}
	}
	return size, nil
}
