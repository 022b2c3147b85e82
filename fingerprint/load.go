package fingerprint

import (
	"errors"
	"fmt"
	"strings"
)

// Bounds on a signature file; the largest ones known have some 700 lines. One with
// more mistakes than maxErrors is not a signature file.
const (
	maxLine       = 1024 // bytes
	maxSignatures = 1 << 14
	maxErrors     = 100
)

const blanks = " \t"

var errTooLong = fmt.Errorf("longer than %d bytes", maxLine)

// Load reads a signature file; name is for messages and [Signature.File]. A file
// that has a section in brackets is one of p0f 3, of which the SYNs
// ([tcp:request]) are read. In any other, empty lines and lines that begin with #
// are skipped and every other line must be a signature. A line that repeats an
// earlier one is left out. All errors are returned, up to a bound, joined, each as
// "name:line: what is wrong"; with any the set is nil.
func Load(name string, text []byte) (*Set, error) {
	l := loader{name: name}
	if isP0f3(text) {
		l.loadP0f3(text)
	} else {
		l.lines(text, '#', func(row string) {
			sig, err := parseLine(row)
			l.enter(err, sig)
		})
	}
	if len(l.errs) > 0 {
		return nil, errors.Join(l.errs...)
	}
	return newSet(l.sigs), nil
}

// A loader collects the signatures of one file.
type loader struct {
	name string
	line int // being read
	sigs []Signature
	errs []error
}

// lines calls f with every line that is neither empty nor a comment, until there
// are too many errors.
func (l *loader) lines(text []byte, comment byte, f func(row string)) {
	for row := range strings.Lines(string(text)) {
		if l.full() {
			return
		}
		l.line++
		row = strings.TrimRight(row, "\r\n")
		if start := strings.TrimSpace(row); start == "" || start[0] == comment {
			continue
		}
		if len(row) > maxLine {
			l.fail(errTooLong)
			continue
		}
		f(row)
	}
}

func (l *loader) full() bool { return len(l.errs) >= maxErrors || len(l.sigs) > maxSignatures }

func (l *loader) fail(err error) {
	l.errs = append(l.errs, fmt.Errorf("%s:%d: %w", l.name, l.line, err))
}

// enter adds what the line was read as.
func (l *loader) enter(err error, sigs ...Signature) {
	if err != nil {
		l.fail(err)
		return
	}
	for i := range sigs {
		sig := &sigs[i]
		if len(sig.Text)+len(": ")+len(sig.Label) > maxLine { // what loads can be printed and loaded again
			l.fail(errTooLong)
			return
		}
		sig.File, sig.Line = l.name, l.line
		l.sigs = append(l.sigs, *sig)
	}
	if len(l.sigs) > maxSignatures {
		l.fail(fmt.Errorf("more than %d signatures", maxSignatures))
	}
}
