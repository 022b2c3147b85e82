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

// TestStampZoneNames: an abbreviation is first the reader's own, then what it means
// everywhere, and else gives no time.
func TestStampZoneNames(t *testing.T) {
	for _, c := range []struct{ reader, stamp, want string }{
		{"UTC", "Fri 2026-11-27 22:00:05 CET", "2026-11-27T21:00:05Z"},
		{"Europe/Berlin", "Fri 2026-11-27 22:00:05 CET", "2026-11-27T21:00:05Z"},
		{"America/New_York", "Fri 2026-11-27 22:00:05 CET", "2026-11-27T21:00:05Z"},
		{"UTC", "Fri 2026-11-27 22:00:05 GMT", "2026-11-27T22:00:05Z"},
		{"UTC", "Fri 2026-11-27 22:00:05 CST", ""},
		{"America/Chicago", "Fri 2026-11-27 22:00:05 CST", "2026-11-28T04:00:05Z"},
		{"Asia/Shanghai", "Fri 2026-11-27 22:00:05 CST", "2026-11-27T14:00:05Z"},
		{"Europe/Berlin", "Fri 2026-11-27 22:00:05 CST", ""},
		{"UTC", "Fri 2026-11-27 22:00:05 IST", ""},
		{"Asia/Kolkata", "Fri 2026-11-27 22:00:05 IST", "2026-11-27T16:30:05Z"},
		{"Asia/Jerusalem", "Fri 2026-11-27 22:00:05 IST", "2026-11-27T20:00:05Z"},
		{"UTC", "Fri 2026-11-27 22:00:05 PST", ""},
		{"America/Los_Angeles", "Fri 2026-11-27 22:00:05 PST", "2026-11-28T06:00:05Z"},
		{"UTC", "Fri 2026-11-27 22:00:05 QQQ", ""},
		// The hour that comes twice, on either side.
		{"Europe/Berlin", "Sun 2026-10-25 02:30:00 CEST", "2026-10-25T00:30:00Z"},
		{"Europe/Berlin", "Sun 2026-10-25 02:30:00 CET", "2026-10-25T01:30:00Z"},
		{"America/Chicago", "Sun 2026-11-01 01:30:00 CDT", "2026-11-01T06:30:00Z"},
		{"America/Chicago", "Sun 2026-11-01 01:30:00 CST", "2026-11-01T07:30:00Z"},
	} {
		loc, err := time.LoadLocation(c.reader)
		if err != nil {
			t.Fatal(err)
		}
		var ev Event
		if err := LogLine([]byte(c.stamp+" gate kernel: "+synRecord), mustTime(t, "2026-12-01T00:00:00Z").In(loc), &ev); err != nil {
			t.Fatal(err)
		}
		var want time.Time
		if c.want != "" {
			want = mustTime(t, c.want)
		}
		if !ev.Time.Equal(want) || ev.Origin != OriginKernel {
			t.Errorf("%s read in %s: %v, origin %d, want %v", c.stamp, c.reader, ev.Time, ev.Origin, want)
		}
	}
}

// TestStampZonesOfToday holds the table of abbreviations against the time zone
// database.
func TestStampZonesOfToday(t *testing.T) {
	for _, c := range []struct {
		zone   string
		months []time.Month
	}{
		{"Europe/Berlin", []time.Month{1, 7}}, {"Europe/London", []time.Month{7}}, {"Europe/Lisbon", []time.Month{1, 7}}, {"Europe/Athens", []time.Month{1, 7}},
		{"Europe/Moscow", []time.Month{1}}, {"Asia/Jerusalem", []time.Month{7}}, {"Africa/Johannesburg", []time.Month{1}}, {"Africa/Lagos", []time.Month{1}},
		{"Africa/Maputo", []time.Month{1}}, {"Africa/Nairobi", []time.Month{1}}, {"Asia/Karachi", []time.Month{1}}, {"Asia/Jakarta", []time.Month{1}},
		{"Asia/Makassar", []time.Month{1}}, {"Asia/Jayapura", []time.Month{1}}, {"Asia/Hong_Kong", []time.Month{1}}, {"Asia/Tokyo", []time.Month{1}}, {"Asia/Seoul", []time.Month{1}},
		{"Australia/Perth", []time.Month{1}}, {"Australia/Adelaide", []time.Month{1, 7}}, {"Australia/Sydney", []time.Month{1, 7}}, {"Pacific/Auckland", []time.Month{1, 7}},
		{"Pacific/Guam", []time.Month{1}}, {"Pacific/Pago_Pago", []time.Month{1}}, {"Pacific/Honolulu", []time.Month{1}}, {"America/Adak", []time.Month{7}},
		{"America/Anchorage", []time.Month{1, 7}}, {"America/Los_Angeles", []time.Month{7}}, {"America/Denver", []time.Month{1, 7}}, {"America/New_York", []time.Month{1, 7}},
		{"America/Halifax", []time.Month{1, 7}}, {"America/St_Johns", []time.Month{1, 7}},
	} {
		loc, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range c.months {
			at := time.Date(2026, m, 15, 12, 0, 0, 0, loc)
			name, want := at.Zone()
			if got, ok := zoneOffset([]byte(name), at.UTC()); !ok || got != want {
				t.Errorf("%s, as in %s: %d, %t, want %d", name, c.zone, got, ok, want)
			}
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
