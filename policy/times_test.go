package policy

import (
	"slices"
	"strings"
	"testing"
	"time"

	"fwknopd/enforce/schedule"
	"fwknopd/policy/conf"
	"fwknopd/policy/replay"
)

func window(t testing.TB, texts ...string) (ws schedule.Windows) {
	t.Helper()
	for _, text := range texts {
		w, err := schedule.ParseWindow(text)
		if err != nil {
			t.Fatal(err)
		}
		ws = append(ws, w)
	}
	return ws
}

func limit(t testing.TB, text string) schedule.Uses {
	t.Helper()
	u, err := schedule.ParseUses(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// around returns a window of UTC from some time before now to some time behind it.
func (s *situation) around(t testing.TB, before, behind time.Duration) schedule.Windows {
	return window(t, "daily "+s.now.Add(-before).UTC().Format("15:04")+"-"+s.now.Add(behind).UTC().Format("15:04")+" UTC")
}

// again decides a new message of the client at a time.
func (s *situation) again(t testing.TB, e *Engine, at time.Time) string {
	t.Helper()
	s.now, s.msg.Time = at, at.Unix()
	d := e.Decide(at, s.event(s.wire(t)))
	if d.Verdict == Allow {
		return string(d.Reason)
	}
	return string(d.Reason) + " " + d.Detail.Text
}

func TestWindow(t *testing.T) {
	s := plain()
	s.one().Windows = s.around(t, 2*time.Hour, 2*time.Hour)
	if got := show(s.decide(t)); got != granted {
		t.Errorf("within: %s", got)
	}
	s.one().Windows = s.around(t, 2*time.Hour, -time.Hour)
	if got := show(s.decide(t)); got != "spa.window" {
		t.Errorf("behind: %s", got)
	}
	s.now = time.Time{}
	s.server.Aging = false
	if got := show(s.decide(t)); got != "spa.window" {
		t.Errorf("without a time: %s", got)
	}
}

// TestWindowEndsGrants: a grant ends with the window, also one without an end and one by
// commands with a timer.
func TestWindowEndsGrants(t *testing.T) {
	for name, change := range map[string]func(*conf.Stanza){
		"its own time": func(st *conf.Stanza) { st.AccessTimeout = time.Hour },
		"no end":       func(st *conf.Stanza) { st.AccessTimeout = 0 },
		"cycle": func(st *conf.Stanza) {
			st.CycleOpen, st.CycleClose, st.CycleTimer = "/bin/open $TIMEOUT", "/bin/close", time.Hour
		},
		"external": func(st *conf.Stanza) {
			st.ExternalOpen, st.ExternalClose, st.AccessTimeout = "/bin/open", "/bin/close", 0
		},
		"several ports": func(st *conf.Stanza) { st.OpenPortsAny, st.AccessTimeout = true, time.Hour },
	} {
		s := plain()
		s.one().Windows = s.around(t, time.Hour, 10*time.Minute)
		change(s.one())
		d := s.decide(t)
		end := s.one().Windows.Until(s.now, time.Time{})
		if d.Verdict != Allow || !d.Grant.Expires.Equal(end) || end.After(s.now.Add(10*time.Minute)) {
			t.Errorf("%s: %s, want an end at %s", name, show(d), end)
		}
		if x := d.Grant.External; x != nil && strings.Contains(s.one().CycleOpen, "TIMEOUT") && x.Open[1] == "0" {
			t.Errorf("%s: %q does not tell the command its end", name, x.Open)
		}
	}
}

func TestWindowOfCommands(t *testing.T) {
	s := plain()
	s.command("192.0.2.7,id")
	s.one().CmdExec, s.one().Windows = true, s.around(t, time.Hour, -time.Minute)
	if got := show(s.decide(t)); got != "spa.window" {
		t.Error(got)
	}
}

func TestWindowByHand(t *testing.T) {
	s := plain()
	h := ByHand{Src: client, Ports: s.one().OpenPorts, Lifetime: time.Hour}
	s.one().Windows = s.around(t, time.Hour, 10*time.Minute)
	g, ref := h.Grant(&s.server, s.one(), s.now)
	if ref != nil || !g.Expires.Equal(s.one().Windows.Until(s.now, time.Time{})) {
		t.Errorf("%+v, %+v", g, ref)
	}
	s.one().Windows = s.around(t, time.Hour, -10*time.Minute)
	if _, ref = h.Grant(&s.server, s.one(), s.now); ref == nil || ref.Reason != SPAWindow {
		t.Errorf("behind the window: %+v", ref)
	}
}

// TestUses: what is refused for another reason is no use, and several ports are one.
func TestUses(t *testing.T) {
	s := plain()
	s.one().Name, s.one().Uses, s.one().OpenPortsAny = "visitor", limit(t, "2"), true
	s.opts.Store = replay.NewMemory(replay.Options{})
	e := s.engine(t)
	s.msg.Text = "192.0.2.7,tcp/22,udp/53"
	wire := s.event(s.wire(t))
	for _, want := range []string{"spa.granted", "spa.replay"} {
		if got := e.Decide(s.now, wire); string(got.Reason) != want {
			t.Errorf("%s, want %s", show(got), want)
		}
	}
	s.one().OpenPortsAny = false
	if got := s.again(t, e, s.now); got != "spa.port not in OPEN_PORTS" {
		t.Error(got)
	}
	s.one().OpenPortsAny = true
	for i, want := range []string{"spa.granted", "spa.uses granted 2 in all", "spa.uses granted 2 in all"} {
		if got := s.again(t, e, s.now.Add(24*time.Hour)); got != want {
			t.Errorf("%d: %s, want %s", i, got, want)
		}
	}
}

func TestUsesByDay(t *testing.T) {
	s := plain()
	s.one().Name, s.one().Uses = "visitor", limit(t, "1/day Europe/Berlin")
	e := s.engine(t)
	at := func(day, hour, minute int) time.Time { return time.Date(2026, 11, day, hour, minute, 0, 0, time.UTC) }
	for _, c := range []struct {
		at   time.Time
		want string
	}{
		{at(29, 22, 0), "spa.granted"},
		{at(29, 22, 59), "spa.uses granted 1 a day (Europe/Berlin)"},
		{at(29, 23, 0), "spa.granted"}, // midnight in Berlin
		{at(30, 0, 0), "spa.uses granted 1 a day (Europe/Berlin)"},
		{at(29, 22, 59), "spa.uses granted 1 a day (Europe/Berlin)"}, // the clock was set back
	} {
		if got := s.again(t, e, c.at); got != c.want {
			t.Errorf("%s: %s, want %s", c.at, got, c.want)
		}
	}
}

// TestUsesOverReloads: a stanza is the one of its NAME, wherever it stands and whatever its
// number is.
func TestUsesOverReloads(t *testing.T) {
	s := plain()
	s.one().Name, s.one().Uses = "visitor", limit(t, "3")
	s.opts.Uses = schedule.Counts{Uses: map[string]schedule.Count{"visitor": {Total: 1}}}
	old := s.engine(t)
	if got := s.again(t, old, s.now); got != "spa.granted" {
		t.Fatal(got)
	}
	s.one().Pos.Line, s.one().Uses = 5, limit(t, "2")
	lower := s.engine(t)
	lower.Inherit(old)
	if got := s.again(t, lower, s.now); got != "spa.uses granted 2 in all" {
		t.Errorf("with a lower number: %s", got)
	}
	s.one().Uses = limit(t, "3")
	higher := s.engine(t)
	higher.Inherit(lower)
	for _, want := range []string{"spa.granted", "spa.uses granted 3 in all"} {
		if got := s.again(t, higher, s.now); got != want {
			t.Errorf("with a higher number: %s, want %s", got, want)
		}
	}
	counts := schedule.Counts{}
	counts.Reset("visitor")
	higher.TakeUses(counts)
	if got := s.again(t, higher, s.now); got != "spa.granted" {
		t.Errorf("after a reset: %s", got)
	}
	if n := s.opts.Uses.Uses["visitor"].Total; n != 1 {
		t.Errorf("the engines changed the counts that they began with to %d", n)
	}
}

func TestUsesInDoubt(t *testing.T) {
	s := plain()
	s.one().Name, s.one().Uses = "visitor", limit(t, "3")
	s.opts.Uses = schedule.Counts{Doubt: "uses.state: damaged"}
	e := s.engine(t)
	if got := s.again(t, e, s.now); got != "spa.uses the uses of the stanza are not known: uses.state: damaged" {
		t.Error(got)
	}
	counts := s.opts.Uses.Clone()
	counts.Reset("visitor")
	e.TakeUses(counts)
	if got := s.again(t, e, s.now); got != "spa.granted" {
		t.Errorf("after a reset: %s", got)
	}
}

// TestUsesOfShadowAreNotInDoubt: the file of the monitor has none of a shadow stanza, whose own
// count begins at zero whatever becomes of the file.
func TestUsesOfShadowAreNotInDoubt(t *testing.T) {
	s := plain()
	s.one().Name, s.one().Uses, s.one().Shadow = "visitor", limit(t, "1"), true
	s.opts.Uses = schedule.Counts{Doubt: "uses.state: damaged"}
	e := s.engine(t)
	for _, want := range []string{"spa.granted", "spa.uses granted 1 in all"} {
		if got := s.again(t, e, s.now); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		e.TakeUses(s.opts.Uses)
		next := s.engine(t)
		next.Inherit(e)
		e = next
	}
}

// TestKnocksInTheirTimes: windows and numbers of uses hold for sequences. A sequence that they
// refuse does not count for KNOCK_LIMIT.
func TestKnocksInTheirTimes(t *testing.T) {
	const opened = "ignore; knock.granted 192.0.2.7 tcp/22 until +33"
	st := sequence(1, 1001, 1002)
	s := knocker(st)
	s.one().Windows = s.around(t, time.Hour, time.Hour)
	if got := shows(s.knock(t, s.engine(t), 1001, 1002)); got != opened {
		t.Errorf("within the window: %s", got)
	}
	s.one().Windows = s.around(t, time.Hour, -time.Minute)
	if got := shows(s.knock(t, s.engine(t), 1001, 1002)); got != "ignore; knock.window" {
		t.Errorf("behind the window: %s", got)
	}
	s.one().Windows, s.one().AccessTimeout = s.around(t, time.Hour, 10*time.Minute), 0
	if d := s.knock(t, s.engine(t), 1001, 1002)[1]; !d.Grant.Expires.Equal(s.one().Windows.Until(s.now, time.Time{})) {
		t.Errorf("no end: %s", show(d))
	}
	s = knocker(st)
	s.one().Name, s.one().Uses, s.one().KnockLimit = "visitor", limit(t, "1"), 2
	e := s.engine(t)
	first := s.now
	again := func(n int) string { // with other sources and numbers of packets: none is a copy
		s.now = first.Add(time.Duration(n) * time.Hour)
		var all []Decision
		for i, p := range []uint16{1001, 1002} {
			ev := s.syn(10*n+i, p)
			all = append(all, e.Decide(ev.Time, ev))
		}
		return shows(all)
	}
	for i, want := range []string{"ignore; knock.granted 192.0.2.7 tcp/22 until +32", "ignore; knock.uses", "ignore; knock.uses"} {
		if got := again(i); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	e.TakeUses(schedule.Counts{Uses: map[string]schedule.Count{"visitor": {Resets: 1}}})
	if got := again(3); !strings.Contains(got, "knock.granted") {
		t.Errorf("after a reset, with one use of KNOCK_LIMIT left: %s", got)
	}
}

// TestExplainTimes: the stages are in the trace where the stanza asks for them, and explaining
// is no use.
func TestExplainTimes(t *testing.T) {
	s := plain()
	s.one().Name, s.one().Uses, s.one().Windows = "visitor", limit(t, "1"), s.around(t, time.Hour, 10*time.Minute)
	e := s.engine(t)
	ev := s.event(s.wire(t))
	var stages string
	for range 3 {
		tr := e.Explain(s.now, ev)
		stages = ""
		for _, c := range tr.Stanzas[0].Checks {
			if c.Name == "window" || c.Name == "uses" {
				stages += c.Name + ": " + c.Detail.Text + "\n"
			}
		}
		if tr.Decision.Verdict != Allow {
			t.Errorf("%+v", tr)
		}
	}
	if !strings.Contains(stages, "window: daily ") || !strings.Contains(stages, ", open until ") || !strings.Contains(stages, "uses: use 1 of 1 in all, counted from zero") {
		t.Errorf("stages:\n%s", stages)
	}
	off := stanzaAt(9)
	opts := Options{Server: &s.server, Access: &conf.Access{Stanzas: s.stanzas, Off: []conf.Stanza{off}}, Store: replay.NewMemory(replay.Options{})}
	e, err := NewEngine(opts)
	if err != nil {
		t.Fatal(err)
	}
	tr := e.Explain(s.now, ev)
	if n := len(tr.Stanzas); n != 2 || tr.Stanzas[1].Checks[0].Detail.Text != "the stanza is off (ENABLED N)" {
		t.Errorf("%+v", tr)
	}
	if plainTrace := plain().engine(t).Explain(s.now, ev); len(plainTrace.Stanzas[0].Checks) == 0 || strings.Contains(names(plainTrace), "window") {
		t.Errorf("a stanza without: %s", names(plainTrace))
	}
}

func names(tr Trace) string {
	var words []string
	for _, st := range tr.Stanzas {
		for _, c := range st.Checks {
			words = append(words, c.Name)
		}
	}
	return strings.Join(words, " ")
}

// TestUsesOfTheMonitor: what the monitor did not open is no use, although the engine granted it.
func TestUsesOfTheMonitor(t *testing.T) {
	s := plain()
	s.one().Name, s.one().Uses = "visitor", limit(t, "2")
	e := s.engine(t)
	for range 2 {
		if got := s.again(t, e, s.now); got != "spa.granted" {
			t.Fatal(got)
		}
	}
	e.TakeUses(schedule.Counts{Uses: map[string]schedule.Count{"visitor": {Total: 1}}})
	for _, want := range []string{"spa.granted", "spa.uses granted 2 in all"} {
		if got := s.again(t, e, s.now); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestUsesOfShadowStanzas: they are counted apart from what the monitor counts, and are no uses
// of the stanza when it is a shadow stanza no longer.
func TestUsesOfShadowStanzas(t *testing.T) {
	s := plain()
	s.one().Name, s.one().Uses, s.one().Shadow = "visitor", limit(t, "1"), true
	old := s.engine(t)
	if got := s.again(t, old, s.now); got != "spa.granted" {
		t.Fatal(got)
	}
	old.TakeUses(schedule.Counts{})
	same := s.engine(t)
	same.Inherit(old)
	if got := s.again(t, same, s.now); got != "spa.uses granted 1 in all" {
		t.Errorf("as a shadow stanza, after a reload: %s", got)
	}
	s.stanzas = slices.Clone(s.stanzas)
	s.one().Shadow = false
	live := s.engine(t)
	live.Inherit(same)
	for _, want := range []string{"spa.granted", "spa.uses granted 1 in all"} {
		if got := s.again(t, live, s.now); got != want {
			t.Errorf("as a stanza like others: %s, want %s", got, want)
		}
	}
}
