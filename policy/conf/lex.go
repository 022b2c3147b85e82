package conf

import (
	"errors"
	"fmt"
	"iter"
	"path"
	"regexp"
	"strings"
)

// Limits on what is read.
const (
	MaxFileSize  = 16 << 20 // bytes of one file
	MaxTotalSize = 32 << 20 // bytes of access.conf with all that it includes, or of fwknop.conf with its overrides
	maxLine      = 16 << 10
	maxFiles     = MaxStanzas + 256 // of one load: an access folder may have a file for each stanza
	maxDepth     = 3                // of %include, the main file is depth 0
	MaxStanzas   = 50_000           // of one load
	maxExpansion = 4096             // bytes of a value after $VAR expansion
)

// A line is one line of a file cut into keyword and the rest; what the rest means
// depends on the file's dialect and the keyword's kind.
type line struct {
	pos     Pos
	keyword string
	colon   bool
	rest    string // trimmed; with semicolons
}

// directives are what the lines of access.conf that begin with % may be.
var directives = []string{"%include", "%include_folder", "%include_keys"}

// lex cuts text into lines. Comments and blank lines are left out.
func lex(name, text string, r *report) iter.Seq[line] {
	return func(yield func(line) bool) {
		rest, more := strings.TrimPrefix(text, "\xef\xbb\xbf"), true
		for pos := (Pos{File: name, Line: 1}); more; pos.Line++ {
			var text string
			text, rest, more = strings.Cut(rest, "\n")
			text = strings.Trim(text, " \t\r\v\f")
			switch {
			case text == "", text[0] == '#':
			case len(text) > maxLine:
				r.errorf(pos, "", "line of %d bytes, at most %d are read", len(text), maxLine)
			case strings.IndexByte(text, 0) >= 0:
				r.errorf(pos, "", "line with a NUL byte")
			case !yield(cutLine(pos, text)):
				return
			}
		}
	}
}

// evidence is what in a file shows its dialect.
type evidence struct {
	perlOnly, c26Only bool // a keyword that only one dialect has
	semi, colon       bool // a line with a semicolon, a line with a colon
	both              bool // a line with both
	plain             bool // a SOURCE with neither, which no 1.9 daemon reads
}

func collect(f File, lines iter.Seq[line]) evidence {
	var e evidence
	for l := range lines {
		in, semi := names[f][l.keyword].in, strings.IndexByte(l.rest, ';') >= 0
		perl, c26 := in&(InManual|InPerl19) != 0, in&InC26 != 0
		e.perlOnly = e.perlOnly || perl && !c26
		e.c26Only = e.c26Only || c26 && !perl
		e.semi = e.semi || semi
		e.colon = e.colon || l.colon
		e.both = e.both || l.colon && semi
		e.plain = e.plain || l.keyword == "SOURCE" && !l.colon && !semi
	}
	return e
}

// serverDialect finds the syntax of a fwknop.conf by its name, else by its keywords; 0 if
// neither shows it. evident reports that this decides the defaults too. A fwknop.conf
// without a keyword that only 1.9 has may have been written for this program: there the
// dialect of its access.conf decides the defaults.
func serverDialect(name string, e evidence) (d Dialect, evident bool) {
	switch base := path.Base(name); {
	case base == "fwknop.conf":
		return Perl19, e.perlOnly
	case base == "fwknopd.conf":
		return C26, true
	case e.perlOnly && e.semi:
		return Perl19, true
	case e.c26Only, e.perlOnly: // no 1.9 daemon reads a file without semicolons
		return C26, true
	}
	return 0, false
}

// accessDialect finds the dialect of an access.conf. Beside a fwknopd.conf it is 2.6:
// that daemon ignores the keywords of 1.9 that were left in the file. A 1.9 file ends
// every value with a semicolon, so a file without any is a 2.6 one, unless it stands
// beside a 1.9 fwknop.conf and writes colons: then its semicolons are missing. A keyword
// of one dialect decides next, but one line for a 2.6 keyword in the access.conf of a 1.9
// installation must not change what all its other lines mean, nor a keyword of 1.9 in a
// file whose SOURCE no 1.9 daemon reads.
func accessDialect(server Dialect, e evidence) Dialect {
	switch {
	case server == C26, !e.semi && !(server == Perl19 && e.colon):
		return C26
	case server == Perl19, e.perlOnly && !e.plain:
		return Perl19
	case e.c26Only:
		return C26
	case e.both && !e.plain:
		return Perl19
	}
	return C26
}

// value cuts the value out of a line of a file of dialect d. In 1.9 files the
// semicolon is required.
func (l *line) value(d Dialect, k *Keyword) (string, error) {
	v, _, ended := l.cut(d, k)
	if !ended && d == Perl19 {
		return "", errors.New("line does not end in a semicolon")
	}
	if !(k.Kind == Passphrase && d == Perl19) { // blanks at the end of a 1.9 key count
		v = strings.TrimRight(v, " \t\r\v\f")
	}
	switch {
	case v == noValue && k.Kind != Flag:
		return "", nil
	case v == "" && k.Kind == Flag && k.File == AccessFile: // the keyword alone means Y
		return "Y", nil
	}
	if d != Perl19 {
		v = k.stripComment(v)
	}
	if v == "" {
		return "", errors.New("no value")
	}
	return v, nil
}

// comment is a # after a blank: in a value, a comment that became a part of it. Words
// and keys may hold anything; other kinds have it stripped or are refused with it, and in a
// command the character may be meant.
var comment = regexp.MustCompile(`[ \t]#`)

// ownLine is the advice where a comment cannot follow the value.
const ownLine = "a remark needs a line of its own"

// behind checks the text after the semicolon of a value, which the old daemons ignore.
// Text that could continue a list, or that is another keyword, was meant to restrict or
// to allow something, so that ignoring it is an error.
func (l *line) behind(d Dialect, k *Keyword) (text string, severity Severity) {
	value, behind, _ := l.cut(d, k)
	// The comment after a value that may hold semicolons becomes a part of it if it has one.
	_, rest, more := strings.Cut(value, ";")
	if more && strings.HasPrefix(strings.TrimLeft(rest, " \t"), "#") {
		return "the value goes on to the last semicolon of the line", Warning
	}
	if behind == "" || behind[0] == '#' {
		return "", Warning
	}
	if value = strings.TrimRight(value, " \t"); d != Perl19 && k.stripComment(value) != value {
		return "", Warning // the semicolon is in a comment
	}
	next := cutLine(l.pos, behind)
	if Find(k.File, next.keyword) != nil && (next.rest != "" || next.colon) {
		return fmt.Sprintf("%s stands behind the semicolon and is not read: each keyword needs a line of its own", next.keyword), Error
	}
	if k.Secret() {
		return "the value ends at the first semicolon of the line", Warning
	}
	if more := k.stripComment(behind); kinds[k.Kind].list {
		if _, err := k.parse(d, more); err == nil {
			return fmt.Sprintf("%q behind the semicolon is not read: commas separate the entries of a list", clip(more)), Error
		}
	}
	return fmt.Sprintf("the value ends at the semicolon, %q behind it is not read", clip(behind)), Warning
}

// cut divides what stands behind the keyword in a file of dialect d at the
// semicolon that ends the value: the last one of the line for values of 1.9 that may
// hold semicolons themselves.
func (l *line) cut(d Dialect, k *Keyword) (value, behind string, ended bool) {
	end := strings.IndexByte(l.rest, ';')
	if end >= 0 && d == Perl19 && k.File == AccessFile && kinds[k.Kind].greedy {
		end = strings.LastIndexByte(l.rest, ';')
	}
	if end < 0 {
		return l.rest, "", false
	}
	return l.rest[:end], strings.Trim(l.rest[end:], "; \t\r\v\f"), true
}

// stripComment removes a comment after the value on the same line of a 2.6 file. That
// daemon has no such comments, but it stops reading numbers, ports, networks, dates and
// flags where they end; all other values, keys above all, reach to the end of the line.
func (k *Keyword) stripComment(value string) string {
	perEntry := k.Kind == PortList || k.Kind == NetList
	if !perEntry && !kinds[k.Kind].short {
		return value
	}
	entries := []string{value}
	if perEntry {
		entries = strings.Split(value, ",")
	}
	for i, e := range entries {
		before, _, _ := strings.Cut(e, "#")
		if before = strings.TrimRight(before, " \t"); !perEntry || !strings.EqualFold(strings.TrimSpace(before), "ANY") {
			entries[i] = before
		}
	}
	return strings.Join(entries, ",")
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
