package conf

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxProblems bounds the list of one load; what comes after is only counted.
const MaxProblems = 200

// Severity is the effect of a [Problem] on the load.
type Severity uint8

const (
	Error   Severity = iota // the files are refused
	Warning                 // accepted; the operator should look
	Notice                  // accepted; nothing to do
)

// String implements fmt.Stringer.
func (s Severity) String() string {
	switch s {
	case Error:
		return "error"
	case Warning:
		return "warning"
	default:
		return "notice"
	}
}

// A Problem is one fault of a configuration and its place.
type Problem struct {
	Pos      Pos      // Line 0: the file as a whole
	Keyword  string   // as written; for a missing partner the one that is missing
	Text     string   // what is wrong, never a secret
	Hint     string   // a correction, "" if none is near
	Severity Severity // zero value: Error
}

// String is `file:line: KEYWORD: what is wrong (did you mean …?)`.
func (p Problem) String() string {
	var b strings.Builder
	if p.Pos.File != "" {
		b.WriteString(p.Pos.String())
		b.WriteString(": ")
	}
	if p.Severity != Error {
		b.WriteString(p.Severity.String())
		b.WriteString(": ")
	}
	if p.Keyword != "" {
		b.WriteString(p.Keyword)
		b.WriteString(": ")
	}
	b.WriteString(p.Text)
	if p.Hint != "" {
		fmt.Fprintf(&b, " (did you mean %s?)", p.Hint)
	}
	return Printable(b.String())
}

// Printable replaces characters that are not [Graphic], and bytes that are not UTF-8, by
// question marks, so that a hostile file cannot control the operator's terminal.
func Printable(s string) string {
	ascii := true // and printable, as most are
	for i := 0; i < len(s) && ascii; i++ {
		ascii = ' ' <= s[i] && s[i] <= '~'
	}
	if ascii {
		return s
	}
	return strings.Map(func(r rune) rune {
		if !Graphic(r) || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
}

// Graphic reports whether a character is seen where it stands: it is neither a control
// character, nor one that has no width or changes the direction of the text, nor a line
// separator, nor unassigned. Whatever is printed or logged of packets, files and other
// programs has no other characters, in JSON none that is not escaped.
func Graphic(r rune) bool { return unicode.IsGraphic(r) }

// Pos is where a value was written. The zero Pos means: a default.
type Pos struct {
	File string
	Line int // from 1
}

// String is `file:line`, or the file alone for line 0.
func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Problems are all problems of one load, in reading order.
type Problems []Problem

// Failed reports whether one of them is an [Error].
func (ps Problems) Failed() bool {
	for _, p := range ps {
		if p.Severity == Error {
			return true
		}
	}
	return false
}

// Error joins the problems by newlines, so that Problems can be an error.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Bounded returns the problems in the order and up to the number that a load returns, the
// rest counted.
func (ps Problems) Bounded() Problems {
	var r report
	for _, p := range ps {
		r.add(p)
	}
	return r.problems()
}

// A report collects problems up to MaxProblems, the grave ones first.
type report struct {
	list    Problems
	files   map[string]int // reading order
	dropped int
	worst   Severity // of those that were dropped
}

func (r *report) errorf(pos Pos, keyword, format string, args ...any) {
	r.add(Problem{Pos: pos, Keyword: keyword, Text: fmt.Sprintf(format, args...)})
}

func (r *report) warnf(pos Pos, keyword, format string, args ...any) {
	r.add(Problem{Pos: pos, Keyword: keyword, Text: fmt.Sprintf(format, args...), Severity: Warning})
}

func (r *report) add(p Problem) {
	if r.files == nil {
		r.files = make(map[string]int)
	}
	if _, ok := r.files[p.Pos.File]; !ok {
		r.files[p.Pos.File] = len(r.files)
	}
	if len(r.list) >= MaxProblems {
		if i := slices.IndexFunc(r.list, func(q Problem) bool { return q.Severity > p.Severity }); i >= 0 {
			p, r.list[i] = r.list[i], p
		}
		if r.dropped++; r.dropped == 1 || p.Severity < r.worst {
			r.worst = p.Severity
		}
		return
	}
	r.list = append(r.list, p)
}

// full reports that further problems are not kept, so that a caller can skip the
// search for a hint.
func (r *report) full() bool { return len(r.list) >= MaxProblems }

// problems returns what was found, by file in reading order and by line.
func (r *report) problems() Problems {
	sort.SliceStable(r.list, func(i, j int) bool {
		a, b := r.list[i].Pos, r.list[j].Pos
		if a.File != b.File {
			return r.files[a.File] < r.files[b.File]
		}
		return a.Line < b.Line
	})
	if r.dropped > 0 {
		return append(r.list, Problem{Text: "not listed: " + Count(r.dropped, "further problem"), Severity: r.worst})
	}
	return r.list
}

// Count is a number with its noun in the singular or plural: "1 stanza", "2 stanzas".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// A printedProblem is the JSON form of a [Problem]. Members may be added, never removed or
// changed.
type printedProblem struct {
	File     string `json:"file"`
	Line     int    `json:"line,omitempty"`
	Keyword  string `json:"keyword,omitempty"`
	Severity string `json:"severity"`
	Text     string `json:"text"`
	Hint     string `json:"hint,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (p Problem) MarshalJSON() ([]byte, error) {
	return json.Marshal(printedProblem{p.Pos.File, p.Pos.Line, p.Keyword, p.Severity.String(), p.Text, p.Hint})
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *Problem) UnmarshalJSON(text []byte) error {
	var printed printedProblem
	if err := json.Unmarshal(text, &printed); err != nil {
		return err
	}
	*p = Problem{Pos: Pos{File: printed.File, Line: printed.Line}, Keyword: printed.Keyword, Text: printed.Text, Hint: printed.Hint}
	for _, s := range []Severity{Error, Warning, Notice} {
		if s.String() == printed.Severity {
			p.Severity = s
			return nil
		}
	}
	return fmt.Errorf("no severity: %.20q", printed.Severity)
}
