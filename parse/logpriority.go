package parse

import "bytes"

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
