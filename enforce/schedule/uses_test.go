package schedule

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func uses(t *testing.T, text string) Uses {
	t.Helper()
	u, err := ParseUses(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestParseUses(t *testing.T) {
	for text, want := range map[string][2]string{
		"5":                   {"5", "5 in all"},
		"5/day":               {"5/day UTC", "5 a day (UTC)"},
		"5/Day Europe/Berlin": {"5/day Europe/Berlin", "5 a day (Europe/Berlin)"},
		"1000000000":          {"1000000000", "1000000000 in all"},
	} {
		if u := uses(t, text); u.String() != want[0] || u.Words() != want[1] {
			t.Errorf("%s: %s, %s, want %q", text, u, u.Words(), want)
		}
	}
	for text, want := range map[string]string{
		"":                   "is not like",
		"x":                  "is not like",
		"-1":                 "is not like",
		"5/hour":             "is not like",
		"5/":                 "is not like",
		"0":                  "out of range",
		"1000000001":         "out of range",
		"5 Europe/Berlin":    "belongs to a number for each day",
		"5/day Europe/Bonn":  "is not a time zone",
		"5/day UTC tomorrow": "is not like",
	} {
		if u, err := ParseUses(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %s, %v, want %q", text, u, err, want)
		}
	}
}

// TestCountsByDay: days are those of the zone, and a clock that is set back gives none back.
func TestCountsByDay(t *testing.T) {
	u := uses(t, "2/day Europe/Berlin")
	var c Counts
	for _, step := range []struct {
		at   string
		used int // before this use
	}{
		{"2026-11-29T22:00Z", 0},
		{"2026-11-29T22:59:59Z", 1},
		{"2026-11-29T23:00Z", 0}, // midnight in Berlin
		{"2026-11-29T22:00Z", 1},
		{"2026-11-30T22:59Z", 2},
		{"2026-11-30T23:00Z", 0},
		{"2026-10-25T00:30Z", 1},
	} {
		now := at(t, step.at)
		if n, err := c.Used("a", u, now); n != step.used || err != nil {
			t.Errorf("%s: %d used, %v, want %d", step.at, n, err, step.used)
		}
		c.Add("a", u, now)
	}
	if n, _ := c.Used("a", uses(t, "9"), at(t, "2026-12-24T00:00Z")); n != 7 {
		t.Errorf("%d in all, want 7", n)
	}
	if n, _ := c.Used("b", u, at(t, "2026-11-29T22:00Z")); n != 0 {
		t.Errorf("another stanza has used %d", n)
	}
}

func TestCountsInDoubt(t *testing.T) {
	c := Counts{Doubt: "uses.state: damaged"}
	now, u := at(t, "2026-11-29T22:00Z"), uses(t, "2")
	if _, err := c.Used("a", u, now); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "uses.state") {
		t.Error(err)
	}
	c.Merge(&Counts{Uses: map[string]Count{"a": {Total: 1}}})
	if _, err := c.Used("a", u, now); err == nil {
		t.Error("a worker's count ends the doubt")
	}
	c.Reset("a")
	if n, err := c.Used("a", u, now); n != 0 || err != nil {
		t.Error(n, err)
	}
	if _, err := c.Used("b", u, now); err == nil {
		t.Error("the reset of one stanza ends the doubt about another")
	}
}

func TestMergeTakesTheLater(t *testing.T) {
	for _, c := range []struct{ a, b, want Count }{
		{Count{Total: 3}, Count{Total: 5}, Count{Total: 5}},
		{Count{Total: 3, Day: "2026-11-29", Today: 2}, Count{Total: 2, Day: "2026-11-29", Today: 1}, Count{Total: 3, Day: "2026-11-29", Today: 2}},
		{Count{Total: 3, Day: "2026-11-29", Today: 2}, Count{Total: 4, Day: "2026-11-30", Today: 1}, Count{Total: 4, Day: "2026-11-30", Today: 1}},
		{Count{Total: 9, Resets: 1}, Count{Total: 1, Resets: 2}, Count{Total: 1, Resets: 2}},
	} {
		for _, pair := range [2][2]Count{{c.a, c.b}, {c.b, c.a}} {
			got := Counts{Uses: map[string]Count{"x": pair[0]}}
			got.Merge(&Counts{Uses: map[string]Count{"x": pair[1]}})
			if got.Uses["x"] != c.want {
				t.Errorf("%+v and %+v: %+v, want %+v", pair[0], pair[1], got.Uses["x"], c.want)
			}
		}
	}
}

func TestCountsAreReadAsWritten(t *testing.T) {
	want := Counts{Uses: map[string]Count{"a": {Total: 3, Day: "2026-11-29", Today: 2, Resets: 4}, "b": {Total: 1}}, Doubt: "it was damaged"}
	text, err := want.Format()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseCounts(text)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for i := range text {
		changed := append([]byte(nil), text...)
		changed[i] ^= 1
		if _, err := ParseCounts(changed); !errors.Is(err, errDamaged) {
			t.Errorf("byte %d changed: %v", i, err)
		}
		if _, err := ParseCounts(text[:i]); !errors.Is(err, errDamaged) {
			t.Errorf("cut to %d bytes: %v", i, err)
		}
	}
}

func TestTake(t *testing.T) {
	var c Counts
	c.Take(&Counts{}, "a")
	c.Take(&Counts{Uses: map[string]Count{"a": {Total: 3}, "b": {Total: 4}}}, "a")
	if want := (map[string]Count{"a": {Total: 3}}); !reflect.DeepEqual(c.Uses, want) {
		t.Errorf("%+v, want %+v", c.Uses, want)
	}
	if c.Take(&Counts{}, "a"); len(c.Uses) != 0 {
		t.Errorf("%+v, want none", c.Uses)
	}
}
