// Package rc reads and changes the rc file of the client (.fwknoprc): stanzas, each
// begun by its name in brackets, of lines with a keyword and a value. It does no I/O.
package rc

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Default is the name of the stanza whose values hold for all others.
const Default = "default"

// A File is an rc file.
type File struct {
	path      string // for messages
	lines     []string
	named     []section
	sequences []Entry
}

// A section is one run of lines below a name. A stanza may have several.
type section struct {
	name       string
	begin, end int // indexes of lines: that of the name, and that after the last
	entries    []Entry
}

// An Entry is one setting.
type Entry struct {
	Key, Value string
	Line       int  // from 1
	Cut        bool // more follows on the line, which is not read, and is no comment
}

// Where returns the place of an entry, for messages.
func (f *File) Where(e Entry) string { return fmt.Sprintf("%s:%d", f.path, e.Line) }

const maxSize = 1 << 20

// Parse reads data; path is for messages only. A line that is neither a setting, a name,
// a comment nor blank is an error, and so is a setting before the first name, which the 2.6
// client skips, but for [File.Sequence].
func Parse(path string, data []byte) (*File, error) {
	if len(data) > maxSize {
		return nil, fmt.Errorf("%s: larger than %d bytes", path, maxSize)
	}
	f := &File{path: path}
	for line := range bytes.Lines(data) {
		f.lines = append(f.lines, string(bytes.TrimRight(line, "\r\n")))
	}
	for i, line := range f.lines {
		if err := f.parseLine(i, strings.TrimSpace(line)); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, i+1, err)
		}
	}
	return f, nil
}

func (f *File) parseLine(i int, line string) error {
	switch {
	case line == "" || line[0] == '#' || line[0] == ';':
		return nil
	case line[0] == '[':
		name, err := readName(line)
		if err == nil {
			f.named = append(f.named, section{name: name, begin: i, end: i + 1})
		}
		return err
	case len(f.named) == 0:
		return f.addSequence(i, line)
	}
	e, err := readSetting(line)
	if err != nil {
		return err
	}
	e.Line = i + 1
	s := &f.named[len(f.named)-1]
	s.entries = append(s.entries, e)
	s.end = i + 1
	return nil
}

// readSequence parses HOST: PROTO/PORT, … of a 1.9 file. ok is false if the line is no such.
func readSequence(line string) (e Entry, ok bool) {
	at := strings.LastIndexByte(line, ':')
	if at < 1 || strings.ContainsAny(line[:at], blanks) {
		return Entry{}, false
	}
	e = Entry{Key: line[:at], Value: strings.TrimLeft(line[at+1:], blanks)}
	proto := e.Value
	if end := strings.IndexAny(proto, "/,"+ends); end >= 0 {
		proto = proto[:end]
	}
	return e, slices.Contains([]string{"tcp", "udp", "icmp"}, proto)
}

func (f *File) addSequence(i int, line string) error {
	e, ok := readSequence(line)
	if !ok {
		return fmt.Errorf("a setting before the first stanza has no effect: begin with [%s]", Default)
	}
	if _, twice := f.Sequence(e.Key); twice {
		return fmt.Errorf("another sequence for %s", e.Key)
	}
	e.Line = i + 1
	f.sequences = append(f.sequences, e)
	return nil
}

// Sequence returns the shared knock sequence for a server in the form of the 1.9 client: a
// line HOST: PROTO/PORT, … before the first stanza.
func (f *File) Sequence(host string) (Entry, bool) {
	i := slices.IndexFunc(f.sequences, func(e Entry) bool { return e.Key == host })
	if i < 0 {
		return Entry{}, false
	}
	return f.sequences[i], true
}

func readName(line string) (string, error) {
	name, rest, ok := strings.Cut(line[1:], "]")
	name = strings.TrimSpace(name)
	switch {
	case !ok:
		return "", fmt.Errorf("a stanza begins with [NAME]; the ] is missing")
	case name == "":
		return "", fmt.Errorf("a stanza needs a name")
	case strings.TrimSpace(rest) != "":
		return "", fmt.Errorf("%q behind the name of a stanza", strings.TrimSpace(rest))
	}
	return name, nil
}

// wholeLine are keywords, all of our own, whose values go on to the end of the line: commands.
var wholeLine = []string{"TOTP_COMMAND"}

// readSetting parses KEYWORD VALUE, with or without a colon behind the keyword. As in
// 2.6 the value ends at the first blank, # or ;.
func readSetting(line string) (Entry, error) {
	end := strings.IndexAny(line, blanks)
	if end < 0 {
		return Entry{}, fmt.Errorf("%s has no value", line)
	}
	key, rest := strings.TrimSuffix(line[:end], ":"), strings.TrimLeft(line[end:], blanks)
	if key == "" {
		return Entry{}, fmt.Errorf("%q has no keyword", line)
	}
	if slices.Contains(wholeLine, key) && rest != "" {
		return Entry{Key: key, Value: rest}, nil
	}
	value := rest
	if i := strings.IndexAny(rest, ends); i >= 0 {
		value = rest[:i]
	}
	if value == "" {
		return Entry{}, fmt.Errorf("%s has no value", key)
	}
	more := rest[len(value):]
	return Entry{Key: key, Value: value, Cut: !isComment(more)}, nil
}

// isComment reports whether what follows a value is nothing, the ; of the 1.9 files, or
// a comment behind a blank.
func isComment(more string) bool {
	text := strings.TrimLeft(more, blanks)
	return text == "" || text == ";" || text != more && (text[0] == '#' || text[0] == ';')
}

const (
	blanks = " \t"
	ends   = blanks + "#;" // of a value
)

// Names returns the names of the stanzas, without [Default].
func (f *File) Names() (names []string) {
	for _, s := range f.named {
		if s.name != Default && !slices.Contains(names, s.name) {
			names = append(names, s.name)
		}
	}
	return names
}

// Has reports whether there is a stanza of that name.
func (f *File) Has(name string) bool {
	return slices.ContainsFunc(f.named, func(s section) bool { return s.name == name })
}

// Entries returns the settings of a stanza in their order.
func (f *File) Entries(name string) (all []Entry) {
	for _, s := range f.named {
		if s.name == name {
			all = append(all, s.entries...)
		}
	}
	return all
}

// With returns the text of the file with the stanza name replaced, or added at the end.
// Values that [Parse] would not return as they are are an error.
func (f *File) With(name string, entries []Entry) ([]byte, error) {
	if got, err := readName("[" + name + "]"); err != nil || got != name || !isText(name) {
		return nil, fmt.Errorf("%q cannot be the name of a stanza", name)
	}
	stanza := []string{"[" + name + "]"}
	for _, e := range entries {
		line := fmt.Sprintf("%-27s %s", e.Key, e.Value)
		if got, err := readSetting(line); err != nil || got.Key != e.Key || got.Value != e.Value || !isText(e.Value) {
			return nil, fmt.Errorf("the value of %s cannot be written to an rc file: it would end at the first blank, # or ;", e.Key)
		}
		stanza = append(stanza, line)
	}
	lines := f.without(name, stanza)
	return []byte(strings.Join(lines, "\n") + "\n"), nil
}

func isText(s string) bool {
	return !strings.ContainsFunc(s, unicode.IsControl)
}

// without returns the lines with stanza in place of the first section of that name, or at
// the end, and without its other sections.
func (f *File) without(name string, stanza []string) (out []string) {
	at, placed := 0, false
	for _, s := range f.named {
		if s.name != name {
			continue
		}
		out = append(out, f.lines[at:s.begin]...)
		if !placed {
			out, placed = append(out, stanza...), true
		}
		at = s.end
	}
	out = append(out, f.lines[at:]...)
	if !placed {
		if len(out) > 0 && out[len(out)-1] != "" {
			out = append(out, "")
		}
		out = append(out, stanza...)
	}
	return out
}
