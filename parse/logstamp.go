package parse

import (
	"math"
	"time"
)

// A stamp is a date and time as written in a log line.
type stamp struct {
	year           int // 0 if the stamp has none
	month, day     int
	hour, min, sec int
	nsec           int
	offset         int      // seconds east of UTC, valid iff hasZone
	hasZone        bool     // offset is known
	zoneName       zoneName // if hasZone is false
	ampm           bool     // AM or PM was applied
	commaFraction  bool     // has a comma before the fraction, as only dmesg writes it
	sinceEpoch     bool     // is not a date at all, but seconds and nsec since the epoch
	seconds        int64
	end            int // of the stamp, if it begins the line and is in one part
}

// time returns the moment a stamp means, in the location of ref. A stamp without a
// zone is in that location as well. A stamp without a year has the latest year
// that does not put it after ref. The time is zero if the name of the stamp's zone
// has no unique offset.
func (s *stamp) time(ref time.Time) time.Time {
	loc := ref.Location()
	switch {
	case s.zoneName != zoneName{}:
		return s.timeInZone(ref)
	case s.sinceEpoch:
		return time.Unix(s.seconds, int64(s.nsec)).In(loc)
	}
	zone, sec, year := loc, s.sec, s.year
	if s.hasZone {
		zone, sec = time.UTC, sec-s.offset
	}
	if year == 0 { // the year of ref, or in its last days the next: cheaper than asking ref
		year = 1970 + int((ref.Unix()+4*86400)/meanYear)
	}
	for back := 0; ; back++ {
		t := time.Date(year, time.Month(s.month), s.day, s.hour, s.min, sec, s.nsec, zone).In(loc)
		if s.year != 0 || back > maxLeapGap || !t.After(ref) && s.day <= daysIn(s.month, year) {
			return t
		}
		year--
	}
}

// meanYear is a year of the Gregorian calendar in seconds. The calendar is never
// two days off from what counting in such years gives.
const meanYear = 31556952

// maxLeapGap is the most years between two leap years (1896 and 1904).
const maxLeapGap = 8

// OfClock reports whether t, the time of an event of a log line, is one of a clock: it
// is not zero, and does not count from boot.
func OfClock(t time.Time) bool { return t.Unix() >= minClockSeconds }

// minClockTime is from when on times are taken for those of a clock: what counts from
// boot is earlier.
var minClockTime = time.Unix(minClockSeconds, 0)

const minClockSeconds = 10 * 365 * 86400

// read reads the wall clock stamp at i, in any of the forms below.
func (s *stamp) read(b []byte, i int) int {
	if i >= len(b) {
		return failed
	}
	if b[i]-'0' > 9 {
		if j := s.checkDay(s.bsd(b, i)); j != failed {
			return j
		}
		return s.withWeekday(b, weekday(b, i))
	}
	if j := s.iso(b, i); j != failed {
		return s.checkDay(s.zone(b, j))
	}
	if j := endOfWord(b, s.unix(b, i)); j != failed {
		return j
	}
	return s.checkDay(s.bsd(b, after(b, s.yearAt(b, i), " ")))
}

// weekday passes over the English short name of a weekday and a blank.
func weekday(b []byte, i int) int {
	if i+4 > len(b) {
		return failed
	}
	switch string(b[i : i+4]) {
	case "Mon ", "Tue ", "Wed ", "Thu ", "Fri ", "Sat ", "Sun ":
		return i + 4
	}
	return failed
}

// withWeekday reads what follows a weekday: an ISO date with the name of a zone
// (journalctl -o short-full and with-unit), or ctime(3) with its year last (OpenWrt,
// dmesg -T).
func (s *stamp) withWeekday(b []byte, i int) int {
	if j := s.iso(b, i); j != failed {
		return s.checkDay(s.namedZone(b, j))
	}
	i = s.bsd(b, i)
	return s.checkDay(s.yearAt(b, after(b, i, " ")))
}

// bsd reads a stamp as in RFC 3164, "Jul  3 04:05:06", with what loggers make of
// it: "Jul 03", a fraction, a year before the clock.
func (s *stamp) bsd(b []byte, i int) int {
	s.month, i = monthAt(b, i)
	if i+4 > len(b) || b[i] != ' ' {
		return failed
	}
	day, i := number(b, skipBlank(b, i+1), 31)
	s.day = int(day)
	i = after(b, i, " ")
	if i+4 < len(b) && b[i+4] == ' ' {
		i = after(b, s.yearAt(b, i), " ")
	}
	return s.clock(b, i)
}

// monthAt reads the English short name of a month at i.
func monthAt(b []byte, i int) (int, int) {
	if i+3 > len(b) {
		return 0, failed
	}
	m := 0
	switch string(b[i : i+3]) {
	case "Jan":
		m = 1
	case "Feb":
		m = 2
	case "Mar":
		m = 3
	case "Apr":
		m = 4
	case "May":
		m = 5
	case "Jun":
		m = 6
	case "Jul":
		m = 7
	case "Aug":
		m = 8
	case "Sep":
		m = 9
	case "Oct":
		m = 10
	case "Nov":
		m = 11
	case "Dec":
		m = 12
	default:
		return 0, failed
	}
	return m, i + 3
}

// iso reads "2026-07-03T04:05:06", or with a blank for the T.
func (s *stamp) iso(b []byte, i int) int {
	i = after(b, s.yearAt(b, i), "-")
	s.month, i = twoDigits(b, i, 12)
	s.day, i = twoDigits(b, after(b, i, "-"), 31)
	if i >= len(b) || b[i] != 'T' && b[i] != ' ' || s.month == 0 {
		return failed
	}
	return s.clock(b, i+1)
}

// clock reads "04:05:06" and a fraction after a point or comma. A sixtieth
// second is a leap second.
func (s *stamp) clock(b []byte, i int) int {
	if i+8 > len(b) || b[i+2] != ':' || b[i+5] != ':' {
		return failed
	}
	var h, m int
	s.hour, h = twoDigits(b, i, 23)
	s.min, m = twoDigits(b, i+3, 59)
	s.sec, i = twoDigits(b, i+6, 60)
	if i = max(h, m, i); i >= failed {
		return failed
	}
	if i < len(b) && (b[i] == '.' || b[i] == ',') {
		s.commaFraction = b[i] == ','
		s.nsec, i = fraction(b, i+1)
	}
	return i
}

// afterClock reads what some loggers write after the clock: AM or PM, a year, if the
// stamp has none yet, or the zone, as an offset or in capitals.
func (s *stamp) afterClock(b []byte, i int) int {
	end := wordEnd(b, i)
	word := b[i:end]
	switch {
	case string(word) == "AM" || string(word) == "PM":
		return s.setAMPM(word[0] == 'P', end)
	case len(word) == 4 && s.year == 0 && word[0]-'0' <= 9:
		if s.yearAt(b, i) == failed || s.checkDay(end) == failed {
			s.year = 0
			return failed
		}
		return end
	case s.hasZone || s.zoneName[0] != 0 || len(word) < 3:
		return failed
	case word[0] == '+' || word[0] == '-':
		if s.zone(b, i) != end {
			s.hasZone = false
			return failed
		}
		return end
	}
	if !isZone(word) {
		return failed
	}
	return s.namedZone(b, i-1)
}

// checkDay returns i if the stamp's day exists in its year, or in some year if it has
// none.
func (s *stamp) checkDay(i int) int {
	year := s.year
	if year == 0 {
		year = 2000
	}
	if i == failed || s.day < 1 || s.day > daysIn(s.month, year) {
		return failed
	}
	return i
}

// daysIn returns the length of a month.
func daysIn(month, year int) int {
	if month == 2 {
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 30 + (month+month>>3)&1
}

// minYear is the earliest year of a clock: what is before is the zero of some
// program's time type.
const minYear = 1970

// yearAt reads a year of four digits.
func (s *stamp) yearAt(b []byte, i int) int {
	century, i := twoDigits(b, i, 99)
	year, i := twoDigits(b, i, 99)
	s.year = 0
	if year += century * 100; i == failed || year < minYear {
		return failed
	}
	s.year = year
	return i
}

// namedZone reads the zone after a blank: its offset, or its abbreviation.
func (s *stamp) namedZone(b []byte, i int) int {
	i = after(b, i, " ")
	if i >= len(b) {
		return failed
	}
	if b[i] == '+' || b[i] == '-' {
		return s.zone(b, i)
	}
	end := wordEnd(b, i)
	switch string(b[i:end]) {
	case "UTC", "GMT", "Z":
		s.hasZone = true
	default:
		s.zoneName.set(b[i:end])
	}
	return end
}

// zone reads the offset from UTC directly after an ISO stamp, if there is one: "Z",
// "+02:00", "+0200" or "+02".
func (s *stamp) zone(b []byte, i int) int {
	if i >= len(b) || b[i] == ' ' {
		return i
	}
	s.hasZone = true
	if b[i] == 'Z' {
		return i + 1
	}
	sign := 1
	if b[i] == '-' {
		sign = -1
	} else if b[i] != '+' {
		return failed
	}
	h, i := twoDigits(b, i+1, 23)
	m := 0
	if i < len(b) && b[i] == ':' {
		i++
	}
	if i < len(b) && b[i] != ' ' {
		m, i = twoDigits(b, i, 59)
	}
	s.offset = sign * (h*60 + m) * 60
	return i
}

// setAMPM makes the hour one of 24, and returns end if it was one of 12.
func (s *stamp) setAMPM(afternoon bool, end int) int {
	if s.ampm || s.hour < 1 || s.hour > 12 {
		return failed
	}
	s.ampm = true
	s.hour %= 12
	if afternoon {
		s.hour += 12
	}
	return end
}

// maxSeconds keeps seconds since the epoch in the years that have four digits.
const maxSeconds = 253402300799

// unix reads seconds with a fraction: since 1970 (journalctl -o short-unix), or since boot,
// as the kernel prints them. Those count from the epoch too: the time of boot is not in the
// log, but the differences between such times are exact.
func (s *stamp) unix(b []byte, i int) int {
	sec, i := number(b, i, maxSeconds)
	i = after(b, i, ".")
	if i == failed {
		return failed
	}
	s.sinceEpoch, s.seconds = true, int64(sec)
	s.nsec, i = fraction(b, i)
	return i
}

// fraction reads the digits after a decimal point, as nanoseconds.
func fraction(b []byte, i int) (nsec, next int) {
	start, scale := i, 100_000_000
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		nsec += int(b[i]-'0') * scale
		scale /= 10
	}
	if i == start {
		return 0, failed
	}
	return nsec, i
}

// microseconds reads a count of them since the epoch.
func (s *stamp) microseconds(b []byte, i int) int {
	n, i := number(b, i, math.MaxInt64)
	s.sinceEpoch, s.seconds, s.nsec = true, int64(n/1e6), int(n%1e6)*1000
	return i
}
