package ingest

import (
	"bytes"
	"context"
	"io"

	"fwknopd/parse"
)

// maxEntry bounds an entry that spans lines. journald keeps no field above 768 KiB
// and no message above 48 KiB.
const maxEntry = 192 << 10

// A layout is how a text holds records that span lines.
type layout uint8

const (
	layoutLines   layout = iota // none does
	layoutExport                // journalctl -o export: fields, and a blank line
	layoutVerbose               // journalctl -o verbose: a stamp, and fields behind blanks
	layoutJSON                  // objects one after the other, or in a list (json-pretty, jq)
)

// layoutOf returns the layout of a text, judged by its beginning.
func layoutOf(front []byte) layout {
	front = bytes.TrimPrefix(front, []byte("\ufeff"))
	list := false // in a list of JSON objects
	for {
		line, rest, whole := bytes.Cut(front, []byte("\n"))
		line = bytes.TrimRight(line, "\r\t ")
		start := jsonStart(line)
		list = list || bytes.IndexByte(line[:start], '[') >= 0
		switch {
		case start < len(line) && line[start] == '{':
			if list || whole && objectEnd(line[start:]) != len(line)-start {
				return layoutJSON
			}
		case !whole:
		case start == len(line), bytes.HasPrefix(line, []byte("-- ")): // journalctl's comments
			front = rest
			continue
		case bytes.HasPrefix(line, []byte("__")) && parse.JournalName(line[:max(0, bytes.IndexByte(line, '='))]):
			return layoutExport
		case parse.IsJournalHeader(line):
			return layoutVerbose
		}
		return layoutLines
	}
}

// entries reads records that span lines.
type entries struct {
	*readBuffer
	lineOptions
	layout layout
}

func (e *entries) next(ctx context.Context, ev *parse.Event) error {
	for {
		e.take(e.between(e.bytes()))
		b := e.bytes()
		if n := e.end(b, false); n > 0 {
			e.take(n)
			return e.entry(b[:n], ev)
		}
		if len(b) > maxEntry {
			e.take(len(b))
			return errLongLine
		}
		if err := e.fill(ctx); err != nil {
			return err
		}
	}
}

func (e *entries) rest(ev *parse.Event, whole bool) error {
	e.take(e.between(e.bytes()))
	b := e.bytes()
	switch {
	case len(b) == 0:
		return io.EOF
	case !whole:
		return e.torn(false)
	}
	n := e.end(b, true)
	if n == 0 {
		n = len(b)
	}
	e.take(n)
	return e.entry(b[:n], ev)
}

// between returns the number of bytes in front of the next record.
func (e *entries) between(b []byte) int {
	text := bytes.TrimPrefix(b, []byte("\ufeff"))
	mark := len(b) - len(text)
	if e.layout == layoutJSON {
		start := jsonStart(text)
		if n := listOpening(text[start:]); n > 0 {
			return mark + start + n
		}
		return mark + start
	}
	return mark + len(text) - len(bytes.TrimLeft(text, "\r\n"))
}

// end returns the end of the first record in b, 0 if b may not hold all of it. last is
// set if nothing follows b.
func (e *entries) end(b []byte, last bool) int {
	switch {
	case len(b) == 0:
		return 0
	case e.layout == layoutJSON && b[0] == '{':
		return objectEnd(b)
	case e.layout == layoutExport:
		return exportEnd(b)
	}
	n := bytes.IndexByte(b, '\n') + 1
	if e.layout == layoutJSON || n == 0 || !parse.IsJournalHeader(b) {
		return n // a line that is no record
	}
	for n < len(b) && b[n] == ' ' {
		next := bytes.IndexByte(b[n:], '\n') + 1
		if next == 0 {
			return 0
		}
		n += next
	}
	if n == len(b) && !last {
		return 0
	}
	return n
}

// entry turns one record into an event.
func (e *entries) entry(b []byte, ev *parse.Event) error {
	e.journal = e.layout == layoutExport || e.layout == layoutVerbose && parse.IsJournalHeader(b)
	if e.layout != layoutExport { // its last newline may belong to a binary value
		b = bytes.TrimRight(b, "\r\n")
	}
	return e.decode(b, ev)
}

// exportEnd returns the end of an entry, behind the blank line, 0 if b does not hold it.
func exportEnd(b []byte) int {
	for i := 0; i < len(b); {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			return 0
		}
		line := b[i : i+n]
		i += n + 1
		if len(line) == 0 {
			return i
		}
		if bytes.IndexByte(line, '=') < 0 && parse.JournalName(line) {
			_, next, ok := parse.JournalBinary(b[i:])
			if !ok {
				return 0
			}
			i += next
		}
	}
	return 0
}

// jsonStart returns how much of b is between two objects: white space, commas, the
// brackets of a list and of what holds it, and the record separators of RFC 7464.
func jsonStart(b []byte) int {
	return len(b) - len(bytes.TrimLeft(b, " \t\r\n,[]}\x1e"))
}

// listOpening returns the length of the beginning of an object that holds nothing but
// a list of others, as in dmesg --json, 0 if b begins otherwise.
func listOpening(b []byte) int {
	rest, ok := bytes.CutPrefix(b, []byte("{"))
	rest = bytes.TrimLeft(rest, " \t\r\n")
	if !ok || len(rest) == 0 || rest[0] != '"' {
		return 0
	}
	quote := bytes.IndexByte(rest[1:], '"')
	if quote < 0 {
		return 0
	}
	rest = bytes.TrimLeft(rest[1+quote+1:], " \t\r\n:")
	list := bytes.TrimLeft(rest, "[ \t\r\n")
	if len(list) == 0 || list[0] != '{' || len(rest) == len(list) || rest[0] != '[' {
		return 0
	}
	return len(b) - len(list)
}

// objectEnd returns the end of the JSON object that b begins with, 0 if b does not
// hold all of it.
func objectEnd(b []byte) int {
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}
