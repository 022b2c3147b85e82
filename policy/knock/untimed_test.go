package knock

import (
	"testing"
	"time"

	"fwknopd/parse"
	"fwknopd/policy/conf"
)

// knockAt makes a packet with that time, or without one.
func knockAt(port string, at time.Time) *parse.Event {
	var w wire
	ev := w.packet(port)
	ev.Time = at
	return ev
}

// TestUntimed: records without a time go through a sequence, and what cannot be
// checked without one refuses it at its end, once.
func TestUntimed(t *testing.T) {
	none := time.Time{}
	plain := func() conf.Stanza {
		s := shared("tcp/1 tcp/2 tcp/3")
		s.KnockInterval, s.AccessTimeout = 0, 0
		return s
	}
	for _, c := range []struct {
		name string
		set  func(*conf.Stanza)
		want string
	}{
		{"no rule needs a time", func(*conf.Stanza) {}, Granted},
		{"interval", func(s *conf.Stanza) { s.KnockInterval = time.Minute }, Timeout},
		{"least gap", func(s *conf.Stanza) { s.MinTimeDiff = time.Second }, Timeout},
		{"greatest gap", func(s *conf.Stanza) { s.MaxTimeDiff = time.Second }, Timeout},
		{"end of the grant", func(s *conf.Stanza) { s.AccessTimeout = time.Minute }, Timeout},
		{"end of the stanza", func(s *conf.Stanza) { s.Expires = epoch.Add(time.Hour) }, Timeout},
		{"system", func(s *conf.Stanza) { s.RequireOS = "Linux" }, Timeout},
	} {
		for _, mixed := range []bool{false, true} {
			s := plain()
			c.set(&s)
			tr := New(Options{Stanzas: []conf.Stanza{s}})
			var got []Result
			for i, p := range []string{"tcp/1", "tcp/2", "tcp/3"} {
				at := none
				if mixed && i != 1 {
					at = epoch.Add(time.Duration(i) * time.Second)
				}
				ev := knockAt(p, at)
				got = tr.Step(at, ev, got)
			}
			if len(got) != 1 || got[0].Reason != c.want {
				t.Errorf("%s, mixed %t: %+v, want one %s", c.name, mixed, got, c.want)
				continue
			}
			if r := got[0]; c.want == Timeout && (r.Text != NoTime || r.Gap != 0 || r.Step != 3) {
				t.Errorf("%s, mixed %t: %+v", c.name, mixed, r)
			}
		}
	}
}

// TestUntimedLive: to a daemon the moment of reading is the time of a record that
// has none.
func TestUntimedLive(t *testing.T) {
	tr := New(Options{Stanzas: []conf.Stanza{shared("tcp/1 tcp/2")}})
	var got []Result
	for i, p := range []string{"tcp/1", "tcp/2"} {
		ev := knockAt(p, time.Time{})
		got = tr.Step(epoch.Add(time.Duration(i)*time.Second), ev, got)
	}
	if len(got) != 1 || !got[0].Granted {
		t.Errorf("%+v, want a grant", got)
	}
}

// TestUntimedForgets: an attempt that a record without a time took part in is
// evaluated like any other once it starts again.
func TestUntimedForgets(t *testing.T) {
	tr := New(Options{Stanzas: []conf.Stanza{shared("tcp/1 tcp/2")}})
	var got []Result
	for i, p := range []string{"tcp/1", "tcp/2", "tcp/1", "tcp/2"} {
		at := time.Time{}
		if i >= 2 {
			at = epoch.Add(time.Duration(i) * time.Second)
		}
		ev := knockAt(p, at)
		got = tr.Step(at, ev, got)
	}
	if len(got) != 2 || got[0].Reason != Timeout || !got[1].Granted {
		t.Errorf("%+v, want a refusal and a grant", got)
	}
}
