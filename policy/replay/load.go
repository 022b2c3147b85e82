package replay

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
)

// A loader reads a cache of any shape into a set. Lines that are none are skipped
// and counted; what they cost is bounded by [maxLine].
type loader struct {
	set   *set
	parse parser
	// keep, if not nil, is called with each line of a record and with the record;
	// compaction copies through it.
	keep func(line []byte, r *record) error

	line     int   // number of the current line
	offset   int64 // where it begins
	bad      int   // lines skipped
	firstBad int
	why      error // of the first
	// tail is what stands behind the last newline; whole says that it is a record
	// all the same.
	tail  int64
	whole bool
}

func newLoader(s *set) *loader {
	return &loader{set: s, parse: parser{maxAge: s.opts.MaxAge}}
}

// load reads r to its end. Only reading can fail.
func (l *loader) load(r io.Reader) error {
	in := bufio.NewReaderSize(r, 64<<10)
	for {
		b, n, err := readLine(in)
		if err != nil && err != io.EOF {
			return err
		}
		if n > 0 {
			l.line++
			if err := l.take(b, err == io.EOF, n); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		l.offset += n
	}
}

// readLine returns the next line without its newline, nil in place of one longer
// than the buffer, and how many bytes it took. io.EOF comes with what stands
// behind the last newline.
func readLine(in *bufio.Reader) ([]byte, int64, error) {
	b, err := in.ReadSlice('\n')
	n := int64(len(b))
	if err != bufio.ErrBufferFull {
		return bytes.TrimSuffix(b, []byte("\n")), n, err
	}
	for err == bufio.ErrBufferFull {
		b, err = in.ReadSlice('\n')
		n += int64(len(b))
	}
	return nil, n, err
}

// take handles one line; last says that its newline is missing.
func (l *loader) take(b []byte, last bool, n int64) error {
	rec, kind, err := record{}, shape(0), errShape
	switch {
	case b == nil || len(b) > maxLine:
	case len(b) == 0 && !last:
		return nil
	case b[0] == '#' && !last:
		l.comment(string(b))
		return nil
	default:
		rec, kind, err = l.parse.parse(bytes.TrimSuffix(b, []byte("\r")))
	}
	if last {
		l.tail, l.whole = n, err == nil
	}
	if err != nil {
		if !last {
			l.skip(err)
		}
		return nil
	}
	if l.keep != nil {
		return l.keep(b, &rec)
	}
	l.set.shapes |= kind
	if _, known := l.set.table.find(rec.id); !known {
		l.set.table.insert(rec)
	}
	return nil
}

func (l *loader) comment(text string) {
	if at, ok := strings.CutPrefix(text, horizonMark); ok {
		if t, err := parseStamp([]byte(at)); err == nil && t.After(l.set.horizon) {
			l.set.horizon = t
		}
	}
}

func (l *loader) skip(why error) {
	if l.bad++; l.bad == 1 {
		l.firstBad, l.why = l.line, why
	}
}

// notice says in one sentence what was skipped in name.
func (l *loader) notice(name string) {
	if l.bad > 0 {
		l.set.notice(fmt.Sprintf("%s: skipped %d lines, the first at line %d: %v", name, l.bad, l.firstBad, l.why))
	}
}
