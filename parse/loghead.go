package parse

import (
	"bytes"
	"math"
	"time"
)

// inHead is returned in place of the start of a message if the record begins inside the
// head: in the structured data of RFC 5424, which a program wrote.
const inHead = -1

// head reads what loggers put before a message. b ends where the record begins. head
// sets ev.Time and ev.Origin and returns where the message starts, which is the prefix
// of the log rule, or inHead.
//
// The origin is the kernel only if the field for the program names the kernel, and nothing
// else in the line contradicts it:
//
//   - "kernel:", or "kernel[n/a]:" of journalctl, where the dialect has the tag, that is
//     after the stamp and at most one host name: "Jul  3 04:05:06 gate kernel: ". The
//     kernel has no process, so "kernel[1]:" is the tag of a program;
//   - the same and the kernel's own time after a facility and level (BusyBox, OpenWrt:
//     "kern.warn kernel: [ 1234.567890]"), if the facility is kern. Without the time it
//     may as well be a tag "kern.warn" before a text "kernel: ";
//   - "[kernel]" after the stamp (metalog);
//   - APP-NAME kernel (RFC 5424);
//   - nothing at all but the kernel's own "[ 1234.567890]", priority, or both
//     (dmesg, /proc/kmsg, /dev/kmsg), or a stamp of a form that only dmesg writes.
//
// In all of them a leading priority must have the facility kern. After a program's tag
// the word kernel is ignored: "myapp: kernel: DROP" is text of myapp.
func head(b []byte, ref time.Time, ev *Event) int {
	i, kern := priority(b)
	var s stamp
	msg, origin := dialect(b, i, &s)
	if s.month != 0 || s.sinceEpoch {
		ev.Time = s.time(ref)
	}
	if i == 0 {
		ev.stampEnd = s.end
	}
	ev.setOrigin(origin, kern)
	return msg
}

// dialect recognises the usual dialects by how they begin, after a priority.
func dialect(b []byte, i int, s *stamp) (msg int, o Origin) {
	if j := s.read(b, i); j != failed {
		s.end = j
		if s.commaFraction && s.hasZone { // dmesg --time-format iso
			return afterUptime(b, j)
		}
		return afterStamp(b, j, s)
	}
	*s = stamp{}
	if j := bracketedTime(b, i, s); j != failed {
		return afterUptime(b, j)
	}
	*s = stamp{}
	if msg, o := s.kmsg(b, i); msg != failed {
		return msg, o
	}
	*s = stamp{}
	if j := after(b, i, "1 "); j != failed {
		if msg, o := rfc5424(b, j, s); msg != failed {
			return msg, o
		}
	}
	*s = stamp{}
	if i > 0 {
		return i, OriginKernel // /proc/kmsg of a kernel that does not print its time
	}
	return i, OriginUnknown
}

// afterStamp reads "host tag: " after a wall clock stamp. Some loggers write no
// host, some a facility and level before the tag, ulogd no tag.
func afterStamp(b []byte, i int, s *stamp) (msg int, o Origin) {
	i = skipBlanks(b, i)
	if end := plainWord(b, i); end != failed {
		if j := kernelTag(b, end+1); j != failed {
			return skipUptime(b, j), OriginKernel
		}
	}
	if i < len(b) && b[i] == '[' && !bracketedAddress(b, i) { // metalog: no host, and the program in brackets
		var t stamp
		if j := bracketedTime(b, i, &t); j != failed && t.sinceEpoch && s.year != 0 { // logread -t: the time once more
			return afterStamp(b, j, s)
		}
		end := wordEnd(b, i)
		if string(b[i:end]) == "[kernel]" {
			return skipUptime(b, end), OriginKernel
		}
		return skipBlank(b, end), OriginUnknown
	}
	if msg, o, ok := tag(b, i); ok {
		return msg, o
	}
	host := i
	i = skipBlanks(b, wordEnd(b, i))
	if msg, o, ok := tag(b, i); ok {
		return msg, o
	}
	if s.hasZone {
		if msg, o := fields5424(b, i); msg != failed {
			return msg, o
		}
	}
	if b[max(host-1, 0)] == ' ' { // a blank follows the clock
		if j := s.afterClock(b, host); j != failed {
			s.end = 0
			return afterStamp(b, j, s)
		}
	}
	if j := containerStream(b, host); j != failed {
		msg, o = s.containerLine(b, j)
		s.end = 0
		return msg, o
	}
	return i, OriginUnknown
}

// containerStream passes over the stream and the tag of the container runtime
// interface, "stdout F ".
func containerStream(b []byte, i int) int {
	if j := after(b, i, "stdout "); j != failed {
		i = j
	} else {
		i = after(b, i, "stderr ")
	}
	if j := after(b, i, "F "); j != failed {
		return j
	}
	return after(b, i, "P ")
}

// containerLine reads a line that a container wrote, after the stamp of its runtime.
// The stamp of the line itself takes precedence, if it has a date.
func (s *stamp) containerLine(b []byte, i int) (msg int, o Origin) {
	line := b[i:]
	j, kern := priority(line)
	var inner stamp
	if msg, o = dialect(line, j, &inner); msg != inHead {
		msg += i
	}
	if inner.month != 0 {
		*s = inner
	}
	if kern && o == OriginKernel {
		return msg, originContainer
	}
	return msg, originProgram
}

// bracketedAddress reports whether the host at i is an address in brackets.
func bracketedAddress(b []byte, i int) bool {
	_, j := address(b, i+1)
	return j < len(b) && b[j] == ']'
}

// tag reads the tag at i, with the facility and level that BusyBox puts before it.
// It reports false if the word there is no tag.
func tag(b []byte, i int) (msg int, o Origin, ok bool) {
	end := wordEnd(b, i)
	word := b[i:end]
	name, ok := facility(bytes.TrimSuffix(word, []byte(":")))
	if !ok {
		return programTag(b, i)
	}
	next := skipBlanks(b, end)
	msg, o, ok = programTag(b, next)
	switch colon := word[len(word)-1] == ':'; {
	case name != "kern":
		o = originProgram
	case colon && !ok:
		if j := skipUptime(b, end); j > next {
			msg, o = j, OriginKernel // socklog: "kern.warn: [ 1234.567890] "
		}
	case !colon && o == OriginKernel && skipBlank(b, kernelTag(b, next)) == msg: // no uptime
		o = OriginUnknown
	}
	return msg, o, true
}

// programTag reads the tag at i, the kernel's or a program's. It reports false, and i,
// if the word there is no tag.
func programTag(b []byte, i int) (msg int, o Origin, ok bool) {
	if j := kernelTag(b, i); j != failed {
		return skipUptime(b, j), OriginKernel, true
	}
	end := wordEnd(b, i)
	word := b[i:end]
	if hasPID(word) {
		return skipBlank(b, end), originProgram, true
	}
	// "DROP:" may be a program, or the prefix in a line of ulogd's. It stays in
	// the prefix.
	return i, OriginUnknown, len(word) > 0 && word[len(word)-1] == ':'
}

// plainWord returns the blank after a word of letters and digits, which can only be a
// host name: a fast path for the common case.
func plainWord(b []byte, i int) int {
	for start := i; i < len(b); i++ {
		switch c := b[i]; {
		case c|0x20-'a' < 26, c-'0' <= 9, c == '-', c == '_':
		case c == ' ' && i > start:
			return i
		default:
			return failed
		}
	}
	return failed
}

// rfc5424 reads the header after "VERSION SP" (RFC 5424 section 6):
//
//	TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA [MSG]
func rfc5424(b []byte, i int, s *stamp) (msg int, o Origin) {
	if j := after(b, i, "- "); j != failed {
		i = j
	} else {
		i = after(b, s.checkDay(s.zone(b, s.iso(b, i))), " ")
	}
	if i == failed {
		return failed, OriginUnknown
	}
	return fields5424(b, skipBlank(b, wordEnd(b, i))) // after the host
}

// fields5424 reads on from APP-NAME.
func fields5424(b []byte, i int) (msg int, o Origin) {
	app := b[i:wordEnd(b, i)]
	for range 3 { // application, process, message type
		i = skipBlank(b, wordEnd(b, i))
	}
	i, closed := structuredData(b, i)
	if i == failed {
		return failed, OriginUnknown
	}
	if !closed {
		return inHead, originProgram
	}
	i = skipBlanks(b, i)
	if j := after(b, i, "\ufeff"); j != failed {
		i = j
	}
	switch string(app) {
	case "kernel":
		return skipUptime(b, i), OriginKernel
	case "-":
		return i, OriginUnknown
	}
	return i, originProgram
}

// structuredData passes over "-" or elements in brackets, in whose quoted values
// a backslash escapes the byte after it. closed is false if b ends within an
// element.
func structuredData(b []byte, i int) (next int, closed bool) {
	if j := after(b, i, "-"); j != failed {
		return j, true
	}
	start := i
	for i < len(b) && b[i] == '[' {
		if i = sdElement(b, i); i == failed {
			return len(b), false
		}
	}
	if i == start {
		return failed, false
	}
	return i, true
}

// sdElement returns the index after the element of structured data at i.
func sdElement(b []byte, i int) int {
	for quoted := false; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == ']' && !quoted:
			return i + 1
		}
	}
	return failed
}

// skipUptime passes over the blank at i and the kernel's own time after it, if
// they are there.
func skipUptime(b []byte, i int) int {
	i = skipBlank(b, i)
	if i < len(b) && b[i] == '[' {
		var s stamp
		if j := bracketedTime(b, i, &s); j != failed && s.sinceEpoch {
			return skipBlank(b, skipCaller(b, j))
		}
	}
	return i
}

// maxBracket bounds the time in brackets at the start of a line; the longest is
// journalctl's "[ 1234.567890 <    0.000123 >]" with room for years of uptime.
const maxBracket = 64

// bracketedTime reads the time in brackets at i and returns the index after it:
//
//	[ 1234.567890]                 printk, dmesg, journalctl -o short-monotonic
//	[ 1234.567890 <    0.000123>]  dmesg -d, journalctl -o short-delta
//	[ 1234.567890                ] the first line of the latter
//	[Fri Jul  3 04:05:06 2026]     dmesg -T
//	[<    0.000123>] [  +0.000123] [Jul 3 04:05]   dmesg -td and -e, which give no time
func bracketedTime(b []byte, i int, s *stamp) int {
	i = after(b, i, "[")
	if i == failed {
		return failed
	}
	n := bytes.IndexByte(b[i:min(len(b), i+maxBracket)], ']')
	if n < 1 {
		return failed
	}
	next, in := i+n+1, b[i:i+n]
	if j := s.unix(in, skipBlanks(in, 0)); j == n || after(in, j, " <") != failed && in[n-1] == '>' || j != failed && skipBlanks(in, j) == n {
		return next
	}
	if j := s.withWeekday(in, weekday(in, 0)); j == n {
		return next
	}
	*s = stamp{}
	if first := skipBlanks(in, 0); first < n && (in[first] == '+' || in[first] == '<') {
		return next
	}
	if _, j := monthAt(in, 0); j != failed && in[n-1]-'0' <= 9 {
		return next
	}
	return failed
}

// afterUptime reads on after the kernel's time at the start of a line. In
// journalctl's short-monotonic a host and a tag follow, where every program but
// the kernel has its process after its name; in dmesg's output the message.
func afterUptime(b []byte, i int) (msg int, o Origin) {
	i = skipBlank(b, skipCaller(b, i))
	for word, words := i, 0; words < 2; words++ {
		end := wordEnd(b, word)
		if j := kernelTag(b, word); j != failed {
			return skipBlank(b, j), OriginKernel
		}
		if hasPID(b[word:end]) {
			return skipBlank(b, end), originProgram
		}
		word = skipBlanks(b, end)
	}
	return i, OriginKernel
}

// skipCaller passes over the task or CPU that printk may add, "[  T123]" or "[C1]".
func skipCaller(b []byte, i int) int {
	j := after(b, skipBlank(b, i), "[")
	if j == failed {
		return i
	}
	j = skipBlanks(b, j)
	if j >= len(b) || b[j] != 'T' && b[j] != 'C' {
		return i
	}
	_, j = number(b, j+1, 1<<32)
	if j = after(b, j, "]"); j == failed {
		return i
	}
	return j
}

// kmsg reads the head of a record of /dev/kmsg, "4,1234,5678901234,-;": priority,
// sequence number, microseconds since boot, flags, and possibly more before the
// semicolon. Programs can write there too, but not with the facility kern.
func (s *stamp) kmsg(b []byte, i int) (msg int, o Origin) {
	pri, i := number(b, i, maxPriority)
	_, i = number(b, after(b, i, ","), math.MaxInt64)
	i = s.microseconds(b, after(b, i, ","))
	i = after(b, i, ",")
	if i == failed {
		return failed, OriginUnknown
	}
	n := bytes.IndexByte(b[i:min(len(b), i+maxBracket)], ';')
	if n < 0 {
		return failed, OriginUnknown
	}
	if pri >= levels {
		return i + n + 1, originProgram
	}
	return i + n + 1, OriginKernel
}

// hasPID reports whether a word is the tag of a program, "sshd[77]:". journalctl
// shows the process of all but the kernel's messages.
func hasPID(word []byte) bool {
	open := bytes.IndexByte(word, '[')
	if open < 1 || !bytes.HasSuffix(word, []byte("]:")) {
		return false
	}
	pid := word[open+1 : len(word)-2]
	_, end := number(pid, 0, 1<<32)
	return end == len(pid)
}

// facility takes a word such as "kern.warn" apart and returns the facility. Both
// halves must be names of syslog.conf(5): a host may be called example.info.
func facility(word []byte) (name string, ok bool) {
	dot := bytes.IndexByte(word, '.')
	if dot < 0 || !isLevel(word[dot+1:]) {
		return "", false
	}
	return facilityName(word[:dot])
}

// A priority is a facility, of which the kernel's is 0, times levels, plus a level
// (RFC 5424 section 6.2.1).
const (
	levels      = 8
	maxPriority = 24*levels - 1
)

// priority reads the facility at the start of a line, "<13>" or the columns of dmesg -x,
// "kern  :warn  : ", and reports whether it is the kernel's or there is none.
func priority(b []byte) (next int, kern bool) {
	if len(b) == 0 {
		return 0, true
	}
	if b[0] == '<' {
		n, i := number(b, 1, maxPriority)
		if i = after(b, i, ">"); i != failed {
			return i, n < levels
		}
		return 0, true
	}
	end := bytes.IndexByte(b[:min(len(b), len("authpriv :"))], ':')
	if b[0] < 'a' || b[0] > 'z' || end < 0 {
		return 0, true
	}
	name, ok := facilityName(bytes.TrimRight(b[:end], " "))
	level := b[end+1:]
	if second := bytes.IndexByte(level, ':'); ok && second >= 0 &&
		isLevel(bytes.TrimRight(level[:second], " ")) {
		return skipBlank(b, end+1+second+1), name == "kern"
	}
	return 0, true
}

func facilityName(word []byte) (name string, ok bool) {
	switch string(word) {
	case "kern":
		return "kern", true
	case "user", "mail", "daemon", "auth", "security", "syslog", "lpr", "news", "uucp",
		"cron", "authpriv", "ftp", "ntp", "audit", "alert", "clock", "local0", "local1",
		"local2", "local3", "local4", "local5", "local6", "local7":
		return "other", true
	}
	return "", false
}

func isLevel(word []byte) bool {
	switch string(word) {
	case "emerg", "panic", "alert", "crit", "err", "error", "warn", "warning", "notice",
		"info", "debug":
		return true
	}
	return false
}

// isKernelTag reports whether a tag is the kernel's, with or without its colon.
func isKernelTag(tag []byte) bool {
	tag = bytes.TrimRight(tag, " ")
	return string(tag) == "kernel" || kernelTag(tag, 0) == len(tag)
}

// kernelTag returns the index after "kernel:", or "kernel[n/a]:" as journalctl -o with-unit
// writes it.
func kernelTag(b []byte, i int) int {
	i = after(b, i, "kernel")
	if j := after(b, i, "[n/a]"); j != failed {
		i = j
	}
	return after(b, i, ":")
}
