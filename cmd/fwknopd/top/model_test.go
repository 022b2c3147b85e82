package top

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
	"fwknopd/fixtures/golden"
)

var now = time.Date(2026, 11, 27, 9, 40, 0, 0, time.UTC)

// A fake is a daemon in the test.
type fake struct {
	status  report.Status
	grants  []enforce.Grant
	err     error
	lists   int
	revoked []string
	follows chan func(take func([][]byte)) error // what each Follow does
}

func (f *fake) Status() (*report.Status, error) {
	s := f.status
	return &s, f.err
}

func (f *fake) Grants() ([]enforce.Grant, report.Titles, error) {
	f.lists++
	return f.grants, report.Titles{3: {Title: "stanza alice (access.conf:3)", Name: "alice"}}, f.err
}

func (f *fake) Revoke(key string) error {
	f.revoked = append(f.revoked, key)
	f.grants = slices.DeleteFunc(f.grants, func(g enforce.Grant) bool { return g.Key() == key })
	f.status.Grants = len(f.grants)
	return f.err
}

func (f *fake) Follow(ctx context.Context, _ int, take func([][]byte)) error {
	select {
	case do := <-f.follows:
		return do(take)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// newFake returns a daemon with three grants and two sources.
func newFake() *fake {
	f := &fake{status: report.Status{Running: true, PID: 812, WorkerPID: 813, Version: "0.1.0", UptimeS: 273_600, Grants: 3,
		Firewall: report.FirewallStatus{Type: "nftables"},
		Counters: &report.Counters{RateLimited: 4, Sources: []report.SourceState{
			{Name: "eth0", Records: 120_000, Events: 240, NotOurs: 119_750, Malformed: 10, Lost: 0},
			{Name: "/var/log/kern.log", Records: 800, Events: 790, NotOurs: 10},
		}}}}
	add := func(src, user string, left time.Duration, stanza int, ports ...enforce.Port) {
		g := enforce.Grant{Src: netip.MustParseAddr(src), Ports: ports, Stanza: stanza, User: user}
		if left > 0 {
			g.Expires = now.Add(left)
		}
		f.grants = append(f.grants, g)
	}
	add("192.0.2.7", "alice", 20*time.Second, 3, enforce.Port{Proto: 6, Number: 22})
	add("2001:db8::7", "", 26*time.Hour, 9, enforce.Port{Proto: 6, Number: 443}, enforce.Port{Proto: 17, Number: 51820})
	add("198.51.100.9", "\x1b[31mmallory", 0, 3, enforce.Port{Proto: 6, Number: 22})
	f.grants[2].NAT = &enforce.NAT{Target: netip.MustParseAddrPort("10.0.0.5:80")}
	return f
}

// object returns a decision in the event log. more are further members.
func object(after time.Duration, verdict, reason, src, more string) []byte {
	return fmt.Appendf(nil, `{"v":1,"timestamp":%q,"event_type":"decision","verdict":%q,"reason":%q,"src_ip":%q%s}`,
		now.Add(after).Format(time.RFC3339Nano), verdict, reason, src, more)
}

var history = [][]byte{
	object(-90*time.Second, "refused", "no_stanza", "203.0.113.5", ""),
	object(-70*time.Second, "refused", "spa.replay", "203.0.113.5", `,"stanza":3,"stanza_name":"alice","user":"bob","detail":{"first_seen":"2026-11-27T09:30:00Z","first_src":"192.0.2.7"}`),
	object(-40*time.Second, "granted", "spa.granted", "192.0.2.7", `,"stanza":3,"stanza_name":"alice","user":"alice","grant":{"src":"192.0.2.7","ports":["tcp/22"],"expires":"2026-11-27T09:40:20Z"}`),
	[]byte(`{"v":1,"timestamp":"2026-11-27T09:39:20.1Z","event_type":"grant","verdict":"granted","stanza":3,"stanza_name":"alice","user":"alice","src_ip":"192.0.2.7","grant":{"src":"192.0.2.7","ports":["tcp/22"],"expires":"2026-11-27T09:40:20Z"}}`),
	object(-30*time.Second, "refused", "spa.stale", "2001:db8:1:2:3:4:5:6", `,"stanza":9,"user":"\u001b]0;owned\u0007","detail":{"age_s":600,"max_age_s":120}`),
	[]byte(`{"v":1,"timestamp":"2026-11-27T09:39:50Z","event_type":"suppressed","verdict":"refused","count":41,"sources":3,"reasons":{"spa.hmac_mismatch":41}}`),
}

// started returns a model that has asked a daemon once, with events.
func started(t *testing.T, f *fake, width, height int) *model {
	t.Helper()
	m := newModel(f, time.UTC)
	s, _ := f.Status()
	send(m, tea.WindowSizeMsg{Width: width, Height: height}, statusMsg{status: s, at: now}, eventsMsg(history))
	list, titles, _ := f.Grants()
	send(m, grantsMsg{list, titles, nil, now})
	return m
}

// send sends messages, none of them a tick, and what the commands that they lead to return.
func send(m *model, msgs ...tea.Msg) {
	for _, msg := range msgs {
		_, cmd := m.Update(msg)
		send(m, results(cmd)...)
	}
}

// results runs a command.
func results(cmd tea.Cmd) (list []tea.Msg) {
	if cmd == nil {
		return nil
	}
	switch msg := cmd().(type) {
	case nil:
	case tea.BatchMsg:
		for _, c := range msg {
			list = append(list, results(c)...)
		}
	default:
		list = append(list, msg)
	}
	return list
}

// press presses keys: names, or letters.
func press(m *model, names ...string) {
	special := map[string]rune{"up": tea.KeyUp, "down": tea.KeyDown, "enter": tea.KeyEnter, "tab": tea.KeyTab, "esc": tea.KeyEscape,
		"delete": tea.KeyDelete, "backspace": tea.KeyBackspace, "end": tea.KeyEnd, "home": tea.KeyHome, "pgdown": tea.KeyPgDown, "pgup": tea.KeyPgUp}
	for _, name := range names {
		if code, ok := special[name]; ok {
			send(m, tea.KeyPressMsg{Code: code})
			continue
		}
		for _, r := range name {
			send(m, tea.KeyPressMsg{Code: r, Text: string(r)})
		}
	}
}

// screen returns the view as plain text, and fails if it does not fit.
func screen(t *testing.T, m *model) string {
	t.Helper()
	m.painted = ""
	text := ansi.Strip(m.View().Content)
	lines := strings.Split(text, "\n")
	if len(lines) > m.height {
		t.Errorf("%d lines in %d:\n%s", len(lines), m.height, text)
	}
	for i, line := range lines {
		if n := ansi.StringWidth(line); n > m.width {
			t.Errorf("line of %d in %d: %s", n, m.width, line)
		}
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

// TestViews compares screens with golden files; top.txt is the picture of the README.
func TestViews(t *testing.T) {
	second := func(m *model, f *fake) {
		f.status.Counters = &report.Counters{RateLimited: 4, Sources: []report.SourceState{
			{Name: "eth0", Records: 121_500, Events: 243, NotOurs: 121_247, Malformed: 10, Lost: 2},
			{Name: "/var/log/kern.log", Records: 801, Events: 790, NotOurs: 11},
		}}
		m.takeEvents([][]byte{object(900*time.Millisecond, "refused", "spa.port", "203.0.113.77", `,"stanza":3,"stanza_name":"alice","user":"alice","detail":{"port":"tcp/3306"}`)})
		m.poll(now.Add(time.Second))
		s, _ := f.Status()
		m.takeStatus(statusMsg{status: s, at: now.Add(time.Second)})
	}
	for _, tt := range []struct {
		file          string
		width, height int
		do            func(*model, *fake)
	}{
		{"top", 100, 24, second},
		{"small", 40, 12, second},
		{"smallgrants", 40, 12, func(m *model, f *fake) { second(m, f); press(m, "tab", "tab") }},
		{"explained", 80, 24, func(m *model, f *fake) { second(m, f); press(m, "down", "down", "enter") }},
		{"grant", 80, 24, func(m *model, f *fake) { second(m, f); press(m, "tab", "tab", "end", "enter") }},
		{"revoking", 80, 24, func(m *model, f *fake) { second(m, f); press(m, "tab", "tab", "down", "r") }},
		{"filter", 80, 24, func(m *model, f *fake) { second(m, f); press(m, "/Alice", "enter") }},
		{"help", 80, 24, func(m *model, f *fake) { second(m, f); press(m, "?") }},
		{"gone", 80, 24, func(m *model, _ *fake) {
			m.Update(linkMsg{errors.New("no running fwknopd detected (/run/fwknop/fwknopd.pid)")})
		}},
		{"trouble", 80, 24, func(m *model, f *fake) {
			f.status.Firewall.Error, f.status.Firewall.ErrorTime = "nft: \x1b[2J busy", now
			f.status.Restarts, f.status.WorkerPID, f.status.Counters, f.status.LastEnd = 2, 900, nil, "exit status 2"
			m.takeStatus(statusMsg{status: &f.status, at: now})
			m.takeEvents([][]byte{[]byte(`{"v":1,"timestamp":"2026-11-27T09:40:00Z","event_type":"monitor","verdict":"lost","count":7}`)})
		}},
	} {
		t.Run(tt.file, func(t *testing.T) {
			f := newFake()
			m := started(t, f, tt.width, tt.height)
			tt.do(m, f)
			golden.Compare(t, "testdata/"+tt.file+".txt", []byte(screen(t, m)))
		})
	}
}

// README shows the view as it is.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	view, err := os.ReadFile("testdata/top.txt")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "```\n"+string(view)+"```\n") {
		t.Error("README does not show testdata/top.txt")
	}
}

// Whatever the size, the view fits into it, in every state.
func TestSizes(t *testing.T) {
	for _, keys := range [][]string{{}, {"tab"}, {"tab", "tab", "r"}, {"enter"}, {"?"}, {"/alice"}, {"p"}} {
		m := started(t, newFake(), 80, 24)
		press(m, keys...)
		for _, size := range [][2]int{{1, 1}, {2, 2}, {10, 3}, {20, 5}, {40, 12}, {59, 40}, {60, 21}, {80, 24}, {250, 70}} {
			send(m, tea.WindowSizeMsg{Width: size[0], Height: size[1]})
			screen(t, m)
		}
	}
}

// Nothing that packets or files bring reaches the terminal as a control sequence: those of the
// view set attributes alone.
func TestHostileText(t *testing.T) {
	f := newFake()
	f.status.Version, f.status.Counters.Sources[0].Name = "\x1b]0;x\x07", "eth\x1b[5A"
	m := started(t, f, 200, 50)
	for _, keys := range []string{"", "enter", "tab", "tab", "enter"} {
		press(m, keys)
		for part := range strings.SplitSeq(m.View().Content, "\x1b") {
			if part != "" && part[0] == '[' && strings.Trim(part[1:], "0123456789;") != "" && strings.TrimLeft(part[1:], "0123456789;")[0] != 'm' || strings.Contains(part, "\a") || strings.HasPrefix(part, "]") {
				t.Errorf("%q", part)
			}
		}
	}
}

// The user is asked before a grant is closed, which then disappears.
func TestRevoke(t *testing.T) {
	f := newFake()
	m := started(t, f, 100, 30)
	press(m, "r")
	if m.revoking != nil || !strings.Contains(screen(t, m), "tab to the grants") {
		t.Error("a grant is selected in the list of events")
	}
	press(m, "tab", "tab", "r", "n", "delete", "x", "delete", "esc")
	if len(f.revoked) != 0 || m.revoking != nil {
		t.Errorf("closed %q without a yes", f.revoked)
	}
	key := f.grants[1].Key() // the second to end
	press(m, "down", "r", "y")
	if !slices.Equal(f.revoked, []string{key}) || len(m.grants) != 2 || !strings.Contains(screen(t, m), "closed tcp/443,udp/51820 for 2001:db8::7\n") {
		t.Errorf("closed %q\n%s", f.revoked, screen(t, m))
	}
	f.err = errors.New("it is not open any more")
	press(m, "r", "y")
	if !strings.Contains(screen(t, m), "it is not open any more\n") {
		t.Error(screen(t, m))
	}
}

// The selection stays at its event while others come; at the top it is the newest one.
func TestSelection(t *testing.T) {
	m := started(t, newFake(), 100, 30)
	at := func(want string) {
		t.Helper()
		if e := m.shownEvents()[m.selected(eventPane)]; !strings.Contains(e.Line(), want) {
			t.Errorf("selected: %s, want %s", e.Line(), want)
		}
	}
	at("suppressed")
	press(m, "down")
	at("spa.stale")
	send(m, eventsMsg{object(0, "refused", "spa.port", "203.0.113.99", "")})
	at("spa.stale")
	press(m, "home")
	at("spa.port")
	send(m, eventsMsg{object(0, "refused", "spa.user", "203.0.113.99", "")})
	at("spa.user")
	press(m, "end", "down", "pgdown")
	at("no_stanza")
	press(m, "up")
	at("spa.replay")
	press(m, "/stale", "enter")
	at("spa.stale") // what was selected is not shown
	for range 2 * maxEvents {
		m.takeEvents([][]byte{object(0, "refused", "spa.stale", "203.0.113.99", "")})
	}
	at("spa.stale")
	if len(m.events) != maxEvents {
		t.Error(len(m.events))
	}
}

func TestFilter(t *testing.T) {
	m := started(t, newFake(), 100, 30)
	for filter, want := range map[string][2]int{"": {3, 6}, "192.0.2.7": {1, 3}, "ALICE": {2, 3}, "spa.": {0, 4}, "nothing": {0, 0}} {
		press(m, "esc", "/"+filter, "enter")
		if got := [2]int{len(m.shownGrants()), len(m.shownEvents())}; got != want {
			t.Errorf("%q: %v, want %v", filter, got, want)
		}
		screen(t, m)
	}
	press(m, "/x", "backspace", "backspace", "esc")
	if m.filter != "" || m.filtering {
		t.Error("escape keeps the filter")
	}
}

// A pause shows what was there; its end shows what has come meanwhile.
func TestPause(t *testing.T) {
	f := newFake()
	m := started(t, f, 100, 30)
	press(m, "p")
	before := screen(t, m)
	lists := f.lists
	if cmd := m.poll(now.Add(time.Minute)); cmd != nil {
		t.Error("asks in a pause")
	}
	send(m, eventsMsg{object(0, "refused", "spa.port", "203.0.113.99", "")})
	after := screen(t, m)
	if !strings.Contains(after, "paused, 1 new") || strings.Replace(after, "1 new", "0 new", 1) != before || f.lists != lists {
		t.Errorf("changed in a pause:\n%s", after)
	}
	press(m, "p")
	if !strings.Contains(screen(t, m), "spa.port") {
		t.Error("lost what came in the pause")
	}
}

// The grants are listed again only when an event or the status says that they have changed.
func TestListsWhenNeeded(t *testing.T) {
	f := newFake()
	m := started(t, f, 100, 30)
	tick := func() {
		for _, msg := range results(m.poll(m.now.Add(time.Second))) {
			send(m, msg)
		}
	}
	tick() // the events of the history
	lists := f.lists
	tick()
	tick()
	if f.lists != lists {
		t.Errorf("listed %d times for nothing", f.lists-lists)
	}
	send(m, eventsMsg{history[3]})
	tick()
	if f.lists != lists+1 {
		t.Error("not listed after an event")
	}
	f.grants, f.status.Grants = f.grants[:2], 2
	tick()
	tick()
	if f.lists != lists+2 || len(m.grants) != 2 {
		t.Error("not listed after the number has changed")
	}
	f.err = errors.New("hung up")
	tick()
	if !strings.Contains(screen(t, m), "hung up; waiting for it") {
		t.Error(screen(t, m))
	}
	f.err = nil
	tick()
	if strings.Contains(screen(t, m), "hung up") {
		t.Error(screen(t, m))
	}
}

// A bar is full at the opening, which the event tells, and empty at the end.
func TestBars(t *testing.T) {
	m := started(t, newFake(), 100, 30)
	g := m.grants[0]
	if g.full.Round(time.Second) != time.Minute { // by its event
		t.Error(g.full)
	}
	for after, want := range map[time.Duration]string{-40 * time.Second: "██████", 0: "███░░░", 19 * time.Second: "█░░░░░", 20 * time.Second: "░░░░░░", time.Hour: "░░░░░░"} {
		if _, part := g.left(now.Add(after)); bar(part, 6) != want {
			t.Errorf("%v: %s, want %s", after, bar(part, 6), want)
		}
	}
	if m.grants[1].full != 26*time.Hour { // as it was seen first
		t.Error(m.grants[1].full)
	}
	m.setGrants(newFake().grants, nil, now.Add(time.Hour))
	if m.grants[1].full != 26*time.Hour {
		t.Error("the bar grows again")
	}
	if m.grants[2].leftText(now) != "no end" || m.grants[1].leftText(now) != "1d2h" {
		t.Error("time left")
	}
}

// BenchmarkView is the cost of a change that is shown: at most three a second.
func BenchmarkView(b *testing.B) {
	f := newFake()
	m := newModel(f, time.UTC)
	m.Update(tea.WindowSizeMsg{Width: 120, Height: 50})
	m.takeStatus(statusMsg{status: &f.status, at: now})
	m.setGrants(f.grants, nil, now)
	for range maxEvents {
		m.takeEvents(history[1:2])
	}
	b.ReportAllocs()
	for b.Loop() {
		m.painted = ""
		m.View()
	}
}

// BenchmarkEvent is the cost of an event.
func BenchmarkEvent(b *testing.B) {
	m := newModel(newFake(), time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		m.takeEvents(history[1:2])
	}
}
