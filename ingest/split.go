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
	borders, err := cut(whole.names[0], n)
	if err != nil || len(borders) <= 2 { // what is wrong shows again when it is read
		return []*Reader{whole}, nil
	}
	var parts []*Reader
	for i, start := range borders[:len(borders)-1] {
		parts = append(parts, whole.cutOut(start, borders[i+1]))
	}
	return parts, nil
}

// cut returns the offsets that part a log into ranges, the first being 0 and the
// last its size; nil if it is not a plain log.
func cut(name string, n int) ([]int64, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	size := info.Size()
	n = int(min(int64(n), size/splitLeast))
	if n < 2 || !info.Mode().IsRegular() { // opening a pipe would use it up
		return nil, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if !plainLog(f) {
		return nil, nil
	}
	borders := []int64{0}
	for i := 1; i < n; i++ {
		at, err := lineStart(f, max(size*int64(i)/int64(n), borders[len(borders)-1]), size)
		if err != nil {
			return nil, err
		}
		if at > borders[len(borders)-1] && at < size {
			borders = append(borders, at)
		}
	}
	return append(borders, size), nil
}

// plainLog reports whether the file is a log of lines, in UTF-8 and not packed.
func plainLog(f *os.File) bool {
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
func lineStart(f *os.File, at, size int64) (int64, error) {
	buf := make([]byte, 64<<10)
	for at < size {
		n, err := f.ReadAt(buf, at)
		if i := bytes.IndexByte(buf[:n], '\n'); i >= 0 {
			return at + int64(i) + 1, nil
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

// cutOut returns a Reader of the bytes from start to end of the only input.
func (r *Reader) cutOut(start, end int64) *Reader {
	p := newReader(r.opt)
	p.line = r.line
	p.names, p.total, p.part = r.names, end-start, true
	p.line.onUntimed, p.line.forged = p.noteUntimed, &p.forged
	p.open = func(name string) (*input, error) {
		f, err := os.Open(name)
		if err != nil {
			return nil, openError(name, err)
		}
		in := &input{Input: Input{Name: name}, file: f}
		in.raw = rawReader{io.NewSectionReader(f, start, end-start), &p.bytes}
		in.Kind, in.records = KindLog, &lines{readBuffer: newReadBuffer(&in.raw), lineOptions: p.line}
		return in, nil
	}
	if start > 0 {
		p.firstLine = sync.OnceValue(func() int64 { return countLines(r.names[0], start) })
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
