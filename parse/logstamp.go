package parse

import "time"

// A stamp is a date and time as written in a log line.
type stamp struct {
	year           int // 0 if the stamp has none
	month, day     int
	hour, min, sec int
	nsec           int
	offset         int      // seconds east of UTC, valid iff hasZone
	hasZone        bool     // says its offset from UTC
	zoneName       zoneName // if hasZone is false
	halved         bool     // AM or PM was read
	comma          bool     // has a comma before the fraction, as only dmesg writes it
	counted        bool     // is not a date at all, but seconds and nsec since the epoch
	seconds        int64
}

// time returns the moment a stamp means, in the location of ref. A stamp without a
// zone is in that location as well. A stamp without a year has the latest year
// that does not put it behind ref. The time is zero if the name of the stamp's zone
// does not tell its offset.
func (s *stamp) time(ref time.Time) time.Time {
	loc := ref.Location()
	switch {
	case s.zoneName != zoneName{}:
		return s.timeInZone(ref)
	case s.counted:
		return time.Unix(s.seconds, int64(s.nsec)).In(loc)
	case s.year != 0:
		return s.in(s.year, loc)
	}
	// The year of ref, or in its last days the next: cheaper than asking ref.
	year := 1970 + int((ref.Unix()+4*86400)/meanYear)
	t := s.in(year, loc)
	for back := 0; back <= maxLeapGap && (t.After(ref) || s.day > daysIn(s.month, year)); back++ {
		year--
		t = s.in(year, loc)
	}
	return t
}

// meanYear is a year of the Gregorian calendar in seconds. The calendar is never
// two days off from what counting in such years gives.
const meanYear = 31556952

// maxLeapGap is the most years between two leap years (1896 and 1904).
const maxLeapGap = 8

func (s *stamp) in(year int, loc *time.Location) time.Time {
	if !s.hasZone && loc != time.UTC {
		return time.Date(year, time.Month(s.month), s.day, s.hour, s.min, s.sec, s.nsec, loc)
	}
	clock := s.hour*3600 + s.min*60 + s.sec - s.offset
	return time.Unix(int64(daysSince1970(year, s.month, s.day)*86400+clock), int64(s.nsec)).In(loc)
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

// daysSince1970 counts days in the Gregorian calendar. With years that begin in
// March the leap day is the last of its year, and the months before a given one
// have (153*m+2)/5 days.
func daysSince1970(year, month, day int) int {
	if month <= 2 {
		year--
		month += 12
	}
	return 365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 1 - daysTo1970
}

// daysTo1970 is the number of days from 1 March of the year 0 to 1970.
const daysTo1970 = 719468
