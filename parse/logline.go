package parse

import (
	"bytes"
	"time"
)

// LogLine reads one line of a log, without its newline, into ev. ref is the moment
// at which the line is read or, for an old log, at which it was last written to:
// years that stamps leave out are found by it, and its location is that of stamps
// without a zone and of ev.Time.
//
// It knows a record as Linux's nf_log_syslog, ulogd's LOGEMU and Proxmox VE write it,
// within the lines of syslog daemons (RFC 3164 and 5424, rsyslog, syslog-ng, BusyBox,
// metalog, socklog), of journalctl in all its short forms and json, of dmesg and the
// kernel ring buffer itself, and within the JSON objects of shippers that hold such a
// line; and ulogd's own JSON. Only if that fails is a line read without terminal
// colours and the file name that grep prepends, and with stamps in other languages and
// formats. Entries that span lines are [JournalEntry]'s.
//
// A stamp of an unknown format leaves ev.Time zero; the origin then depends on the tag
// alone.
//
// The error is one of ErrSkip: ErrNotOurs for a line without a record, and for the
// record of a packet that makes no event (ARP, later fragments, headers that were
// cut short); ErrMalformed for a record that breaks its own format. Ports, lengths
// and all other numbers are checked against the width of their header fields.
func LogLine(line []byte, ref time.Time, ev *Event) error {
	plain, err := anyLine(trimEnd(line), ref, ev)
	if !plain {
		ev.recordStart, ev.stampEnd, ev.heading = 0, 0, 0
	}
	return err
}

// anyLine reads a line of text or JSON. plain: what was read is the line as it is.
func anyLine(line []byte, ref time.Time, ev *Event) (plain bool, err error) {
	if len(line) > 0 && line[0] == '{' {
		return false, jsonLine(line, ref, ev)
	}
	odd, err := textLine(line, ref, ev)
	if odd {
		return false, fallbackLine(line, ref, ev, err)
	}
	return true, err
}

// textLine reads a line that is not wrapped in anything. odd: part of the line was not
// understood.
func textLine(line []byte, ref time.Time, ev *Event) (odd bool, err error) {
	s, ok := findRecord(line, 0)
	if !ok {
		return mayBeWrapped(line, s.fields > 0), errNoRecord
	}
	ev.Reset()
	msg := head(line[:s.start], ref, ev)
	err = message(line, msg, s, ev)
	switch {
	case err == errRecord:
		return ev.Time.IsZero() || needsStripping(line), err
	case err != nil:
		return false, err
	case ev.Origin != OriginUnknown:
		return bytes.IndexByte(ev.Prefix, 0x1b) >= 0, nil
	}
	return ev.Time.IsZero() || needsStripping(line[:s.start]), nil
}

// maxPrefix is the longest prefix of a log rule (NF_LOG_PREFIXLEN less its NUL).
const maxPrefix = 127

// message reads the record at s of the message that begins at msg.
//
// A prefix may itself begin like a record. Then the record proper is searched after it;
// but that may as well be another line appended to a torn one, so its origin is
// unknown. The same holds for a record after the clock of a stamp.
//
// With msg inHead, the record is text of a program; a complete one is still an event, but
// a partial one does not count as malformed.
func message(b []byte, msg int, s span, ev *Event) error {
	if msg == inHead {
		if record(b, s, ev) != nil {
			return errNoRecord
		}
		return nil
	}
	ev.Prefix = b[msg:s.start]
	ev.checkPrefix()
	err := record(b, s, ev)
	if err != errRecord || needsStripping(b) { // it may be whole once its escapes are stripped
		return err
	}
	for {
		var ok bool
		s, ok = findRecord(b, s.fields)
		if !ok || s.start-msg > maxPrefix {
			return errRecord
		}
		t, program, container := ev.Time, ev.Program, ev.Container
		ev.Reset()
		ev.Time, ev.Program, ev.Container, ev.Prefix = t, program, container, b[msg:s.start]
		ev.checkPrefix()
		if err := record(b, s, ev); err != errRecord {
			return err
		}
	}
}

// checkPrefix looks in the text between head and record for a further head, which a program
// wrote, or which was glued to a torn line. What follows a stamp of an unknown format is
// not the second one.
func (e *Event) checkPrefix() {
	clock := holdsClock(e.Prefix)
	if clock && e.Origin == OriginKernel || !e.Time.IsZero() && (clock || e.Origin == OriginUnknown && bytes.Contains(e.Prefix, []byte("kernel: "))) {
		e.setOrigin(originProgram, true)
	}
}

// holdsClock reports whether a text contains a time of day, "04:05:06".
func holdsClock(b []byte) bool {
	for i := 2; i+6 <= len(b); i++ {
		var s stamp
		if b[i] == ':' && s.clock(b, i-2) != failed {
			return true
		}
	}
	return false
}

// trimEnd cuts a newline or carriage return off the end.
func trimEnd(line []byte) []byte {
	for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == '\r') {
		line = line[:len(line)-1]
	}
	return line
}
