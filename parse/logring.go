package parse

import (
	"bytes"
	"math"
)

// maxBracket bounds the time in brackets at the start of a line; the longest is
// journalctl's "[ 1234.567890 <    0.000123 >]" with room for years of uptime.
const maxBracket = 64

// bracket reads the time in brackets at i and returns the index behind it:
//
//	[ 1234.567890]                 printk, dmesg, journalctl -o short-monotonic
//	[ 1234.567890 <    0.000123>]  dmesg -d, journalctl -o short-delta
//	[ 1234.567890                ] the first line of the latter
//	[Fri Jul  3 04:05:06 2026]     dmesg -T
//	[<    0.000123>] [  +0.000123] [Jul 3 04:05]   dmesg -td and -e, which give no time
func bracket(b []byte, i int, s *stamp) int {
	i = after(b, i, "[")
	if i == failed {
		return failed
	}
	n := bytes.IndexByte(b[i:min(len(b), i+maxBracket)], ']')
	if n < 1 {
		return failed
	}
	next, in := i+n+1, b[i:i+n]
	if j := s.uptime(in, 0); j == n || after(in, j, " <") != failed && in[n-1] == '>' || j != failed && skipBlanks(in, j) == n {
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

// skipUptime passes over the blank at i and the kernel's own time behind it, if
// they are there.
func skipUptime(b []byte, i int) int {
	i = skipBlank(b, i)
	if i < len(b) && b[i] == '[' {
		var s stamp
		if j := bracket(b, i, &s); j != failed && s.counted {
			return skipBlank(b, skipCaller(b, j))
		}
	}
	return i
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

// behindUptime reads on behind the kernel's time at the start of a line. In
// journalctl's short-monotonic a host and a tag follow, where every program but
// the kernel has its process behind its name; in dmesg's output the message.
func behindUptime(b []byte, i int) (msg int, o Origin) {
	i = skipBlank(b, skipCaller(b, i))
	for word, words := i, 0; words < 2; words++ {
		end := wordEnd(b, word)
		if j := kernelTag(b, word); j != failed {
			return skipBlank(b, j), OriginKernel
		}
		if hasPID(b[word:end]) {
			return skipBlank(b, end), OriginUnknown
		}
		word = skipBlanks(b, end)
	}
	return i, OriginKernel
}

// kmsg reads the head of a record of /dev/kmsg, "4,1234,5678901234,-;": priority,
// sequence number, microseconds since boot, flags, and possibly more before the
// semicolon. Programs may write there as well, but only with facilities of theirs.
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
	if pri < levels {
		o = OriginKernel
	}
	return i + n + 1, o
}
