package parse

import (
	"bytes"
	"time"
)

// inHead is returned in place of the start of a message if the record begins before
// the head ends: within the structured data of RFC 5424, which a program wrote.
const inHead = -1

// head reads what loggers put in front of a message. b ends where the record
// begins. head sets ev.Time and ev.Origin and returns where the message starts,
// which is the prefix of the log rule, or inHead.
//
// The origin is the kernel only if the place that says who wrote the message says
// so, and nothing else in the line denies it:
//
//   - "kernel:" or "kernel[…]:" where the dialect has the tag, that is behind the
//     stamp and at most one host name: "Jul  3 04:05:06 gate kernel: ";
//   - the same behind a facility and level (BusyBox, OpenWrt: "kern.warn kernel:"),
//     if the facility is kern;
//   - "[kernel]" behind the stamp (metalog);
//   - APP-NAME kernel (RFC 5424);
//   - nothing at all but the kernel's own "[ 1234.567890]", priority, or both
//     (dmesg, /proc/kmsg, /dev/kmsg), or a stamp of a form that only dmesg writes.
//
// In all of them a priority in front must have the facility kern. Behind a program's
// tag the word kernel means nothing: "myapp: kernel: DROP" is what myapp says.
func head(b []byte, ref time.Time, ev *Event) int {
	i, kern := priority(b)
	var s stamp
	msg, origin := dialect(b, i, &s)
	if s.month != 0 || s.counted {
		ev.Time = s.time(ref)
	}
	if kern {
		ev.Origin = origin
	}
	return msg
}

// dialect tells the usual dialects apart by how they begin, behind a priority.
func dialect(b []byte, i int, s *stamp) (msg int, o Origin) {
	if j := s.read(b, i); j != failed {
		if s.comma && s.hasZone { // dmesg --time-format iso
			return behindUptime(b, j)
		}
		return behindStamp(b, j, s)
	}
	*s = stamp{}
	if j := bracket(b, i, s); j != failed {
		return behindUptime(b, j)
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

// behindStamp reads "host tag: " behind a wall clock stamp. Some loggers write no
// host, some a facility and level before the tag, ulogd no tag.
func behindStamp(b []byte, i int, s *stamp) (msg int, o Origin) {
	i = skipBlanks(b, i)
	if end := plainWord(b, i); end != failed {
		if j := kernelTag(b, end+1); j != failed {
			return skipUptime(b, j), OriginKernel
		}
	}
	if i < len(b) && b[i] == '[' && !bracketedAddress(b, i) { // metalog: no host, and the program in brackets
		var t stamp
		if j := bracket(b, i, &t); j != failed && t.counted && s.year != 0 { // logread -t: the time once more
			return behindStamp(b, j, s)
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
	if b[max(host-1, 0)] == ' ' { // not glued to the clock
		if j := s.afterClock(b, host); j != failed {
			return behindStamp(b, j, s)
		}
	}
	if j := containerStream(b, host); j != failed {
		return s.contained(b, j)
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

// contained reads a line that a container wrote, whose runtime put its stamp in
// front. The stamp of the line itself counts, if it has one of a clock.
func (s *stamp) contained(b []byte, i int) (msg int, o Origin) {
	line := b[i:]
	j, kern := priority(line)
	var inner stamp
	if msg, o = dialect(line, j, &inner); msg != inHead {
		msg += i
	}
	if inner.month != 0 {
		*s = inner
	}
	if !kern {
		o = OriginUnknown
	}
	return msg, o
}

// bracketedAddress reports whether a host stands at i as an address in brackets.
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
		return program(b, i)
	}
	next := skipBlanks(b, end)
	msg, o, ok = program(b, next)
	if j := skipUptime(b, end); !ok && word[len(word)-1] == ':' && j > next {
		msg, o = j, OriginKernel // socklog: "kern.warn: [ 1234.567890] "
	}
	if name != "kern" {
		o = OriginUnknown
	}
	return msg, o, true
}

// program reads the tag at i, the kernel's or a program's. It reports false, and i,
// if the word there is no tag.
func program(b []byte, i int) (msg int, o Origin, ok bool) {
	if j := kernelTag(b, i); j != failed {
		return skipUptime(b, j), OriginKernel, true
	}
	end := wordEnd(b, i)
	word := b[i:end]
	if hasPID(word) {
		return skipBlank(b, end), OriginUnknown, true
	}
	// "DROP:" may be a program, or the prefix in a line of ulogd's. It stays in
	// the prefix.
	return i, OriginUnknown, len(word) > 0 && word[len(word)-1] == ':'
}

// plainWord returns the blank behind a word of letters and digits, which can be
// nothing but a host: the common case, decided fast.
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
