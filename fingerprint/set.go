package fingerprint

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"sync"
)

//go:embed fwknop.os
var builtinFile []byte

// builtinFileName is the file name in positions of the embedded file.
const builtinFileName = "fwknop.os"

// Default returns the signatures of the embedded file, read on first use.
func Default() *Set { return builtinSet() }

var builtinSet = sync.OnceValue(func() *Set {
	set, err := Load(builtinFileName, builtinFile)
	if err != nil {
		panic("internal error: " + err.Error())
	}
	return set
})

// A Set is a list of signatures in the order in which they are reported: the
// specific ones as the file has them, then the generic ones. It does not change
// and may be shared.
type Set struct {
	sigs     []Signature
	byLayout map[layout][]candidate // in the same order
	conds    conditions
}

// candidate is what matching needs of a signature, close together.
type candidate struct {
	pattern
	index uint32
}

// With returns the signatures of both, those of s first among the specific and
// among the generic ones. Neither is changed.
func (s *Set) With(other *Set) *Set {
	sigs := make([]Signature, 0, len(s.sigs)+len(other.sigs))
	return newSet(append(append(sigs, s.sigs...), other.sigs...))
}

// Len returns the number of signatures.
func (s *Set) Len() int { return len(s.sigs) }

// At returns the signature whose Index is i.
func (s *Set) At(i int) *Signature { return &s.sigs[i] }

// Bounds on a signature file; the largest ones known have some 700 lines. A file with
// more errors than maxErrors is not a signature file.
const (
	maxLine       = 1024 // bytes
	maxSignatures = 1 << 14
	maxErrors     = 100
)

var errTooLong = fmt.Errorf("longer than %d bytes", maxLine)

// Load reads a signature file; name is for messages and [Signature.File]. A file
// that has a section in brackets is one of p0f 3, of which the SYNs
// ([tcp:request]) are read. In any other, empty lines and lines that begin with #
// are skipped and every other line must be a signature. A line that repeats an
// earlier one is left out. All errors are returned, up to a bound, joined, each as
// "name:line: what is wrong"; with any the set is nil.
func Load(name string, text []byte) (*Set, error) {
	l := loader{name: name}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if isP0f3(text) {
		l.loadP0f3(text)
	} else {
		l.lines(text, '#', func(row string) {
			sig, err := parseLine(row)
			l.add(err, sig)
		})
	}
	if len(l.errs) > 0 {
		return nil, errors.Join(l.errs...)
	}
	return newSet(l.sigs), nil
}

// newSet takes ownership of sigs.
func newSet(sigs []Signature) *Set {
	set := &Set{sigs: reportOrder(sigs), byLayout: make(map[layout][]candidate)}
	setMinTTLs(set.sigs)
	for i := range set.sigs {
		sig := &set.sigs[i]
		sig.Index = i
		if sig.pattern.conditions != nil {
			set.conds.add(*sig.pattern.conditions, &sig.layout)
		}
		set.byLayout[sig.layout] = append(set.byLayout[sig.layout], candidate{sig.pattern, uint32(i)})
	}
	return set
}

// reportOrder returns the signatures in report order, each once.
func reportOrder(sigs []Signature) []Signature {
	type identity struct{ text, label string }
	seen := make(map[identity]bool, len(sigs))
	out := make([]Signature, 0, len(sigs))
	for _, generic := range []bool{false, true} {
		for _, sig := range sigs {
			id := identity{sig.Text, sig.Label}
			if sig.Generic == generic && !seen[id] {
				seen[id] = true
				out = append(out, sig)
			}
		}
	}
	return out
}

// setMinTTLs limits signatures that differ only in the TTL, so that only the one nearest
// above a packet's TTL fits; for guesses the label is not compared.
func setMinTTLs(sigs []Signature) {
	type kind struct {
		window, rest string // without the TTL
		label        string // "" for a guess
	}
	last := make(map[kind]int, len(sigs)) // 1 + index, 0 for none
	others := make([]int, len(sigs))      // the one before of that kind, as in last
	for i := range sigs {
		p := &sigs[i].pattern
		p.minTTL = 0
		var k kind
		var rest string
		k.window, rest, _ = strings.Cut(sigs[i].Text, ":")
		_, k.rest, _ = strings.Cut(rest, ":")
		if !sigs[i].Generic {
			k.label = sigs[i].Label
		}
		others[i], last[k] = last[k], i+1
		for n := others[i]; n != 0; n = others[n-1] {
			switch q := &sigs[n-1].pattern; {
			case q.ttl < p.ttl:
				p.minTTL = max(p.minTTL, q.ttl+1)
			case q.ttl > p.ttl:
				q.minTTL = max(q.minTTL, p.ttl+1)
			}
		}
	}
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
		if l.tooMany() {
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

func (l *loader) tooMany() bool { return len(l.errs) >= maxErrors || len(l.sigs) > maxSignatures }

// add adds the signatures of a line, or its error.
func (l *loader) add(err error, sigs ...Signature) {
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

func (l *loader) fail(err error) {
	l.errs = append(l.errs, fmt.Errorf("%s:%d: %w", l.name, l.line, err))
}
