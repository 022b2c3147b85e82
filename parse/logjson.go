package parse

import (
	"bytes"
	"math"
	"time"
)

// jsonLine reads one JSON object:
//
//   - a record of the journal (journalctl -o json). Its fields that begin with an
//     underscore are journald's own, and no program can set them: _TRANSPORT alone
//     decides whether the kernel wrote the message;
//   - an object of any other shipper, with a line of any other dialect, or the bare
//     message, under one of the names that shippers use. The origin is that of the
//     line, or follows from the field with the tag; a tag or a facility that is not
//     the kernel's overrides it. The object gives the time if the line has none but
//     an uptime. One that names a container's stream or input is of that container,
//     whatever its text says;
//   - a record of ulogd's JSON output.
func jsonLine(line []byte, ref time.Time, ev *Event) error {
	var o object
	if !o.read(line) {
		return brokenJSON(line)
	}
	text, err := o.message(ev)
	switch {
	case err == errNoRecord && o.isSet(slotUlogd):
		return ulogd(line, ref, ev)
	case err != nil:
		return err
	}
	if err := o.line(text, ref, ev); err != nil {
		return err
	}
	if o.fromContainer() && !o.fromJournal() {
		ev.Container, ev.Program = true, ev.Program || ev.Origin == OriginUnknown
	}
	if ev.Time.Before(minClockTime) {
		if t := o.time(ref); !t.IsZero() {
			ev.Time = t
		}
	}
	return nil
}

// line reads the text that the object holds.
func (o *object) line(text []byte, ref time.Time, ev *Event) error {
	author := o.author()
	s, ok := findRecord(text, 0)
	if ok && (author == byKernel || o.fromJournal()) {
		return o.kernelMessage(text, s, author, ref, ev)
	}
	_, err := anyLine(text, ref, ev)
	switch {
	case author == byOther:
		ev.setOrigin(originProgram, true)
	case ok && author == byFacility && err == nil && ev.Origin == OriginUnknown && isBareKernelMessage(text[:s.start]):
		ev.Origin = OriginKernel
	}
	return err
}

// kernelMessage reads a text with the record s that the author wrote: the bare message, or
// in objects that are not of the journal a line with a head.
func (o *object) kernelMessage(text []byte, s span, author author, ref time.Time, ev *Event) error {
	ev.Reset()
	msg := 0
	if !o.fromJournal() {
		lead := skipBlanks(text[:s.start], 0) // rsyslog keeps the blank after the tag
		if msg = head(text[lead:s.start], ref, ev); msg != inHead {
			msg += lead
		}
	}
	ev.setOrigin(originProgram, true)
	if author == byKernel && msg != inHead {
		ev.setOrigin(OriginKernel, true)
	}
	err := message(text, msg, s, ev)
	if (err == errRecord || err == nil && hasEscape(ev.Prefix)) && needsStripping(text) {
		ev.text = stripEscapes(ev.text[:0], text)
		return o.line(ev.text, ref, ev)
	}
	return err
}

// isBareKernelMessage reports whether the text before a record is only the prefix of
// the log rule, after the kernel's tag and a host or without them, in a message with
// the kernel's facility in the object. A priority, a clock or a possible program's tag
// mean that the message is a complete line, whose own tag decides.
func isBareKernelMessage(b []byte) bool {
	if i, _ := priority(b); i > 0 || holdsClock(b) {
		return false
	}
	i := skipBlanks(b, 0)
	for range 2 { // the host, if there is one, comes first
		if _, o, ok := tag(b, i); ok {
			return o == OriginKernel
		}
		i = skipBlanks(b, wordEnd(b, i))
	}
	return true
}

// message finds the first of the texts, in the order of their names, that holds a
// record.
func (o *object) message(ev *Event) (text []byte, err error) {
	err = errNoRecord
	for n := slotText; n < slotTag; n++ {
		raw := o.raw(n)
		if len(raw) == 0 || raw[0] == '{' {
			continue
		}
		text, ok := jsonText(raw, ev)
		if !ok {
			if brokenJSON(raw) != errNoRecord {
				err = errJSON
			}
			continue
		}
		text = trimEnd(text)
		if _, ok := findRecord(text, 0); ok || len(text) > 0 && text[0] == '{' {
			return text, nil
		}
		if _, ok := findProxmox(text); ok {
			return text, nil
		}
	}
	return nil, err
}

var errJSON = &skipError{ErrMalformed, "netfilter record in broken JSON"}

// brokenJSON returns the error for a torn record, or for other text in braces.
func brokenJSON(line []byte) error {
	if _, ok := findRecord(line, 0); ok {
		return errJSON
	}
	return errNoRecord
}

// An author is who wrote a message, as far as the fields of an object show.
type author uint8

const (
	byUnknown  author = iota // no field for it
	byFacility               // of the kernel's facility; the object names no program
	byKernel
	byOther
)

// author returns who wrote the message. Names of programs must all be the kernel's, and
// so must facilities.
func (o *object) author() author {
	if o.fromJournal() {
		if string(o.raw(slotTransport)) == `"kernel"` {
			return byKernel
		}
		return byOther
	}
	tag, facility := o.tagAuthor(), o.facilityAuthor()
	switch {
	case tag == byOther || facility == byOther:
		return byOther
	case tag == byKernel || o.fromKmsg():
		return byKernel
	}
	return facility
}

// tagAuthor returns who wrote the message by its tags.
func (o *object) tagAuthor() author {
	a := byUnknown
	for n := slotTag; n < slotFacility; n++ {
		switch tag := unquote(o.raw(n)); {
		case len(tag) == 0 || string(tag) == "null" || string(tag) == "-":
		case isKernelTag(tag):
			a = byKernel
		case n != slotTag: // a "tag" may be any label
			return byOther
		}
	}
	return a
}

// facilityAuthor returns who wrote the message by its facilities.
func (o *object) facilityAuthor() author {
	a := byUnknown
	for n := slotFacility; n < slotTime; n++ {
		switch f := unquote(o.raw(n)); string(f) {
		case "kern", "kernel", "KERN":
			a = byFacility
		case "", "null", "0": // Logstash writes 0 as well where it could not read one
		default:
			return byOther
		}
	}
	return a
}

// fromJournal reports whether the object is a record of the systemd journal, whose
// message is the bare message.
func (o *object) fromJournal() bool { return o.isSet(slotTransport) || o.isSet(slotRealtime) }

// fromKmsg reports whether the object is a record of the kernel's ring buffer, as dmesg
// --json writes it: a priority of the kernel's, an uptime, and the message; or as
// Fluent Bit does, which keeps the level alone, but only root writes to /dev/kmsg.
func (o *object) fromKmsg() bool {
	if o.numbers(slotPriority, slotSequence, slotSec, slotUsec) {
		level, _ := number(o.raw(slotPriority), 0, maxPriority)
		return level < levels
	}
	pri, time := o.raw(slotPri), unquote(o.raw(slotUptime))
	n, i := number(pri, 0, maxPriority)
	var s stamp
	return len(pri) > 0 && i == len(unquote(pri)) && n < levels && s.unix(time, skipBlanks(time, 0)) == len(time) && s.seconds < minClockTime.Unix()
}

// fromContainer reports whether the object is a line that a container wrote.
func (o *object) fromContainer() bool {
	switch string(unquote(o.raw(slotStream))) {
	case "stdout", "stderr":
		return true
	}
	switch string(unquote(o.raw(slotInput))) {
	case "container", "docker":
		return true
	}
	return false
}

// numbers reports whether all of the slots hold numbers, which are not quoted.
func (o *object) numbers(slots ...slot) bool {
	for _, n := range slots {
		raw := o.raw(n)
		if _, i := number(raw, 0, math.MaxInt64); i != len(unquote(raw)) || len(raw) == 0 {
			return false
		}
	}
	return true
}

// time returns the first of the times, in the order of their names, that can be
// read; zero if none can.
func (o *object) time(ref time.Time) time.Time {
	for n := slotTime; n <= slotRealtime; n++ { // microseconds, however few
		var s stamp
		raw := unquote(o.raw(n))
		if j := s.microseconds(raw, 0); j == len(raw) && j > 0 {
			return s.time(ref)
		}
	}
	for n := slotRealtime + 1; n < slots; n++ {
		if t := jsonTime(o.raw(n), ref); !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// maxStamp is the longest stamp in JSON that is looked at.
const maxStamp = 64

// jsonTime reads a raw value: a stamp in text, or a count since 1970 in seconds or
// a smaller unit, by its length.
func jsonTime(raw []byte, ref time.Time) time.Time {
	raw = unquote(raw)
	if len(raw) == 0 || len(raw) > maxStamp {
		return time.Time{}
	}
	var text [maxStamp]byte
	if bytes.IndexByte(raw, '\\') >= 0 { // some encoders escape the plus sign
		raw, _ = appendUnescaped(text[:0], raw)
	}
	var s stamp
	if s.epoch(raw, 0) == len(raw) || s.scientific(raw) || isWholeStamp(&s, raw, s.read(raw, 0)) || isWholeStamp(&s, raw, s.readRare(raw, 0)) {
		return s.time(ref)
	}
	return time.Time{}
}

// isWholeStamp reports whether a stamp that was read up to i is all there is, but for
// AM or PM, a zone and a year.
func isWholeStamp(s *stamp, b []byte, i int) bool {
	for i < len(b) && b[i] == ' ' {
		i = s.afterClock(b, i+1)
	}
	return i == len(b)
}

// scientific reads a count with an exponent, "1.7830515075e+09", as some encoders
// write it.
func (s *stamp) scientific(b []byte) bool {
	const unit = 18 // digits of nanoseconds since 1970, less one
	n, digits, i := uint64(0), 0, 0
	for ; i < len(b) && digits <= unit; i++ {
		if b[i] == '.' && i == 1 {
			continue
		}
		if b[i]-'0' > 9 {
			break
		}
		n, digits = n*10+uint64(b[i]-'0'), digits+1
	}
	if digits == 0 || i >= len(b) || b[i]|0x20 != 'e' {
		return false
	}
	if i++; i < len(b) && b[i] == '+' {
		i++
	}
	exp, end := number(b, i, unit)
	if end != len(b) || exp < 9 || exp%3 != 0 {
		return false
	}
	for ; digits <= unit; digits++ {
		n *= 10
	}
	s.sinceEpoch, s.seconds, s.nsec = true, int64(n/1e9), int(n%1e9)
	return true
}

// unquote takes the quotes off a raw JSON string, and off other values the white
// space after them.
func unquote(v []byte) []byte {
	for len(v) > 0 && jsonBlanks(v, len(v)-1) == len(v) {
		v = v[:len(v)-1]
	}
	if len(v) >= 2 && v[0] == '"' {
		return v[1 : len(v)-1]
	}
	return v
}
