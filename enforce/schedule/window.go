// Package schedule is when and how often a stanza grants: time windows (ACCESS_WINDOW) and
// numbers of uses (ACCESS_USES). The unprivileged side decides by it and the privileged side
// checks by it. It does no I/O and reads no clock.
//
// Entry points: [ParseWindow] and [Windows.Until], [ParseUses] and [Counts].
package schedule

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	dayMinutes = 24 * 60
	everyDay   = 1<<7 - 1
)

// A Window is a time of the day on some days of the week, by the wall clock of a zone: an
// hour that daylight saving leaves out is not in it, one that comes twice is in it twice. The
// zero value contains no time.
type Window struct {
	days       uint8  // a bit for each [time.Weekday]: those on which it begins
	begin, end uint16 // minutes from 00:00, end exclusive; an end not above begin is on the next day
	zone       string // as written; "": none, which is UTC
	location   *time.Location
}

// dayNames has the days in the order of a week, which begins on Monday.
var dayNames = [7]string{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}

// bit returns the bit in Window.days of a day by its index in dayNames.
func bit(i int) uint8 { return 1 << ((i + 1) % 7) }

// ParseWindow reads days, times and a zone: "Mon-Fri 08:00-18:00 Europe/Berlin". Days are
// names and ranges with commas between them, or "daily"; an end that is earlier than the
// begin is on the next day; the zone may be left out, which is UTC.
func ParseWindow(text string) (Window, error) {
	fields := strings.Fields(text)
	if len(fields) == 1 || len(fields) == 2 {
		if _, _, err := parseTimes(fields[0]); err == nil {
			rest := clip(strings.Join(fields, " "))
			return Window{}, fmt.Errorf("has no days: write daily %[1]s, or days as in Mon-Fri %[1]s", rest)
		}
	}
	if len(fields) < 2 || len(fields) > 3 {
		return Window{}, fmt.Errorf("%q is not like Mon-Fri 08:00-18:00 Europe/Berlin", clip(text))
	}
	var w Window
	var err error
	if w.days, err = parseDays(fields[0]); err != nil {
		return Window{}, err
	}
	if w.begin, w.end, err = parseTimes(fields[1]); err != nil {
		return Window{}, err
	}
	if len(fields) == 3 {
		w.zone = fields[2]
	}
	if w.location, err = location(w.zone); err != nil {
		return Window{}, err
	}
	return w, nil
}

func parseDays(text string) (days uint8, err error) {
	if strings.EqualFold(text, "daily") {
		return everyDay, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		first, last := dayIndex(from), dayIndex(to)
		if first < 0 || last < 0 {
			return 0, fmt.Errorf("%q is neither a day (Mon, Tue, Wed, Thu, Fri, Sat, Sun), a range of days (Mon-Fri) nor daily", clip(part))
		}
		for i := first; ; i = (i + 1) % 7 {
			days |= bit(i)
			if i == last {
				break
			}
		}
	}
	return days, nil
}

// dayIndex returns the index of a name in dayNames, -1 if it is none.
func dayIndex(name string) int {
	return slices.IndexFunc(dayNames[:], func(n string) bool { return strings.EqualFold(n, name) })
}

func parseTimes(text string) (begin, end uint16, err error) {
	from, to, ok := strings.Cut(text, "-")
	begin, validBegin := parseTime(from)
	end, validEnd := parseTime(to)
	switch {
	case !ok || !validBegin || !validEnd:
		return 0, 0, fmt.Errorf("%q is not like 08:00-18:00, from 00:00 to 24:00", clip(text))
	case begin == dayMinutes:
		return 0, 0, errors.New("24:00 is an end; a begin at midnight is 00:00")
	case begin == end:
		return 0, 0, fmt.Errorf("%s is empty; a whole day is 00:00-24:00", clip(text))
	case end == 0:
		end = dayMinutes
	}
	return begin, end, nil
}

// parseTime reads HH:MM as minutes.
func parseTime(text string) (minutes uint16, ok bool) {
	if len(text) != 5 || text[2] != ':' {
		return 0, false
	}
	for _, i := range [...]int{0, 1, 3, 4} {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
	}
	hour, minute := uint16(text[0]-'0')*10+uint16(text[1]-'0'), uint16(text[3]-'0')*10+uint16(text[4]-'0')
	minutes = hour*60 + minute
	return minutes, minute < 60 && minutes <= dayMinutes
}

// String returns the window in a form that ParseWindow reads, always with the zone.
func (w Window) String() string {
	return fmt.Sprintf("%s %02d:%02d-%02d:%02d %s", w.dayText(), w.begin/60, w.begin%60, w.end/60, w.end%60, w.zoneName())
}

func (w Window) zoneName() string { return cmp.Or(w.zone, "UTC") }

// dayText writes three days or more in a row as a range.
func (w Window) dayText() string {
	if w.days == everyDay {
		return "daily"
	}
	var words []string
	for i := 0; i < 7; i++ {
		last := i
		for last < 7 && w.days&bit(last) != 0 {
			last++
		}
		switch n := last - i; {
		case n >= 3:
			words = append(words, dayNames[i]+"-"+dayNames[last-1])
			i = last
		case n > 0:
			words = append(words, dayNames[i])
		}
	}
	return strings.Join(words, ",")
}

// HasZone reports whether a zone was written.
func (w Window) HasZone() bool { return w.zone != "" }

// Contains reports whether t is in the window.
func (w Window) Contains(t time.Time) bool {
	if w.location == nil {
		return false
	}
	local := t.In(w.location)
	minute, day := uint16(local.Hour()*60+local.Minute()), local.Weekday()
	today, yesterday := w.days>>day&1 != 0, w.days>>((day+6)%7)&1 != 0
	if w.begin < w.end {
		return today && w.begin <= minute && minute < w.end
	}
	return today && minute >= w.begin || yesterday && minute < w.end
}

// runsTo returns a time after t, which the window contains, up to which it contains every
// time: its end, midnight or the next change of the zone's clock.
func (w Window) runsTo(t time.Time) time.Time {
	local := t.In(w.location)
	minute := uint16(local.Hour()*60 + local.Minute())
	end := w.end
	if w.begin >= w.end && minute >= w.begin {
		end = dayMinutes
	}
	left := time.Duration(end-minute)*time.Minute - time.Duration(local.Second())*time.Second - time.Duration(local.Nanosecond())
	to := t.Add(left)
	if _, change := local.ZoneBounds(); !change.IsZero() && change.Before(to) {
		return change
	}
	return to
}

// Windows are those of a stanza; a time is in them if it is in one. None are no limit: every
// time is in them.
type Windows []Window

// Contain reports whether t is in the windows.
func (ws Windows) Contain(t time.Time) bool { return len(ws) == 0 || ws.at(t) >= 0 }

// Clock returns the day and the time at t as the first window reads them, with its zone.
func (ws Windows) Clock(t time.Time) string {
	if len(ws) == 0 {
		return ""
	}
	return t.In(ws[0].location).Format("Mon 15:04 ") + ws[0].zoneName()
}

// at returns the index of a window that contains t, -1 if none does.
func (ws Windows) at(t time.Time) int {
	return slices.IndexFunc(ws, func(w Window) bool { return w.Contains(t) })
}

// openEnd is after which time windows that are open all that time count as always open.
const openEnd = 366 * 24 * time.Hour

// Until returns the earlier of end and the first time after t that is in none of the windows,
// which is t if they do not contain t. A zero end is none, and is returned if the windows are
// open for a year.
func (ws Windows) Until(t, end time.Time) time.Time {
	if len(ws) == 0 {
		return end
	}
	last := end
	if end.IsZero() {
		last = t.Add(openEnd)
	}
	for t.Before(last) {
		i := ws.at(t)
		if i < 0 {
			return t
		}
		t = ws[i].runsTo(t)
	}
	return end
}

// Always reports whether the windows are open for a year from now on, which counts as always.
func (ws Windows) Always(now time.Time) bool {
	return ws.Contain(now) && ws.Until(now, time.Time{}).IsZero()
}

// String returns the windows with " or " between them.
func (ws Windows) String() string {
	words := make([]string, len(ws))
	for i, w := range ws {
		words[i] = w.String()
	}
	return strings.Join(words, " or ")
}
