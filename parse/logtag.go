package parse

import (
	"bytes"
	"time"
)

// kernelTag returns the index behind "kernel:", "kernel[0]:" or "kernel[n/a]:".
func kernelTag(b []byte, i int) int {
	i = after(b, i, "kernel")
	if j := after(b, i, "["); j != failed {
		n := bytes.IndexByte(b[j:wordEnd(b, j)], ']')
		if n < 0 {
			return failed
		}
		i = j + n + 1
	}
	return after(b, i, ":")
}

// kernelColumn returns the index behind the kernel's tag in a line whose columns end at
// tabs: the whole stamp, one host, and the tag, which needs no colon there. Between the
// last two the facility and the level may stand. Blanks may not, so that no text of a
// program's comes before the tag.
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

// A priority is a facility, of which the kernel's is 0, times levels, plus a level
// (RFC 5424 section 6.2.1).
const (
	levels      = 8
	maxPriority = 24*levels - 1
)

// priority reads what says the facility at the start of a line, "<13>" or the
// columns of dmesg -x, "kern  :warn  : ", and reports whether it is the kernel's.
// So it is if nothing says a facility.
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

func skipBlanks(b []byte, i int) int {
	for i < len(b) && b[i] == ' ' {
		i++
	}
	return i
}
