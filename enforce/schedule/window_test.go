package schedule

import (
	"strings"
	"testing"
	"time"
)

// at reads a time of UTC, with seconds or without.
func at(t *testing.T, text string) time.Time {
	t.Helper()
	for _, layout := range []string{"2006-01-02T15:04Z", time.RFC3339} {
		if v, err := time.Parse(layout, text); err == nil {
			return v
		}
	}
	t.Fatalf("%s is no time", text)
	return time.Time{}
}

func windows(t *testing.T, texts ...string) (ws Windows) {
	t.Helper()
	for _, text := range texts {
		w, err := ParseWindow(text)
		if err != nil {
			t.Fatal(err)
		}
		ws = append(ws, w)
	}
	return ws
}

func TestParseWindow(t *testing.T) {
	for text, want := range map[string]string{
		"Mon-Fri 08:00-18:00 Europe/Berlin":   "Mon-Fri 08:00-18:00 Europe/Berlin",
		"sat,SUN 00:00-24:00":                 "Sat,Sun 00:00-24:00 UTC",
		"Mon-Wed,Fri 22:00-06:00 UTC":         "Mon-Wed,Fri 22:00-06:00 UTC",
		"daily 09:30-09:31 America/New_York":  "daily 09:30-09:31 America/New_York",
		"Fri-Mon 22:00-00:00":                 "Mon,Fri-Sun 22:00-24:00 UTC",
		"Mon-Sun  08:00-18:00":                "daily 08:00-18:00 UTC",
		"Tue,Mon 08:00-18:00 Asia/Kathmandu ": "Mon,Tue 08:00-18:00 Asia/Kathmandu",
	} {
		w, err := ParseWindow(text)
		if err != nil || w.String() != want {
			t.Errorf("%s: %s, %v, want %s", text, w, err, want)
		}
	}
	for text, want := range map[string]string{
		"":                                  "is not like",
		"08:00-18:00":                       "has no days: write daily 08:00-18:00, or days as in Mon-Fri 08:00-18:00",
		"08:00-18:00 Europe/Berlin":         "has no days: write daily 08:00-18:00 Europe/Berlin, or days as in Mon-Fri 08:00-18:00 Europe/Berlin",
		"Mon":                               "is not like",
		"Mon 08:00-18:00 UTC x":             "is not like",
		"Mo-Fr 08:00-18:00":                 "neither a day",
		"Mon- 08:00-18:00":                  "neither a day",
		"daily,Mon 08:00-18:00":             "neither a day",
		"Mon 8:00-18:00":                    "is not like 08:00-18:00",
		"Mon 08:00-18:60":                   "is not like 08:00-18:00",
		"Mon 08:00":                         "is not like 08:00-18:00",
		"Mon 08:00-24:01":                   "is not like 08:00-18:00",
		"Mon 24:00-08:00":                   "24:00 is an end",
		"Mon 08:00-08:00":                   "is empty",
		"Mon 08:00-18:00 europe/berlin":     "did you mean Europe/Berlin?",
		"Mon 08:00-18:00 Berlin":            "did you mean Europe/Berlin?",
		"Mon 08:00-18:00 Local":             "is not a time zone",
		"Mon 08:00-18:00 ../../etc/passwd":  "is not a time zone",
		"Mon 08:00-18:00 " + longName():     "…",
		"Mon 08:00-18:00 Europe":            "is not a time zone",
		"Mon 08:00-18:00 Europe/":           "is not a time zone",
		"Mon-Fri 08:00-18:00,19:00-20:00 Z": "is not like",
	} {
		if w, err := ParseWindow(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %s, %v, want %q", text, w, err, want)
		}
	}
}

// TestAlways: windows that leave out no time, in whatever parts.
func TestAlways(t *testing.T) {
	for _, c := range []struct {
		windows []string
		want    bool
	}{
		{nil, true}, {[]string{"daily 00:00-24:00"}, true}, {[]string{"Mon-Sun 00:00-24:00 Europe/Berlin"}, true},
		{[]string{"daily 00:00-23:59"}, false}, {[]string{"Mon-Sat 00:00-24:00"}, false},
		{[]string{"daily 08:00-18:00 UTC", "daily 18:00-08:00 UTC"}, true},
		{[]string{"daily 08:00-18:00 UTC", "daily 18:00-08:00 Europe/Berlin"}, false},
		{[]string{"Mon-Fri 00:00-24:00", "Sat 00:00-24:00", "Sun 00:00-24:00"}, true},
		{[]string{"daily 08:00-18:00", "daily 00:00-24:00 Asia/Tokyo"}, true},
	} {
		var ws Windows
		for _, text := range c.windows {
			w, err := ParseWindow(text)
			if err != nil {
				t.Fatal(err)
			}
			ws = append(ws, w)
		}
		if got := ws.Always(time.Date(2026, 3, 4, 5, 6, 7, 8, time.UTC)); got != c.want {
			t.Errorf("%q: %v", c.windows, got)
		}
	}
}

func longName() string { return strings.Repeat("x", 200) }

// TestEveryZone: the database that is built in has no zone that cannot be read.
func TestEveryZone(t *testing.T) {
	if n := len(zoneFiles()); n < 400 {
		t.Fatalf("%d zones", n)
	}
	for name := range zoneFiles() {
		if _, err := location(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestContain has the times at which a window opens or closes; in 2026 daylight saving of
// Europe/Berlin begins on 29 March at 01:00Z and ends on 25 October at 01:00Z.
func TestContain(t *testing.T) {
	for _, c := range []struct {
		window, in, out string // times that are in it and that are not
	}{
		{"Mon-Fri 08:00-18:00 UTC", "2026-11-30T08:00Z 2026-12-04T17:59:59.9Z", "2026-11-30T07:59:59Z 2026-12-04T18:00Z 2026-12-05T12:00Z 2026-12-06T12:00Z"},
		{"Mon-Fri 08:00-18:00 Europe/Berlin", "2026-11-30T07:00Z 2026-07-01T06:00Z 2026-07-01T15:59Z", "2026-11-30T17:00Z 2026-07-01T16:00Z 2026-07-01T05:59Z"},
		{"daily 00:00-24:00 UTC", "2026-11-29T00:00Z 2026-11-29T23:59:59Z", ""},
		// Over midnight: it belongs to the day of its begin.
		{"Fri 22:00-06:00 UTC", "2026-12-04T22:00Z 2026-12-05T00:00Z 2026-12-05T05:59Z", "2026-12-04T05:00Z 2026-12-05T06:00Z 2026-12-05T22:00Z 2026-12-06T01:00Z"},
		{"Sun 22:00-06:00 UTC", "2026-12-06T23:00Z 2026-12-07T05:00Z", "2026-12-06T05:00Z 2026-12-08T05:00Z"},
		{"Fri 22:00-24:00 UTC", "2026-12-04T23:59:59Z", "2026-12-05T00:00Z 2026-12-04T00:00Z"},
		// The leap day, and the turn of a year.
		{"Thu 22:00-02:00 UTC", "2024-02-29T22:00Z 2024-03-01T01:59Z 2026-12-31T23:00Z 2027-01-01T01:00Z", "2024-03-01T02:00Z 2024-02-29T01:00Z"},
		// The hour that is left out, 02:00 to 03:00 on 29 March, and the one that comes twice.
		{"daily 02:15-02:45 Europe/Berlin", "2026-03-28T01:15Z 2026-10-25T00:15Z 2026-10-25T01:15Z", "2026-03-29T00:59Z 2026-03-29T01:00Z 2026-03-29T01:15Z 2026-10-25T00:45Z 2026-10-25T01:45Z"},
		{"Sun 01:30-03:30 Europe/Berlin", "2026-03-29T00:30Z 2026-03-29T01:29Z 2026-10-25T02:29Z", "2026-03-29T01:30Z 2026-10-25T02:30Z"},
		{"Sat 22:00-03:00 Europe/Berlin", "2026-03-29T00:59Z 2026-10-25T01:59Z", "2026-03-29T01:00Z 2026-10-25T02:00Z"},
		// A clock that is set back at midnight: 31 October 2021 of Beirut, 21:00Z is 23:00 again.
		{"Sat 23:00-24:00 Asia/Beirut", "2021-10-30T20:30Z 2021-10-30T21:30Z", "2021-10-30T22:00Z"},
		{"Wed 08:00-09:00 Asia/Kathmandu", "2026-12-02T02:15Z 2026-12-02T03:14Z", "2026-12-02T03:15Z 2026-12-02T02:14Z"},
	} {
		ws := windows(t, c.window)
		for text := range strings.FieldsSeq(c.in) {
			if !ws.Contain(at(t, text)) {
				t.Errorf("%s does not contain %s", c.window, text)
			}
		}
		for text := range strings.FieldsSeq(c.out) {
			if ws.Contain(at(t, text)) {
				t.Errorf("%s contains %s", c.window, text)
			}
		}
	}
	if (Window{}).Contains(at(t, "2026-11-29T12:00Z")) {
		t.Error("the zero Window contains a time")
	}
}

func TestUntil(t *testing.T) {
	for _, c := range []struct {
		windows   []string
		from, end string // "": no end
		want      string // "": none
	}{
		{[]string{"Mon-Fri 08:00-18:00 UTC"}, "2026-11-30T12:00:01Z", "2026-11-30T12:30Z", "2026-11-30T12:30Z"},
		{[]string{"Mon-Fri 08:00-18:00 UTC"}, "2026-11-30T17:59:59.5Z", "2026-11-30T18:00:29Z", "2026-11-30T18:00Z"},
		{[]string{"Mon-Fri 08:00-18:00 UTC"}, "2026-11-30T17:00Z", "2026-11-30T18:00Z", "2026-11-30T18:00Z"},
		{[]string{"Mon-Fri 08:00-18:00 UTC"}, "2026-11-30T12:00Z", "", "2026-11-30T18:00Z"},
		{[]string{"Mon-Fri 08:00-18:00 UTC"}, "2026-11-30T18:00Z", "2026-11-30T19:00Z", "2026-11-30T18:00Z"}, // closed at from
		{[]string{"Fri 22:00-06:00 UTC"}, "2026-12-04T23:00Z", "2026-12-05T23:00Z", "2026-12-05T06:00Z"},
		{[]string{"daily 08:00-12:00 UTC", "daily 12:00-18:00 UTC"}, "2026-11-30T08:00Z", "", "2026-11-30T18:00Z"},
		{[]string{"daily 08:00-12:00 UTC", "daily 12:00-14:00 Europe/Berlin"}, "2026-11-30T08:00Z", "", "2026-11-30T13:00Z"},
		{[]string{"Sat,Sun 00:00-24:00 UTC"}, "2026-12-05T12:00Z", "", "2026-12-07T00:00Z"},
		{[]string{"daily 00:00-24:00 UTC"}, "2026-12-05T12:00Z", "", ""},
		{[]string{"daily 00:00-24:00 Europe/Berlin"}, "2026-12-05T12:00Z", "2027-12-05T12:00Z", "2027-12-05T12:00Z"},
		{[]string{"daily 00:00-12:00 UTC", "daily 12:00-00:00 UTC"}, "2026-12-05T12:00Z", "", ""},
		// By the wall clock: 02:30 does not come, so that it is closed when the clock goes on to
		// 03:00; and the second 02:30 is the end of a window that is open in both.
		{[]string{"Sun 01:00-02:30 Europe/Berlin"}, "2026-03-29T00:30Z", "", "2026-03-29T01:00Z"},
		{[]string{"Sun 01:00-03:30 Europe/Berlin"}, "2026-03-29T00:30Z", "", "2026-03-29T01:30Z"},
		{[]string{"Sun 01:00-03:00 Europe/Berlin"}, "2026-10-24T23:30Z", "", "2026-10-25T02:00Z"},
		{[]string{"Sun 01:00-02:30 Europe/Berlin"}, "2026-10-25T00:00Z", "", "2026-10-25T00:30Z"},
		{[]string{"Sun 01:00-02:30 Europe/Berlin"}, "2026-10-25T01:00Z", "", "2026-10-25T01:30Z"},
	} {
		var end, want time.Time
		if c.end != "" {
			end = at(t, c.end)
		}
		if c.want != "" {
			want = at(t, c.want)
		}
		if got := windows(t, c.windows...).Until(at(t, c.from), end); !got.Equal(want) {
			t.Errorf("%v from %s to %s: %s, want %s", c.windows, c.from, c.end, got, want)
		}
	}
}

func TestContainDoesNotAllocate(t *testing.T) {
	ws := windows(t, "Mon-Fri 08:00-18:00 Europe/Berlin", "Sat 22:00-02:00 America/New_York")
	now := at(t, "2026-11-30T12:00Z")
	if n := testing.AllocsPerRun(100, func() { ws.Until(now, now.Add(time.Minute)) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkUntil(b *testing.B) {
	w, err := ParseWindow("Mon-Fri 08:00-18:00 Europe/Berlin")
	if err != nil {
		b.Fatal(err)
	}
	ws, now := Windows{w}, time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		ws.Until(now, now.Add(time.Minute))
	}
}
