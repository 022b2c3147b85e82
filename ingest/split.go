package ingest

import (
	"bytes"
	"io"
	"os"
	"sync"
)

// splitLeast is the smallest range worth a goroutine of its own.
const splitLeast = 1 << 20

// Split returns Readers that together read what Read would of one name, so that
// they can be used side by side: a plain log is cut into at most n ranges of about
// the same size at line ends. Anything else (a capture, a packed file, standard
// input, a pattern, a small log) is a single Reader. They are returned in the
// order of their records, and opt.Problem is called from each one's goroutine.
func Split(name string, n int, opt ReadOptions) ([]*Reader, error) {
	whole, err := Read([]string{name}, opt)
	if err != nil {
		return nil, err
	}
	if n <= 1 || name == Stdin || len(whole.names) != 1 {
		return []*Reader{whole}, nil
	}
	segments, err := cut(whole.names[0], n)
	if err != nil || len(segments) < 2 { // what is wrong shows again when it is read
		return []*Reader{whole}, nil
	}
	var parts []*Reader
	for _, s := range segments {
		parts = append(parts, whole.cutOut(s))
	}
	return parts, nil
}

// cut returns at most n segments of a file; none if it is not a regular one.
func cut(name string, n int) (segments []Segment, err error) {
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() { // opening a pipe would use it up
		return nil, err
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for s, err := range Segments(f, info.Size(), min(int64(n), info.Size()/splitLeast)) {
		if err != nil {
			return nil, err
		}
		segments = append(segments, s)
	}
	return segments, nil
}

// cutOut returns a Reader of a segment of the only input.
func (r *Reader) cutOut(s Segment) *Reader {
	p := newReader(r.opt)
	p.line = r.line
	p.names, p.total, p.part = r.names, s.End-s.Start, true
	p.line.onUntimed, p.line.forged = p.noteUntimed, &p.forged
	p.open = func(name string) (*input, error) {
		f, err := os.Open(name)
		if err != nil {
			return nil, openError(name, err)
		}
		in := p.segmentInput(s, name, io.NewSectionReader(f, s.Start, s.End-s.Start))
		in.file = f
		return in, nil
	}
	if s.Start > 0 {
		p.firstLine = sync.OnceValue(func() int64 { return countLines(r.names[0], s.Start) })
	}
	return p
}

// countLines returns the number of line ends in the first n bytes of a file, or as
// many as can be read.
func countLines(name string, n int64) (count int64) {
	f, err := os.Open(name)
	if err != nil {
		return 0
	}
	defer f.Close()
	buf := make([]byte, readBufferSize)
	for r := io.LimitReader(f, n); ; {
		n, err := r.Read(buf)
		count += int64(bytes.Count(buf[:n], []byte{'\n'}))
		if err != nil {
			return count
		}
	}
}
