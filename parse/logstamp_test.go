package parse

import (
	"testing"
	"time"
)

func TestStampYear(t *testing.T) {
	for _, c := range []struct{ ref, stamp, want string }{
		{"2026-11-22T14:00:00Z", "Nov 22 14:00:00", "2026-11-22T14:00:00Z"},
		{"2026-11-22T14:00:00Z", "Nov 22 14:00:01", "2025-11-22T14:00:01Z"},
		{"2026-11-22T14:00:00.5Z", "Nov 22 14:00:00.6", "2025-11-22T14:00:00.6Z"},
		{"2026-01-02T00:00:00Z", "Dec 31 23:59:59", "2025-12-31T23:59:59Z"},
		{"2026-01-02T00:00:00Z", "Jan  1 00:00:00", "2026-01-01T00:00:00Z"},
		{"2024-03-01T00:00:00Z", "Feb 29 12:00:00", "2024-02-29T12:00:00Z"},
		{"2024-02-29T11:00:00Z", "Feb 29 12:00:00", "2020-02-29T12:00:00Z"},
		{"2027-06-01T00:00:00Z", "Feb 29 12:00:00", "2024-02-29T12:00:00Z"},
		{"2104-02-01T00:00:00Z", "Feb 29 12:00:00", "2096-02-29T12:00:00Z"},
		{"2017-01-01T00:00:10Z", "Dec 31 23:59:60", "2017-01-01T00:00:00Z"},
		{"2026-12-31T23:59:59Z", "Dec 31 23:59:59", "2026-12-31T23:59:59Z"},
		{"2026-12-30T00:00:00Z", "Jan  1 00:00:00", "2026-01-01T00:00:00Z"},
		// The reader's own year and hour decide, not those of Greenwich.
		{"2026-01-01T00:30:00+02:00", "Jan  1 00:15:00", "2025-12-31T22:15:00Z"},
		{"2025-12-31T23:30:00-02:00", "Dec 31 23:15:00", "2026-01-01T01:15:00Z"},
	} {
		ref := mustTime(t, c.ref)
		var ev Event
		if err := LogLine([]byte(c.stamp+" gate kernel: "+synRecord), ref, &ev); err != nil {
			t.Fatal(err)
		}
		if want := mustTime(t, c.want); !ev.Time.Equal(want) {
			t.Errorf("%s read at %s: %v, want %v", c.stamp, c.ref, ev.Time, want)
		}
		if ev.Time.After(ref) || ev.Time.Location() != ref.Location() {
			t.Errorf("%s read at %s: %v", c.stamp, c.ref, ev.Time)
		}
	}
}

// TestStampYearAlways: read on any day, a stamp of that day is of that day's year,
// and one of the next day a year older.
func TestStampYearAlways(t *testing.T) {
	for day := time.Date(1971, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() < 2410; day = day.AddDate(0, 0, 1) {
		for _, ref := range []time.Time{day, day.Add(24*time.Hour - 1)} {
			s := stamp{month: int(day.Month()), day: day.Day()}
			if got := s.time(ref); !got.Equal(day) {
				t.Fatalf("%v read at %v: %v", day, ref, got)
			}
			next := day.AddDate(0, 0, 1)
			s = stamp{month: int(next.Month()), day: next.Day()}
			if got := s.time(ref); got.After(ref) || got.Month() != next.Month() || got.Day() != next.Day() {
				t.Fatalf("%v read at %v: %v", next, ref, got)
			}
		}
	}
}

// TestStampCalendar compares our calendar with that of package time, day by day.
func TestStampCalendar(t *testing.T) {
	for day := time.Date(1890, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() < 2410; day = day.AddDate(0, 0, 1) {
		y, m, d := day.Date()
		if got, want := int64(daysSince1970(y, int(m), d))*86400, day.Unix(); got != want {
			t.Fatalf("%v: %d, want %d", day, got, want)
		}
		if last := day.AddDate(0, 0, 1).Month() != m; last != (d == daysIn(int(m), y)) {
			t.Fatalf("%v: the month has %d days", day, daysIn(int(m), y))
		}
	}
}

// TestStampZones compares a zone with summer time to UTC's fast path by way of
// package time.
func TestStampZones(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip(err)
	}
	ref := time.Date(2026, 11, 22, 14, 0, 0, 0, berlin)
	for at := ref.AddDate(-1, 0, 0).Add(time.Hour); at.Before(ref); at = at.Add(7 * time.Hour) {
		var s stamp
		line := []byte(at.Format(time.Stamp))
		if s.read(line, 0) != len(line) {
			t.Fatalf("%s", line)
		}
		want := time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), 0, berlin)
		if got := s.time(ref); !got.Equal(want) {
			t.Errorf("%s: %v, want %v", line, got, want)
		}
	}
}

func TestStampRefused(t *testing.T) {
	for _, text := range []string{
		"", "J", "Jul", "Jul ", "Jul  3", "Jul  3 04:05", "Jul  3 04:05:0", "Jul  0 04:05:06", "Jul 32 04:05:06", "Jun 31 04:05:06",
		"Feb 30 04:05:06", "Jul  3 24:05:06", "Jul  3 04:60:06", "Jul  3 04:05:61", "JUL  3 04:05:06", "Jul\r 3 04:05:06",
		"Feb 29 2025 04:05:06", "2026-02-29T04:05:06Z", "2026-13-01T04:05:06Z", "2026-00-01T04:05:06Z", "0000-01-01T04:05:06Z",
		"2026-07-03X04:05:06Z", "2026-07-03T04:05:06+2", "2026-07-03T04:05:06+24:00", "2026-07-03T04:05:06?", "2026-07-03T04:05:06.Z",
		"Fri Jul  3 04:05:06", "Fri 2026-07-03 04:05:06", "1783051506", "1783051506.", "99999999999999999.5",
	} {
		var s stamp
		if end := s.read([]byte(text), 0); end == len(text) {
			t.Errorf("%q is read as %+v", text, s)
		}
	}
}
