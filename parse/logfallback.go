package parse

import (
	"bytes"
	"time"
)

// The fallback reads lines that the usual parser cannot: stamps in other languages and
// rare formats, and what terminals, grep and log shippers put around a line.

// fallbackLine reads a line for which the usual parser returned first, and ev if first is
// nil. That result is kept if the fallback finds no event, or one that begins later in
// the line.
func fallbackLine(line []byte, ref time.Time, ev *Event, first error) error {
	begin := ev.recordStart
	err := unwrapLine(line, ref, ev)
	if err == nil && (first != nil || ev.recordStart <= begin) {
		return nil
	}
	if first == nil {
		_, first = textLine(line, ref, ev)
	} else if first == errNoRecord && err != errRecord {
		return err
	}
	return first
}

// unwrapLine strips what surrounds a line, and reads it.
func unwrapLine(line []byte, ref time.Time, ev *Event) error {
	text := bytes.TrimPrefix(bytes.TrimPrefix(line, []byte("\ufeff")), []byte("\x1e"))
	column := failed
	if needsStripping(text) {
		column = kernelColumn(text, ref)
		ev.text = stripEscapes(ev.text[:0], text)
		text = ev.text
	}
	if k := jsonBegin(text); k != failed {
		err := jsonLine(text[k:], ref, ev)
		if bytes.HasSuffix(bytes.TrimRight(text[:k], " "), []byte("|")) {
			ev.Container = true
		}
		return err
	}
	s, ok := findRecord(text, 0)
	if !ok {
		if s, ok = findProxmox(text); !ok {
			return errNoRecord
		}
	}
	if raw, ok := findRecord(line, 0); ok && raw.start < s.start {
		return errNoRecord // stripping damaged an earlier record
	}
	ev.Reset()
	msg := fallbackHead(text[:s.start], ref, ev)
	if column <= s.start && ev.Origin == OriginUnknown {
		msg = skipUptime(text, column)
		ev.setOrigin(OriginKernel, true)
	}
	return message(text, msg, s, ev)
}

// mayBeWrapped reports whether a line in which no record was found may still hold one. It
// runs on every line of other programs and must be cheap. in: the line has "IN=" somewhere.
func mayBeWrapped(b []byte, in bool) bool {
	if len(b) == 0 {
		return false
	}
	first, last := b[0], b[len(b)-1]
	return in || last == '}' || first == 0x1b || first-'0' <= 9 && bytes.Contains(b, []byte(" OUT="))
}

// jsonBegin returns where in a line of other text a JSON object begins that ends
// with the line: after the name of a server-sent event's field (journalctl -o
// json-sse) or what grep puts in front.
func jsonBegin(b []byte) int {
	k := bytes.IndexByte(b, '{')
	if k < 0 || b[len(bytes.TrimRight(b, " "))-1] != '}' {
		return failed
	}
	before := b[:k]
	if k <= maxIndent || string(before) == "data: " {
		return k
	}
	end := bytes.TrimRight(before, " ")
	if last := before[max(len(end)-1, 0)]; isSeparator(last) && (len(end) == k || last == '|') && mayBeFileName(before) && isWordOrPath(before) {
		return k
	}
	return failed
}

// fallbackHead is head for formats that head does not know. It returns the start of the
// message, and sets ev.Time and ev.Origin.
func fallbackHead(b []byte, ref time.Time, ev *Event) int {
	if msg, ok := headAt(b, octetCount(b), ref, ev); ok {
		return msg
	}
	if msg, ok := headBehindName(b, ref, ev); ok {
		return msg
	}
	ev.Time = time.Time{}
	msg := head(b, ref, ev)
	if ev.Origin == OriginUnknown {
		if j := unknownStamp(b); j != failed {
			ev.Origin = OriginKernel
			return j
		}
	}
	return msg
}

// octetCount passes over the length with which syslog over TCP begins a message (RFC 6587),
// where a receiver wrote the stream as it came. It returns 0 if there is none.
func octetCount(b []byte) int {
	const most = 99999
	if _, i := number(b, 0, most); after(b, i, " <") != failed {
		return i + 1
	}
	return 0
}

// headBehindName reads a head that stands behind the name of a file or of a container.
func headBehindName(b []byte, ref time.Time, ev *Event) (msg int, ok bool) {
	for i := 1; i < len(b) && i < maxFileName; i++ {
		if !isSeparator(b[i-1]) || isSeparator(b[i]) || !mayBeFileName(b[:i]) {
			continue
		}
		if msg, ok = headAt(b, i, ref, ev); !ok {
			continue
		}
		if b[i]-'0' <= 9 && !ev.Time.IsZero() && ev.Time.Before(minClockTime) {
			continue // the seconds of a clock
		}
		switch {
		case !isWordOrPath(b[:i]):
			ev.setOrigin(OriginUnknown, true)
		case b[i-1] == '|': // docker compose logs
			ev.Container = true
		}
		return msg, true
	}
	return 0, false
}

// maxIndent is how many blanks may stand before a line: some locales pad the
// names of months. journalctl indents the continuation lines of a message by more, and
// those are text of a program.
const maxIndent = 1

// headAt reads a head that begins at i and has a time, of a usual dialect or of a
// rare one.
func headAt(b []byte, i int, ref time.Time, ev *Event) (msg int, ok bool) {
	lead := skipBlanks(b, i) - i
	ev.Time = time.Time{}
	ev.setOrigin(OriginUnknown, true)
	if lead > maxIndent {
		return 0, false
	}
	i += lead
	if msg = head(b[i:], ref, ev); msg >= 0 && !ev.Time.IsZero() {
		return i + msg, true
	}
	j, kern := priority(b[i:])
	var s stamp
	msg, origin := rareDialect(b, i+j, &s)
	if msg == failed {
		return 0, false
	}
	ev.setOrigin(origin, kern)
	if s.month != 0 || s.sinceEpoch {
		ev.Time = s.time(ref)
	}
	return msg, true
}

// rareDialect is dialect for stamps that few loggers write.
func rareDialect(b []byte, i int, s *stamp) (msg int, o Origin) {
	if j := s.proxmox(b, i); j != failed {
		return j, OriginKernel
	}
	*s = stamp{}
	if j, ring := s.rareBracket(b, i); j != failed {
		return afterBracket(b, j, ring, s)
	}
	*s = stamp{}
	if j := s.readRare(b, i); j != failed {
		return afterStamp(b, j, s)
	}
	return failed, OriginUnknown
}

// maxFileName bounds what grep puts before a line (PATH_MAX).
const maxFileName = 4096

// isSeparator reports whether c ends a file name or a line number in the output of grep,
// where "-" marks lines of context, or a name in that of docker compose ("|").
func isSeparator(c byte) bool { return c == ':' || c == '-' || c == '|' || c == 0 }

// mayBeFileName reports whether text may be what grep puts before a line, with its
// separator. A tag followed by a blank is excluded: after it a program could write a
// complete line.
func mayBeFileName(text []byte) bool {
	return !bytes.Contains(text[:len(text)-1], []byte(": ")) && !holdsClock(text)
}

// isWordOrPath reports whether the text before a line is one word or a path, and so
// cannot be the head of another line in an unknown format.
func isWordOrPath(text []byte) bool {
	if text[0] == '/' || text[0] == '.' {
		return true
	}
	word := bytes.TrimRight(text, " |")
	return bytes.IndexByte(word, ' ') < 0
}

// unknownStamp looks for the kernel's tag after a stamp of an unknown format and a host:
// after two words or more, none of them a program's tag, one of which, but not the last,
// has a digit. It returns the start of the message.
func unknownStamp(b []byte) int {
	const mostWords = 8
	digit := false
	i := skipBlanks(b, 0)
	if i > maxIndent {
		return failed
	}
	for words := 0; words < mostWords && i < len(b); words++ {
		if words >= 2 && digit {
			if j := kernelTag(b, i); j != failed {
				return skipUptime(b, j)
			}
		}
		end := wordEnd(b, i)
		if b[end-1] == ':' {
			return failed
		}
		next := skipBlanks(b, end)
		if kernelTag(b, next) == failed {
			digit = digit || bytes.ContainsAny(b[i:end], "0123456789")
		}
		i = next
	}
	return failed
}

// kernelColumn returns the index after the kernel's tag in a line whose columns end at
// tabs: the whole stamp, one host, and the tag, which needs no colon there. Facility
// and level may come between the last two, but no blanks, so that no text of a program
// can precede the tag.
func kernelColumn(b []byte, ref time.Time) int {
	tab := bytes.IndexByte(b[:min(len(b), maxStamp+1)], '\t')
	if tab < 0 || jsonTime(b[:tab], ref).IsZero() {
		return failed
	}
	for column, i := 0, tab+1; ; column++ {
		n := bytes.IndexByte(b[i:], '\t')
		if n < 1 || wordEnd(b, i) < i+n {
			return failed
		}
		word := b[i : i+n]
		i += n + 1
		name, ok := facility(word)
		switch {
		case column == 0:
		case isKernelTag(word):
			return i
		case !isLevel(word) && string(word) != "kern" && !(ok && name == "kern"):
			return failed
		}
	}
}

// needsStripping reports whether stripEscapes would change the text. One longer than
// maxText is left as it is, so that the scratch space of an event stays bounded.
func needsStripping(b []byte) bool {
	return len(b) <= maxText && (bytes.IndexByte(b, '\t') >= 0 || hasEscape(b))
}

// hasEscape reports whether a text contains terminal escapes, raw or in one of the
// notations of loggers and pagers.
func hasEscape(b []byte) bool {
	return bytes.IndexByte(b, 0x1b) >= 0 || bytes.Contains(b, []byte("#033[")) ||
		bytes.Contains(b, []byte(`\x1b[`)) || bytes.Contains(b, []byte("^[["))
}

// stripEscapes appends src to dst without its terminal escapes (dmesg --color,
// journalctl and less -R on a terminal, grep --color) and with blanks for tabs. dst may
// be the front of src: no byte is written before it was read.
func stripEscapes(dst, src []byte) []byte {
	for i := 0; i < len(src); {
		if j := skipEscape(src, i); j != failed {
			i = j
			continue
		}
		c := src[i]
		if c == '\t' {
			c = ' '
		}
		dst = append(dst, c)
		i++
	}
	return dst
}

// skipEscape returns the index after the terminal escape at i: a control sequence
// (ECMA-48 section 5.4), an operating system command, which ends with BEL or ST,
// or a sequence of two or three characters.
func skipEscape(b []byte, i int) int {
	j := skipEscapeByte(b, i)
	if j == failed || j >= len(b) {
		return j
	}
	switch c := b[j]; {
	case c == '[':
		for j++; j < len(b) && b[j] >= 0x20 && b[j] < 0x40; j++ {
		}
		return min(j+1, len(b))
	case c == ']':
		n := bytes.IndexAny(b[j:], "\x07\x1b")
		if n < 0 {
			return j
		}
		if j += n + 1; b[j-1] == 0x1b && j < len(b) {
			j++ // ST is ESC and a backslash
		}
		return j
	case c >= 0x20 && c < 0x30:
		return min(j+2, len(b))
	}
	return j + 1
}

// skipEscapeByte returns the index after the escape character at i: itself, or, in
// front of a bracket, as rsyslog (#033), the kernel and journald (\x1b), and cat -v
// write it.
func skipEscapeByte(b []byte, i int) int {
	switch b[i] {
	case 0x1b:
		return i + 1
	case '#', '\\', '^':
		for _, text := range [...]string{"#033[", `\x1b[`, "^[["} {
			if j := after(b, i, text); j != failed {
				return j - 1
			}
		}
	}
	return failed
}
