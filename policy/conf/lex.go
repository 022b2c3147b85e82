package conf

import (
	"bytes"
	"errors"
	"path"
	"strings"
)

// Limits on what is read. A file of real life is a hundred times smaller.
const (
	MaxFileSize  = 1 << 20 // bytes of one file
	MaxLine      = 16 << 10
	MaxFiles     = 256  // included files of one load
	MaxDepth     = 3    // of %include, the main file is depth 0
	MaxStanzas   = 4096 // of one load
	MaxExpansion = 4096 // bytes of a value after $VAR expansion
)

// A line is one line of a file cut into keyword and the rest; what the rest means
// depends on the file's generation and the keyword's kind.
type line struct {
	pos     Pos
	keyword string
	colon   bool
	rest    string // trimmed; with semicolons
}

// semicolon reports whether the line holds the terminator.
func (l *line) semicolon() bool { return strings.IndexByte(l.rest, ';') >= 0 }

// lex cuts data into lines. Comments and blank lines are left out.
func lex(name string, data []byte, r *report) []line {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	var lines []line
	for n := 1; len(data) > 0; n++ {
		var text []byte
		text, data, _ = bytes.Cut(data, []byte("\n"))
		text = bytes.Trim(text, " \t\r\v\f")
		if len(text) == 0 || text[0] == '#' {
			continue
		}
		pos := Pos{File: name, Line: n}
		switch {
		case len(text) > MaxLine:
			r.errorf(pos, "", "line of %d bytes, at most %d are read", len(text), MaxLine)
		case bytes.IndexByte(text, 0) >= 0:
			r.errorf(pos, "", "line with a NUL byte")
		default:
			lines = append(lines, cutLine(pos, string(text)))
		}
	}
	return lines
}

// cutLine splits the keyword from its value. The manual once writes
// "GPG DECRYPT_PW" with a blank; that is one keyword.
func cutLine(pos Pos, text string) line {
	end := strings.IndexAny(text, " \t:;")
	if rest, ok := strings.CutPrefix(text, "GPG DECRYPT_PW"); ok && rest != "" && strings.ContainsRune(" \t:;", rune(rest[0])) {
		end = len(text) - len(rest)
	}
	if end < 0 {
		return line{pos: pos, keyword: text}
	}
	l := line{pos: pos, keyword: text[:end], rest: text[end:]}
	if strings.HasPrefix(l.rest, ":") {
		l.colon, l.rest = true, l.rest[1:]
	}
	l.rest = strings.TrimLeft(l.rest, " \t")
	return l
}

// evidence counts what in a file speaks for which generation.
type evidence struct {
	only1, only2 bool // a keyword that one generation alone knows
	semi, colon  bool // a line with a semicolon, a line with a colon
	both         bool // a line with both
	plain        bool // a SOURCE with neither, which no 1.9 daemon reads
}

func collect(f File, lines []line) evidence {
	var e evidence
	for i := range lines {
		l := &lines[i]
		s := names[f][l.keyword]
		e.only1 = e.only1 || s.origin.has1() && !s.origin.has2()
		e.only2 = e.only2 || s.origin.has2() && !s.origin.has1()
		e.semi = e.semi || l.semicolon()
		e.colon = e.colon || l.colon
		e.both = e.both || l.colon && l.semicolon()
		e.plain = e.plain || l.keyword == "SOURCE" && !l.colon && !l.semicolon()
	}
	return e
}

// serverGeneration tells the syntax of a fwknop.conf by its name, else by its
// keywords, else it does not. evident says whether its defaults are settled too: a
// fwknop.conf without a keyword of 1.9 alone is one somebody wrote since, and its
// access.conf has a say.
func serverGeneration(name string, e evidence) (g Generation, evident bool) {
	switch base := path.Base(name); {
	case base == "fwknop.conf":
		return V1, e.only1
	case base == "fwknopd.conf":
		return V2, true
	case e.only1:
		return V1, true
	case e.only2:
		return V2, true
	}
	return UnknownGeneration, false
}

// accessGeneration tells the generation of an access.conf. Beside a fwknopd.conf it
// is a 2.6 one: that daemon leaves out the keywords of 1.9 that an operator forgot in
// it. A 1.9 file ends every value with a semicolon, so a file without any is a 2.6
// one, unless it stands beside a 1.9 fwknop.conf and writes colons: then its
// semicolons are missing. A keyword of one generation decides next, but one line for
// a 2.6 keyword in the access.conf of a 1.9 installation must not change what all its
// other lines mean, nor a keyword of 1.9 in a file whose SOURCE no 1.9 daemon reads.
func accessGeneration(server Generation, e evidence) Generation {
	switch {
	case server == V2, !e.semi && !(server == V1 && e.colon):
		return V2
	case server == V1, e.only1 && !e.plain:
		return V1
	case e.only2:
		return V2
	case e.both && !e.plain:
		return V1
	}
	return V2
}

// cut divides what stands behind the keyword in a file of generation g at the
// semicolon that ends the value: the last one of the line for values of 1.9 that may
// hold semicolons themselves.
func (l *line) cut(g Generation, k *Keyword) (value, behind string, ended bool) {
	end := strings.IndexByte(l.rest, ';')
	if end >= 0 && g == V1 && k.File == AccessFile && k.greedy() {
		end = strings.LastIndexByte(l.rest, ';')
	}
	if end < 0 {
		return l.rest, "", false
	}
	return l.rest[:end], strings.Trim(l.rest[end:], "; \t\r\v\f"), true
}

// value cuts the value out of a line of a file of generation g. In 1.9 files the
// semicolon is required.
func (l *line) value(g Generation, k *Keyword) (string, error) {
	v, _, ended := l.cut(g, k)
	if !ended && g == V1 {
		return "", errors.New("line does not end in a semicolon")
	}
	if !(k.Kind == Passphrase && g == V1) { // blanks at the end of a 1.9 key count
		v = strings.TrimRight(v, " \t\r\v\f")
	}
	switch {
	case v == NoValue && k.Kind != Flag:
		return "", nil
	case v == "" && k.bare():
		return "Y", nil
	}
	if g != V1 {
		v = k.withoutRemark(v)
	}
	if v == "" {
		return "", errors.New("no value")
	}
	return v, nil
}

// greedy reports that a value may hold semicolons.
func (k *Keyword) greedy() bool {
	switch k.Kind {
	case Passphrase, Regex, Command, Expect:
		return true
	}
	return false
}

// bare reports that the keyword may stand alone, meaning Y.
func (k *Keyword) bare() bool { return k.Kind == Flag && k.File == AccessFile }
