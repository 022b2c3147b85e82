package parse

import (
	"bytes"
	"encoding/binary"
	"time"
)

// A journalEntry holds the fields of an entry that matter here.
type journalEntry struct {
	message, transport []byte
	source, realtime   []byte // microseconds since 1970
}

// JournalEntry reads one entry of the systemd journal that spans lines: in the form
// of journalctl -o export, or of -o verbose, whose first line is the stamp. As in
// [LogLine], only _TRANSPORT decides whether the kernel wrote the message.
//
// The error is as LogLine's.
func JournalEntry(block []byte, ref time.Time, ev *Event) error {
	var e journalEntry
	var stamp []byte
	indent := ""
	if IsJournalHeader(block) {
		n := bytes.IndexByte(block, '\n')
		if n < 0 {
			return errNoRecord
		}
		stamp, block = block[:bytes.Index(block, []byte(" [s="))], block[n+1:]
		indent = verboseIndent
	}
	for len(block) > 0 {
		name, value, next := journalField(block, indent)
		e.set(name, value)
		block = block[next:]
	}
	text := trimEnd(e.message)
	s, ok := findRecord(text, 0)
	if !ok {
		return errNoRecord
	}
	ev.Reset()
	ev.Time = e.time(stamp, ref)
	ev.setOrigin(OriginKernel, string(e.transport) == "kernel")
	err := message(text, 0, s, ev)
	ev.recordStart, ev.heading = 0, 0
	return err
}

// verboseIndent precedes each field of -o verbose. Continuation lines of a value, which
// a program wrote, are indented by more.
const verboseIndent = "    "

func (e *journalEntry) set(name, value []byte) {
	switch string(name) {
	case "MESSAGE":
		e.message = value
	case "_TRANSPORT":
		e.transport = value
	case "_SOURCE_REALTIME_TIMESTAMP":
		e.source = value
	case "__REALTIME_TIMESTAMP":
		e.realtime = value
	}
}

// time returns the kernel's own time, the journal's, or that of the first line.
func (e *journalEntry) time(head []byte, ref time.Time) time.Time {
	for _, micros := range [...][]byte{e.source, e.realtime} {
		var s stamp
		if j := s.microseconds(micros, 0); j == len(micros) && j > 0 {
			return s.time(ref)
		}
	}
	return jsonTime(head, ref)
}

// journalField returns the first field of a block and where the next one begins:
// indent and "NAME=value", or a name alone with the length of the value, eight bytes,
// lowest first, on the next line.
func journalField(block []byte, indent string) (name, value []byte, next int) {
	end := bytes.IndexByte(block, '\n')
	if end < 0 {
		end = len(block)
	}
	line, ours := bytes.CutPrefix(block[:end], []byte(indent))
	if n := bytes.IndexByte(line, '='); n >= 0 && ours {
		return line[:n], line[n+1:], min(end+1, len(block))
	}
	if value, next, ok := JournalBinary(block[min(end+1, len(block)):]); ok && ours && JournalName(line) {
		return line, value, min(end+1+next, len(block))
	}
	return nil, nil, min(end+1, len(block))
}

// JournalBinary returns the value of a field of -o export that follows its name on
// separate lines, and where the next field begins. It reports false if b does not
// hold all of it.
func JournalBinary(b []byte) (value []byte, next int, ok bool) {
	const size = 8
	if len(b) < size {
		return nil, 0, false
	}
	n := binary.LittleEndian.Uint64(b)
	if n >= uint64(len(b)-size) || b[size+n] != '\n' {
		return nil, 0, false
	}
	return b[size : size+n], size + int(n) + 1, true
}

// JournalName reports whether a line is the name of a journal field: capitals,
// digits and underscores.
func JournalName(line []byte) bool {
	for i, c := range line {
		if c != '_' && c-'A' > 'Z'-'A' && (c-'0' > 9 || i == 0) {
			return false
		}
	}
	return len(line) > 0
}

// IsJournalHeader reports whether b begins with the first line of an entry in
// journalctl -o verbose: the stamp, and the cursor in brackets.
func IsJournalHeader(b []byte) bool {
	if n := bytes.IndexByte(b, '\n'); n >= 0 {
		b = b[:n]
	}
	b = trimEnd(b)
	n := bytes.Index(b, []byte(" [s="))
	return n > 0 && n <= maxStamp && b[len(b)-1] == ']' && !jsonTime(b[:n], minClockTime).IsZero()
}
