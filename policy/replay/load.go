package replay

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// A loader reads a journal or an old cache into a set. Lines that are not records are
// skipped and counted; longer ones than [maxLine] are not buffered.
type loader struct {
	set   *set
	parse parser
	// visit, if not nil, is called with each record and its line, in place of adding
	// it to the set.
	visit func(line []byte, r *record) error

	line         int   // number of the current line
	offset       int64 // where it begins
	skipped      int   // lines skipped
	firstSkipped int
	reason       error // of the first
	// tail is the number of bytes after the last newline; whole: they are a record.
	tail  int64
	whole bool
}

func newLoader(s *set) *loader {
	return &loader{set: s, parse: parser{maxAge: s.opts.MaxAge}}
}

// load reads r to its end. Only reading can fail, and ctx can end it.
func (l *loader) load(ctx context.Context, r io.Reader) error {
	in := bufio.NewReaderSize(cancellable{ctx, r}, 64<<10)
	for {
		b, n, err := readLine(in)
		if err != nil && err != io.EOF {
			return err
		}
		if n > 0 {
			l.line++
			if err := l.handleLine(b, err == io.EOF, n); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		l.offset += n
	}
}

// A cancellable reader fails when its context has ended.
type cancellable struct {
	ctx context.Context
	io.Reader
}

// Read implements io.Reader.
func (c cancellable) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.Reader.Read(p)
}

// readLine returns the next line without its newline, nil if it is longer than the
// buffer, and the number of bytes read. io.EOF comes with what follows the last newline.
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

// handleLine handles one line of n bytes; last: its newline is missing.
func (l *loader) handleLine(b []byte, last bool, n int64) error {
	rec, kind, err := record{}, digestKind(0), errFormat
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
	if l.visit != nil {
		return l.visit(b, &rec)
	}
	l.set.oldKinds |= kind
	if _, known := l.set.table.find(rec.id); !known {
		l.set.insert(&rec)
	}
	return nil
}

func (l *loader) comment(text string) {
	if t := cutMark(text, horizonMark); t.After(l.set.horizon) {
		l.set.horizon = t
	}
	if t := cutMark(text, begunMark); t.After(l.set.begun) {
		l.set.begun = t
	}
	l.set.newest = max(l.set.newest, cutMark(text, newestMark).Unix())
}

// cutMark returns the time of a line of appendMark, the zero time if it is another line.
func cutMark(text, mark string) time.Time {
	at, ok := strings.CutPrefix(text, mark)
	if !ok {
		return time.Time{}
	}
	t, _ := parseStamp([]byte(at))
	return t
}

func (l *loader) skip(why error) {
	if l.skipped++; l.skipped == 1 {
		l.firstSkipped, l.reason = l.line, why
	}
}

// notice reports the skipped lines of the file name.
func (l *loader) notice(name string) {
	if l.skipped > 0 {
		l.set.notice(fmt.Sprintf("%s: skipped %d lines, the first at line %d: %v", name, l.skipped, l.firstSkipped, l.reason))
	}
}
