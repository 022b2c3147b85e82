package enforce

import (
	"errors"
	"testing"
	"time"

	"fwknopd/enforce/schedule"
)

// TestLimitsWindow: outside of its windows a stanza opens and runs nothing, and no grant
// outlives them. 30 November 2026 is a Monday.
func TestLimitsWindow(t *testing.T) {
	w, err := schedule.ParseWindow("Mon-Fri 08:00-18:00 Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	a := Allowance{Stanza: 1, Source: offers.Stanzas[0].Source, AnyPort: true, MaxLifetime: time.Hour, Windows: schedule.Windows{w}, Commands: &CommandLimit{}}
	always := a
	always.Stanza, always.Permanent = 2, true
	l := Limits{Stanzas: []Allowance{a, always}}
	at := func(hour, minute int) time.Time { return time.Date(2026, 11, 30, hour, minute, 0, 0, time.UTC) }
	for _, c := range []struct {
		name     string
		now, end time.Time
		stanza   int
		want     error
	}{
		{"within", at(12, 0), at(12, 30), 1, nil},
		{"to its end", at(16, 30), at(17, 0), 1, nil},
		{"beyond its end", at(16, 30), at(17, 0).Add(time.Nanosecond), 1, ErrWindow},
		{"before it", at(6, 59), at(7, 10), 1, ErrWindow},
		{"behind it", at(17, 0), at(17, 10), 1, ErrWindow},
		{"without an end", at(12, 0), time.Time{}, 2, ErrWindow},
		{"to its end in place of none", at(12, 0), at(17, 0), 2, nil},
		{"at the week end", at(12, 0).AddDate(0, 0, 5), at(12, 30).AddDate(0, 0, 5), 1, ErrWindow},
	} {
		g := Grant{Src: addr("192.0.2.7"), Ports: []Port{{Proto: TCP, Number: 22}}, Expires: c.end, Stanza: c.stanza}
		if err := l.Check(g, c.now); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if _, err := l.Command(1, "", "id", at(12, 0)); err != nil {
		t.Error(err)
	}
	if _, err := l.Command(1, "", "id", at(18, 0)); !errors.Is(err, ErrWindow) {
		t.Errorf("a command behind the window: %v", err)
	}
}
