// Package quote cuts a line into words at blanks, except where quotes or backslashes
// take their meaning away. Nothing else of a shell has a meaning: no globs, no
// operators.
//
// Entry points: [Syntax.Split], and [Syntax.Words] for lines with variables.
package quote

import (
	"errors"
	"slices"
	"strings"
)

// ErrOpen is a quote that does not end, or in [Shell] a backslash with nothing after it.
var ErrOpen = errors.New("a quote is not closed")

// A Syntax selects what has a meaning beside blanks and double quotes.
type Syntax struct {
	single  bool   // single quotes, in which nothing else has a meaning
	bare    bool   // a backslash outside quotes
	final   bool   // with bare: a backslash that ends the line is text, not an error
	escapes string // what a backslash in double quotes escapes; before others it is text. "": anything
}

// The syntaxes differ because files are written in each.
var (
	// Shell is that of a shell.
	Shell = Syntax{single: true, bare: true, escapes: `"\`}
	// External is that of EXTERNAL_CMD_* and CMD_CYCLE_*: in double quotes too, a
	// backslash makes text of anything.
	External = Syntax{single: true, bare: true, final: true}
	// Expect is that of EXPECT: a single quote is text, and so is a backslash outside
	// quotes.
	Expect = Syntax{escapes: `"\`}
	// Iptables is that of iptables-save.
	Iptables = Syntax{}
)

// A Word is what stands between blanks: text and variables by turns.
type Word []Part

// A Part of a [Word] is text, or the name of a variable without its dollar sign.
type Part struct {
	Text     string
	Variable bool
}

// Split cuts a line in which a dollar sign is text.
func (s Syntax) Split(line string) ([]string, error) {
	var words []string
	err := s.cut(line, nil, func(w Word) {
		text := ""
		if len(w) > 0 {
			text = w[0].Text
		}
		words = append(words, text)
	})
	if err != nil {
		return nil, err
	}
	return words, nil
}

// Words cuts a line with variables: name returns how many bytes of a text, which
// follows a dollar sign, are the name of one. It is not asked in single quotes and
// behind a backslash, where the sign is text. If name returns 0, the variable has the
// name "".
func (s Syntax) Words(line string, name func(text string) int) ([]Word, error) {
	var words []Word
	err := s.cut(line, name, func(w Word) { words = append(words, slices.Clone(w)) })
	if err != nil {
		return nil, err
	}
	return words, nil
}

// cut hands over one word after the other; each is valid until the next.
func (s Syntax) cut(line string, name func(string) int, emit func(Word)) error {
	var w wordBuilder
	quote := byte(0)
	for i := 0; i < len(line); i++ {
		c, rest := line[i], line[i+1:]
		switch {
		case quote == 0 && (c == ' ' || c == '\t'):
			w.end(emit)
			continue
		case s.quotes(quote, c):
			quote ^= c
		case c == '\\' && s.escaped(quote, rest):
			w.text = append(w.text, rest[0])
			i++
		case c == '\\' && quote == 0 && s.wantsMore(rest):
			return ErrOpen
		case c == '$' && quote != '\'' && name != nil:
			n := name(rest)
			w.addVariable(rest[:n])
			i += n
		default:
			w.text = append(w.text, c)
		}
		w.begun = true
	}
	if quote != 0 {
		return ErrOpen
	}
	w.end(emit)
	return nil
}

// wantsMore reports whether something has to follow a backslash outside quotes in front of
// rest.
func (s *Syntax) wantsMore(rest string) bool { return rest == "" && s.bare && !s.final }

// quotes reports whether c begins a quote, or ends the one that is open.
func (s *Syntax) quotes(open, c byte) bool {
	if open != 0 {
		return c == open
	}
	return c == '"' || c == '\'' && s.single
}

// A wordBuilder builds one word after the other in the same memory.
type wordBuilder struct {
	word  Word
	text  []byte // of the part that is being read
	begun bool   // a word has begun, if only with an empty quote
}

// flush ends a part that is text.
func (w *wordBuilder) flush() {
	if len(w.text) > 0 {
		w.word, w.text = append(w.word, Part{Text: string(w.text)}), w.text[:0]
	}
}

func (w *wordBuilder) addVariable(name string) {
	w.flush()
	w.word = append(w.word, Part{name, true})
}

// end hands over the word, if one has begun.
func (w *wordBuilder) end(emit func(Word)) {
	if w.begun {
		w.flush()
		emit(w.word)
	}
	w.word, w.begun = w.word[:0], false
}

// escaped reports that a backslash in front of rest makes text of its first byte.
func (s *Syntax) escaped(quote byte, rest string) bool {
	switch {
	case rest == "" || quote == '\'':
		return false
	case quote == 0:
		return s.bare
	}
	return s.escapes == "" || strings.IndexByte(s.escapes, rest[0]) >= 0
}
