package parse

import (
	"bytes"
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"
)

// rareBracket reads what bracketedTime does not: other languages, and a date in brackets
// of another form, which no ring buffer has.
func (s *stamp) rareBracket(b []byte, i int) (next int, ring bool) {
	i = after(b, i, "[")
	if i == failed {
		return failed, false
	}
	n := bytes.IndexByte(b[i:min(len(b), i+maxBracket)], ']')
	if n < 1 {
		return failed, false
	}
	next, in := i+n+1, b[i:i+n]
	first := skipBlanks(in, 0)
	if s.local(in, first) == n && s.checkDay(n) != failed {
		return next, isCtime(in)
	}
	if s.readRare(in, first) == n {
		return next, false
	}
	*s = stamp{}
	if j := s.read(in, first); j != failed && isWholeStamp(s, in, j) {
		return next, false
	}
	*s = stamp{}
	if _, j := localMonth(in, 0); j != failed && isMinute(in) { // dmesg -e
		return next, true
	}
	return failed, false
}

// readRare reads a wall clock stamp of a format that read does not know: in another
// language, or one that few loggers write.
func (s *stamp) readRare(b []byte, i int) int {
	if i >= len(b) {
		return failed
	}
	first := 0
	if !holdsClock(b[i:min(len(b), i+2*maxStamp)]) {
		first = firstWithoutColons
	}
	for form := first; form < rareForms; form++ {
		*s = stamp{}
		if j := s.readRareForm(form, b, i); j != failed && (s.sinceEpoch || s.checkDay(j) != failed) {
			return j
		}
	}
	return failed
}

// The forms from firstWithoutColons on have no colons in their times.
const (
	firstWithoutColons = 3
	rareForms          = 6
)

// readRareForm reads one of the forms. A table of functions would make its arguments
// escape to the heap.
func (s *stamp) readRareForm(form int, b []byte, i int) int {
	switch form {
	case 0:
		return s.local(b, i)
	case 1:
		return s.clf(b, i)
	case 2:
		return s.numeric(b, i)
	case 3:
		return s.compact(b, i)
	case 4:
		return s.epoch(b, i)
	}
	return s.tai64n(b, i)
}

// local reads a date with the name of its month, and possibly of its weekday, in
// any language: journalctl and dmesg -T use that of LC_TIME.
//
//	nov. 27 21:00:05   Fr Nov 27 21:00:05 2026   Fr 2026-11-27 21:00:05 CET
//	Nov 27, 2026 @ 21:00:05.000   Fri, 27 Nov 2026 21:00:05 +0000
func (s *stamp) local(b []byte, i int) int {
	if j := s.monthFirst(b, i); j != failed {
		return j
	}
	if j := s.dayFirst(b, i); j != failed {
		return j
	}
	i = localWeekday(b, i)
	if j := s.iso(b, i); j != failed {
		if k := s.namedZone(b, j); k != failed {
			return k
		}
		return j
	}
	j := s.monthFirst(b, i)
	if j == failed {
		return s.dayFirst(b, i)
	}
	return s.trailingYear(b, j)
}

// monthFirst reads "nov. 27 21:00:05", or with a year before the clock.
func (s *stamp) monthFirst(b []byte, i int) int {
	s.month, i = localMonth(b, i)
	i = blanks(b, i)
	day, i := number(b, i, 31)
	s.day = int(day)
	i = blanks(b, skipComma(b, i))
	if j := blanks(b, skipComma(b, s.yearAt(b, i))); j != failed {
		i = j
	}
	if j := after(b, i, "@ "); j != failed {
		i = j
	}
	return s.clock(b, i)
}

// dayFirst reads "27 Nov 2026 21:00:05".
func (s *stamp) dayFirst(b []byte, i int) int {
	day, i := number(b, i, 31)
	s.day = int(day)
	s.month, i = localMonth(b, blanks(b, i))
	i = blanks(b, s.yearAt(b, blanks(b, i)))
	return s.clock(b, i)
}

// trailingYear reads the year after the clock, as ctime(3) has it, if it is there.
func (s *stamp) trailingYear(b []byte, i int) int {
	if j := endOfWord(b, s.yearAt(b, after(b, i, " "))); j != failed && s.year != 0 {
		return j
	}
	return i
}

// localMonth reads the name of a month, of one word or two ("de març").
func localMonth(b []byte, i int) (month, next int) {
	if i >= len(b) {
		return 0, failed
	}
	end := wordEnd(b, i)
	if month, _ = lookupName(b, i, end); month == 0 && end < len(b) {
		end = wordEnd(b, end+1)
		month, _ = lookupName(b, i, end)
	}
	if month == 0 {
		return 0, failed
	}
	return month, end
}

// localWeekday passes over the name of a weekday, of one word or two ("Thứ 6"), and the
// blanks after it.
func localWeekday(b []byte, i int) int {
	end := wordEnd(b, i)
	if bytes.IndexByte(b[i:end], ':') >= 0 { // a file name or a tag
		return failed
	}
	if !isWeekday(b[i:end]) {
		if end == len(b) {
			return failed
		}
		if end = wordEnd(b, end+1); !isWeekday(b[i:end]) {
			return failed
		}
	}
	return skipBlanks(b, end)
}

func isWeekday(name []byte) bool {
	name = bytes.TrimSuffix(name, []byte(","))
	_, ok := lookupName(name, 0, len(name))
	return ok
}

// clf reads the stamp of the common log format, "27/Nov/2026:21:00:05 +0100".
func (s *stamp) clf(b []byte, i int) int {
	s.day, i = twoDigits(b, i, 31)
	s.month, i = monthAt(b, after(b, i, "/"))
	i = after(b, s.yearAt(b, after(b, i, "/")), ":")
	if i = s.clock(b, i); i == failed {
		return failed
	}
	return s.zone(b, after(b, i, " "))
}

// numeric reads numeric dates whose order follows from their separators, year first or,
// with points, last: "2026/11/27 21:00:05", "2026-11-27_21:00:05", "27.11.2026
// 21:00:05". With slashes and the year last it could be either order, and is read if
// only one of them is a date: "11/27/2026 21:00:05", "27/11/2026 21:00:05".
func (s *stamp) numeric(b []byte, i int) int {
	if i+10 >= len(b) || strings.IndexByte(" _-T", b[i+10]) < 0 {
		return failed
	}
	if s.numericDate(b[i:i+10]) == failed || s.month == 0 {
		return failed
	}
	return s.optionalZone(b, s.clock(b, i+11))
}

// numericDate reads the date of ten bytes.
func (s *stamp) numericDate(date []byte) int {
	switch {
	case isSeparated(date, 4, 7, "/-."):
		s.month, _ = twoDigits(date, 5, 12)
		s.day, _ = twoDigits(date, 8, 31)
		return s.yearAt(date, 0)
	case isSeparated(date, 2, 5, "."):
		s.day, _ = twoDigits(date, 0, 31)
		s.month, _ = twoDigits(date, 3, 12)
		return s.yearAt(date, 6)
	case isSeparated(date, 2, 5, "/-"):
		return s.dayAndMonth(date)
	}
	return failed
}

// isSeparated reports whether the same of the separators stands at i and j.
func isSeparated(date []byte, i, j int, separators string) bool {
	return date[i] == date[j] && strings.IndexByte(separators, date[i]) >= 0
}

// dayAndMonth reads a date of numbers with its year last, and fails if two dates could
// be meant.
func (s *stamp) dayAndMonth(date []byte) int {
	first, i := twoDigits(date, 0, 31)
	second, j := twoDigits(date, 3, 31)
	if max(i, j, s.yearAt(date, 6)) >= failed || first <= 12 && second <= 12 && first != second {
		return failed
	}
	s.month, s.day = min(first, second), max(first, second)
	if s.month > 12 {
		return failed
	}
	return len(date)
}

// compact reads ISO 8601 without separators, "20261127T210005Z".
func (s *stamp) compact(b []byte, i int) int {
	i = s.yearAt(b, i)
	s.month, i = twoDigits(b, i, 12)
	s.day, i = twoDigits(b, i, 31)
	if i >= len(b) || b[i] != 'T' && b[i] != ' ' && b[i] != '-' || s.month == 0 {
		return failed
	}
	s.hour, i = twoDigits(b, i+1, 23)
	s.min, i = twoDigits(b, i, 59)
	s.sec, i = twoDigits(b, i, 60)
	if j := after(b, i, "."); j != failed {
		s.nsec, i = fraction(b, j)
	}
	return s.optionalZone(b, i)
}

// optionalZone reads the zone after the clock, if there is one.
func (s *stamp) optionalZone(b []byte, i int) int {
	if i == failed {
		return failed
	}
	return s.zone(b, i)
}

// Seconds since 1970 have ten digits from 2001 to 2286; a thousandth of them three
// more, and so on.
const (
	secondDigits = 10
	nanoDigits   = 19
)

// epoch reads a count since 1970: of seconds, or by its length of milliseconds,
// microseconds or nanoseconds.
func (s *stamp) epoch(b []byte, i int) int {
	start, n := i, uint64(0)
	for ; i < len(b) && b[i]-'0' <= 9 && i-start < nanoDigits; i++ {
		n = n*10 + uint64(b[i]-'0')
	}
	digits := i - start
	if digits < secondDigits || (digits-secondDigits)%3 != 0 {
		return failed
	}
	scale := uint64(1)
	for range digits - secondDigits {
		scale *= 10
	}
	s.sinceEpoch, s.seconds, s.nsec = true, int64(n/scale), int(n%scale*(1e9/scale))
	if j := after(b, i, "."); j != failed {
		part, k := fraction(b, j)
		if k == failed {
			return failed
		}
		s.nsec, i = s.nsec+part/int(scale), k
	}
	return endOfWord(b, i)
}

// taiOffset is how far TAI64N is ahead of Unix time as daemontools, s6 and runit write
// it: 2^62, and the ten seconds that TAI was ahead of UTC in 1970.
const taiOffset = 1<<62 + 10

// tai64n reads the stamps of multilog and svlogd, "@4000000069...".
func (s *stamp) tai64n(b []byte, i int) int {
	var raw [12]byte
	i = after(b, i, "@")
	if i == failed || i+2*len(raw) > len(b) {
		return failed
	}
	if _, err := hex.Decode(raw[:], b[i:i+2*len(raw)]); err != nil {
		return failed
	}
	sec, nsec := binary.BigEndian.Uint64(raw[:]), binary.BigEndian.Uint32(raw[8:])
	if sec < taiOffset || sec-taiOffset > maxSeconds || nsec >= 1e9 {
		return failed
	}
	s.sinceEpoch, s.seconds, s.nsec = true, int64(sec-taiOffset), int(nsec)
	return endOfWord(b, i+2*len(raw))
}

// names are the months and weekdays of the C library's locales, sorted by bytes,
// one a line: the name in lower case and without a final point, a tab, the month
// in hexadecimal or 0, and "w" if it is a weekday, else "-". See names_generate.go.
//
//go:embed names.txt
var names string

// maxName is the longest name in names, in bytes.
const maxName = 36

// lookupName looks up the word b[i:end] among the names. month is 0 if it is none of
// a month's.
func lookupName(b []byte, i, end int) (month int, weekday bool) {
	var folded [maxName]byte
	word, ok := fold(folded[:0], b[i:end])
	if !ok {
		return 0, false
	}
	lo, hi := 0, len(names) // the line looked for begins in names[lo:hi]
	for lo < hi {
		mid := (lo + hi) / 2
		start := lo + strings.LastIndexByte(names[lo:mid], '\n') + 1
		tab := start + strings.IndexByte(names[start:], '\t')
		switch name := names[start:tab]; {
		case name == string(word):
			return int(hexValue[names[tab+1]]), names[tab+2] == 'w'
		case name < string(word):
			lo = tab + len("\t0-\n")
		default:
			hi = start
		}
	}
	return 0, false
}

// fold appends a word in the spelling of names. Bytes that are not UTF-8 are read as
// Latin-1. It reports false if there is no room.
func fold(dst, word []byte) ([]byte, bool) {
	if n := len(word); n > 1 && word[n-1] == '.' {
		word = word[:n-1]
	}
	for len(word) > 0 {
		r, size := utf8.DecodeRune(word)
		if r == utf8.RuneError && size == 1 {
			r = rune(word[0])
		}
		if r = unicode.ToLower(r); r == 'ı' {
			r = 'i' // what its capital is in lower case, but in Turkish
		}
		if len(dst)+utf8.RuneLen(r) > cap(dst) {
			return dst, false
		}
		dst, word = utf8.AppendRune(dst, r), word[size:]
	}
	return dst, true
}
