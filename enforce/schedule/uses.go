package schedule

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxUses is the highest number of [Uses].
const maxUses = 1_000_000_000

// Uses is how often a stanza grants: Max times in all or, if Daily, on each calendar day of
// a zone. The zero value is no limit.
type Uses struct {
	Max      int
	Daily    bool
	zone     string // as written; "": none, which is UTC
	location *time.Location
}

// ParseUses reads a number, "5", or one for each day, "5/day" or "5/day Europe/Berlin".
func ParseUses(text string) (Uses, error) {
	fields := strings.Fields(text)
	if len(fields) == 0 || len(fields) > 2 {
		return Uses{}, fmt.Errorf("%q is not like 5, 5/day or 5/day Europe/Berlin", clip(text))
	}
	number, per, daily := strings.Cut(fields[0], "/")
	n, err := strconv.ParseUint(number, 10, 31)
	switch {
	case err != nil || daily && !strings.EqualFold(per, "day"):
		return Uses{}, fmt.Errorf("%q is not like 5 or 5/day", clip(fields[0]))
	case n == 0 || n > maxUses:
		return Uses{}, fmt.Errorf("%d is out of range, 1 to %d are allowed", n, maxUses)
	case len(fields) == 2 && !daily:
		return Uses{}, errors.New("a time zone belongs to a number for each day, as in 5/day Europe/Berlin")
	}
	u := Uses{Max: int(n), Daily: daily}
	if len(fields) == 2 {
		u.zone = fields[1]
	}
	u.location, err = location(u.zone)
	return u, err
}

// String returns the number in a form that ParseUses reads, for days with the zone.
func (u Uses) String() string {
	if !u.Daily {
		return strconv.Itoa(u.Max)
	}
	return strconv.Itoa(u.Max) + "/day " + cmp.Or(u.zone, "UTC")
}

// Words returns the number as a sentence goes on: "5 in all", "5 a day (UTC)".
func (u Uses) Words() string {
	if !u.Daily {
		return strconv.Itoa(u.Max) + " in all"
	}
	return strconv.Itoa(u.Max) + " a day (" + cmp.Or(u.zone, "UTC") + ")"
}

// IsZero reports that there is no limit.
func (u Uses) IsZero() bool { return u.Max == 0 }

// HasZone reports whether a zone was written.
func (u Uses) HasZone() bool { return u.zone != "" }

// day returns the calendar day of now.
func (u Uses) day(now time.Time) string { return now.In(u.location).Format(time.DateOnly) }
