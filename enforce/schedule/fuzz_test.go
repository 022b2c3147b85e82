package schedule

import (
	"strings"
	"testing"
	"time"
)

// minutesOf returns which minutes of a week that begins on Sunday a window contains, minute
// by minute from each of its begins.
func minutesOf(t *testing.T, w Window) (table [7 * dayMinutes]bool) {
	t.Helper()
	days, times, _ := strings.Cut(w.String(), " ")
	begin, end, err := parseTimes(strings.Fields(times)[0])
	if err != nil {
		t.Fatal(err)
	}
	mask, err := parseDays(days)
	if err != nil {
		t.Fatal(err)
	}
	for day := range 7 {
		if mask>>day&1 == 0 {
			continue
		}
		for minute := int(begin); minute%dayMinutes != int(end)%dayMinutes; minute++ {
			table[(day*dayMinutes+minute)%len(table)] = true
			if minute == dayMinutes-1 && end == dayMinutes {
				break
			}
		}
		if begin == 0 && end == dayMinutes {
			for minute := range dayMinutes {
				table[day*dayMinutes+minute] = true
			}
		}
	}
	return table
}

// FuzzWindow: what is read is written and read again as the same; a time is in a window iff
// its minute of the week is; the end is that of a walk through the minutes.
func FuzzWindow(f *testing.F) {
	for _, text := range []string{"Mon-Fri 08:00-18:00 Europe/Berlin", "Sat,Sun 22:00-06:00", "daily 00:00-24:00 UTC", "Fri-Mon 02:15-02:45 Europe/Berlin",
		"Sun 23:00-00:00 Asia/Beirut", "Wed 12:34-12:35 Australia/Lord_Howe", "daily 06:00-05:59 Pacific/Apia", "Mon 24:00-08:00", "5/day Europe/Berlin"} {
		for _, second := range []int64{1774746000, 1792890000, 1325203200, 1635627600, 0} {
			f.Add(text, second)
		}
	}
	f.Fuzz(func(t *testing.T, text string, second int64) {
		w, err := ParseWindow(text)
		if err != nil {
			return
		}
		again, err := ParseWindow(w.String())
		if err != nil || again.String() != w.String() || again.days != w.days || again.begin != w.begin || again.end != w.end || again.location != w.location {
			t.Fatalf("%q is written as %q and read as %+v, %v", text, w, again, err)
		}
		if second < 0 || second > 1<<32 {
			return // clocks were set at seconds of minutes before 1972
		}
		now, table := time.Unix(second, 0), minutesOf(t, w)
		contains := func(at time.Time) bool {
			local := at.In(w.location)
			return table[int(local.Weekday())*dayMinutes+local.Hour()*60+local.Minute()]
		}
		if got, want := w.Contains(now), contains(now); got != want {
			t.Fatalf("%s contains %s: %v, want %v", w, now.In(w.location), got, want)
		}
		limit := now.Add(49 * time.Hour)
		want := walk(now, limit, contains)
		if got := (Windows{w}).Until(now, limit); !got.Equal(want) {
			t.Fatalf("%s from %s: to %s, want %s", w, now.In(w.location), got.In(w.location), want.In(w.location))
		}
	})
}

// walk returns the first minute after now that contains is false for, at most limit.
func walk(now, limit time.Time, contains func(time.Time) bool) time.Time {
	for now.Before(limit) && contains(now) {
		now = now.Truncate(time.Minute).Add(time.Minute)
	}
	if now.After(limit) {
		return limit
	}
	return now
}

// FuzzUses: what is read is written and read again as the same.
func FuzzUses(f *testing.F) {
	for _, text := range []string{"5", "5/day", "5/DAY Europe/Berlin", "0", "1000000001", "5 UTC", "-1", "05"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := ParseUses(text)
		if err != nil {
			return
		}
		again, err := ParseUses(u.String())
		if err != nil || again.String() != u.String() || again.Max != u.Max || again.Daily != u.Daily || again.location != u.location {
			t.Fatalf("%q is written as %q and read as %+v, %v", text, u, again, err)
		}
	})
}

// FuzzCounts: a text that is read as counts is what Format writes of them.
func FuzzCounts(f *testing.F) {
	c := Counts{Uses: map[string]Count{"alice": {Total: 7, Day: "2026-11-29", Today: 2, Resets: 1}}}
	for _, counts := range []Counts{{}, c, {Doubt: "damaged"}} {
		text, err := counts.Format()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
		f.Add(string(text[:len(text)-2]))
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCounts([]byte(text))
		if err != nil {
			return
		}
		again, err := c.Format()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseCounts(again); err != nil {
			t.Fatalf("%q is written as %q: %v", text, again, err)
		}
	})
}
