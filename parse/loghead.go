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
	if j, ring := bracketedTime(b, i, s); j != failed {
		return afterBracket(b, j, ring, s)
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
	if i < len(b) && b[i] == '[' && !bracketedAddress(b, i) {
		return bracketed(b, i, s)
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
	j := containerStream(b, host)
	if j == failed {
		j = innerLine(b, host)
	}
	if j != failed {
		msg, o = s.containerLine(b, j)
		s.end = 0
		return msg, o
	}
	return i, OriginUnknown
}

// bracketed reads what metalog writes after a wall clock stamp: no host, and the program in
// brackets. In the brackets of logread -t is the time once more.
func bracketed(b []byte, i int, s *stamp) (msg int, o Origin) {
	var t stamp
	if j, _ := bracketedTime(b, i, &t); j != failed && t.sinceEpoch && s.year != 0 {
		return afterStamp(b, j, s)
	}
	end := wordEnd(b, i)
	if string(b[i:end]) == "[kernel]" {
		return skipUptime(b, end), OriginKernel
	}
	return skipBlank(b, end), OriginUnknown
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

// innerLine returns i if a line with a stamp of its own begins there, directly after the
// stamp that docker logs -t, kubectl logs --timestamps or ts(1) put before it; a logger
// would have written a host or a tag between the two.
func innerLine(b []byte, i int) int {
	pri, _ := priority(b[i:])
	var s stamp
	if s.read(b, i+pri) == failed || s.month == 0 {
		return failed
	}
	return i
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

// skipUptime passes over the blank at i and the kernel's own time after it, if
// they are there.
func skipUptime(b []byte, i int) int {
	i = skipBlank(b, i)
	if i < len(b) && b[i] == '[' {
		var s stamp
		if j, _ := bracketedTime(b, i, &s); j != failed && s.sinceEpoch {
			return skipBlank(b, skipCaller(b, j))
		}
	}
	return i
}

// maxBracket bounds the time in brackets at the start of a line; the longest is
// journalctl's "[ 1234.567890 <    0.000123 >]" with room for years of uptime.
const maxBracket = 64

// bracketedTime reads the time in brackets at i and returns the index after it. ring: the
// form is one of the kernel's ring buffer or of the journal, not one that programs write too.
//
//	[ 1234.567890]                 printk, dmesg, journalctl -o short-monotonic
//	[ 1234.567890 <    0.000123>]  dmesg -d, journalctl -o short-delta
//	[ 1234.567890                ] the first line of the latter
//	[Fri Jul  3 04:05:06 2026]     dmesg -T
//	[<    0.000123>] [  +0.000123] [Jul 3 04:05]   dmesg -td and -e, which give no time
func bracketedTime(b []byte, i int, s *stamp) (next int, ring bool) {
	i = after(b, i, "[")
	if i == failed {
		return failed, false
	}
	n := bytes.IndexByte(b[i:min(len(b), i+maxBracket)], ']')
	if n < 1 {
		return failed, false
	}
	next, in := i+n+1, b[i:i+n]
	if j := s.unix(in, skipBlanks(in, 0)); j == n || after(in, j, " <") != failed && in[n-1] == '>' || j != failed && skipBlanks(in, j) == n {
		return next, s.seconds < minClockSeconds
	}
	if j := s.withWeekday(in, weekday(in, 0)); j == n {
		return next, isCtime(in)
	}
	*s = stamp{}
	if first := skipBlanks(in, 0); first < n && (in[first] == '+' || in[first] == '<') {
		return next, true
	}
	if _, j := monthAt(in, 0); j != failed && isMinute(in) {
		return next, true
	}
	return failed, false
}

// isCtime reports whether a date with a weekday ends as dmesg -T writes it, with the year after
// a clock without a fraction, which most programs that log add.
func isCtime(in []byte) bool {
	n := len(in)
	return n > 8 && in[n-5] == ' ' && in[n-8] == ':'
}

// isMinute reports whether a date that begins with a month ends as dmesg -e writes it, with
// hour and minute.
func isMinute(in []byte) bool {
	n := len(in)
	return in[n-1]-'0' <= 9 && n > 6 && in[n-3] == ':' && in[n-6] == ' '
}

// afterBracket reads on after a time in brackets: that of the ring buffer, or the stamp of any
// logger.
func afterBracket(b []byte, i int, ring bool, s *stamp) (msg int, o Origin) {
	if ring {
		return afterUptime(b, i)
	}
	if msg, o = afterStamp(b, i, s); o == OriginUnknown { // no tag, so there may be no host
		msg = skipBlank(b, i)
	}
	return msg, o
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
