package external

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/command"
	"fwknopd/enforce/journal"
)

var ctx = context.Background()

// A place has a log that commands write to, and a journal.
type place struct{ log, journal string }

func newPlace(t *testing.T) place {
	t.Helper()
	dir := t.TempDir()
	return place{filepath.Join(dir, "log"), filepath.Join(dir, "journal")}
}

func (p place) open(t *testing.T) *Enforcer {
	t.Helper()
	e, err := New(Config{Journal: p.journal})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// grant logs "open SRC" and "close SRC".
func (p place) grant(n byte, end time.Time) enforce.Grant {
	src := netip.AddrFrom4([4]byte{192, 0, 2, n})
	say := func(what string) []string {
		return []string{"/bin/sh", "-c", `echo "$1 $2" >> "$0"`, p.log, what, src.String()}
	}
	return enforce.Grant{Src: src, Stanza: 3, User: "alice", Expires: end,
		External: &enforce.External{Open: say("open"), Close: say("close"), Timeout: 5 * time.Second}}
}

func (p place) said(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(p.log)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", ", ")
}

func list(t *testing.T, e *Enforcer) []enforce.Grant {
	t.Helper()
	gs, err := e.List(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return gs
}

func TestOpenAndClose(t *testing.T) {
	p := newPlace(t)
	e := p.open(t)
	end := time.Now().Add(time.Minute).Round(0)
	g, longer := p.grant(7, end), p.grant(7, end.Add(time.Minute))
	for _, g := range []enforce.Grant{g, longer, g} {
		if err := e.Apply(ctx, g); err != nil {
			t.Fatal(err)
		}
	}
	if got := list(t, e); len(got) != 1 || !got[0].Expires.Equal(longer.Expires) {
		t.Errorf("List = %+v", got)
	}
	for range 2 {
		if err := e.Revoke(ctx, g); err != nil {
			t.Fatal(err)
		}
	}
	if got := p.said(t); got != "open 192.0.2.7, close 192.0.2.7" {
		t.Errorf("ran: %s", got)
	}
	if got := list(t, e); len(got) != 0 {
		t.Errorf("List = %+v", got)
	}
}

// TestCrash: what the journal says is open after a crash can be closed, with its
// end as it was extended last.
func TestCrash(t *testing.T) {
	p := newPlace(t)
	e := p.open(t)
	end := time.Now().Add(time.Minute).Round(0)
	for n := range byte(3) {
		if err := e.Apply(ctx, p.grant(n, end)); err != nil {
			t.Fatal(err)
		}
	}
	e.Apply(ctx, p.grant(1, end.Add(time.Hour)))
	e.Revoke(ctx, p.grant(2, end))
	e.Close()
	e = p.open(t)
	got := list(t, e)
	if len(got) != 2 || !got[0].Expires.Equal(end) || !got[1].Expires.Equal(end.Add(time.Hour)) || got[0].User != "alice" {
		t.Fatalf("List = %+v", got)
	}
	for _, g := range got {
		if err := e.Revoke(ctx, g); err != nil {
			t.Fatal(err)
		}
	}
	if got := p.said(t); !strings.HasSuffix(got, "close 192.0.2.2, close 192.0.2.0, close 192.0.2.1") {
		t.Errorf("ran: %s", got)
	}
	e.Close()
	if got := list(t, p.open(t)); len(got) != 0 {
		t.Errorf("List = %+v", got)
	}
}

// TestKilled does it with a process that is killed while its opening command
// runs: the journal is written before.
func TestKilled(t *testing.T) {
	if path := os.Getenv("EXTERNAL_TEST_JOURNAL"); path != "" {
		e, err := New(Config{Journal: path})
		if err != nil {
			t.Fatal(err)
		}
		p := place{log: os.Getenv("EXTERNAL_TEST_LOG")}
		g := p.grant(7, time.Now().Add(time.Minute))
		g.External.Open = []string{"/bin/sh", "-c", fmt.Sprintf("echo open >> %s; kill -9 %d", p.log, os.Getpid())}
		e.Apply(ctx, g)
		return
	}
	p := newPlace(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), "EXTERNAL_TEST_JOURNAL="+p.journal, "EXTERNAL_TEST_LOG="+p.log)
	if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("the process was not killed: %v", cmd.ProcessState)
	}
	e := p.open(t)
	got := list(t, e)
	if len(got) != 1 {
		t.Fatalf("List = %+v", got)
	}
	if err := e.Revoke(ctx, got[0]); err != nil {
		t.Fatal(err)
	}
	if got := p.said(t); got != "open, close 192.0.2.7" {
		t.Errorf("ran: %s", got)
	}
}

func TestFailures(t *testing.T) {
	p := newPlace(t)
	e := p.open(t)
	end := time.Now().Add(time.Minute)
	try := func(n byte, open []string) error {
		g := p.grant(n, end)
		g.External.Open, g.External.Timeout = open, 200*time.Millisecond
		return e.Apply(ctx, g)
	}
	for n, c := range []struct {
		open    []string
		want    error
		pending int
	}{
		{[]string{"/bin/false"}, ErrFailed, 1},
		{[]string{"/bin/sleep", "10"}, errTimeout, 2},
		{[]string{"/no/such/program"}, os.ErrNotExist, 2},
		{nil, errNone, 2},
	} {
		if err := try(byte(n), c.open); !errors.Is(err, c.want) {
			t.Errorf("%q: %v, want %v", c.open, err, c.want)
		}
		if got := len(list(t, e)); got != c.pending {
			t.Errorf("%q: %d pending, want %d", c.open, got, c.pending)
		}
	}
	g := p.grant(9, end)
	g.External.Close = []string{"/bin/sh", "-c", `test -e "$0" && exit; touch "$0"; exit 1`, p.log + ".once"}
	if err := e.Apply(ctx, g); err != nil {
		t.Fatal(err)
	}
	if err := e.Revoke(ctx, g); !errors.Is(err, ErrFailed) {
		t.Errorf("first close: %v, want %v", err, ErrFailed)
	}
	if err := e.Revoke(ctx, g); err != nil || len(list(t, e)) != 2 {
		t.Errorf("second close: %v, %d pending", err, len(list(t, e)))
	}
}

// TestNothingToClose: a grant without a closing command ends by being forgotten.
func TestNothingToClose(t *testing.T) {
	p := newPlace(t)
	e := p.open(t)
	g := p.grant(7, time.Now().Add(time.Minute))
	g.External.Close = nil
	if err := e.Apply(ctx, g); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(p.journal); len(text) != 0 {
		t.Errorf("journal holds %q", text)
	}
	if err := e.Revoke(ctx, g); err != nil || len(list(t, e)) != 0 || p.said(t) != "open 192.0.2.7" {
		t.Errorf("%v, ran: %s", err, p.said(t))
	}
}

func TestJournalBroken(t *testing.T) {
	p := newPlace(t)
	e := p.open(t)
	e.Apply(ctx, p.grant(1, time.Now().Add(time.Minute)))
	e.Close()
	f, _ := os.OpenFile(p.journal, os.O_APPEND|os.O_WRONLY, 0)
	f.WriteString("junk\n{\"open\":{\"Src\":\"192.0.2.9\"}}\n{\"open\":{\"Src\":\"192.0")
	f.Close()
	e = p.open(t)
	if got := list(t, e); len(got) != 1 || len(e.Notes()) != 2 {
		t.Errorf("%d pending, notes %q", len(got), e.Notes())
	}
	if _, err := New(Config{Journal: p.journal}); err == nil {
		t.Error("a second one opened the journal")
	}
	e.Close()
	os.Chmod(p.journal, 0o666)
	if _, err := New(Config{Journal: p.journal}); !errors.Is(err, journal.ErrForeign) {
		t.Errorf("%v, want %v", err, journal.ErrForeign)
	}
	os.Remove(p.journal)
	os.Symlink("/dev/null", p.journal)
	if _, err := New(Config{Journal: p.journal}); err == nil {
		t.Error("a symbolic link was followed")
	}
}

// TestJournalFails: nothing is opened that could not be written down.
func TestJournalFails(t *testing.T) {
	p := newPlace(t)
	e := p.open(t)
	e.journal.Close()
	if err := e.Apply(ctx, p.grant(1, time.Now().Add(time.Minute))); err == nil || p.said(t) != "" || len(list(t, e)) != 0 {
		t.Errorf("%v, ran: %s", err, p.said(t))
	}
}

// TestJournalStaysSmall: a long life does not make a long file.
func TestJournalStaysSmall(t *testing.T) {
	p := newPlace(t)
	e := p.open(t)
	keep := p.grant(1, time.Now().Add(time.Hour))
	if _, err := e.recordOpen(keep); err != nil {
		t.Fatal(err)
	}
	for n := range 1500 {
		g := p.grant(2, time.Now().Add(time.Duration(n)*time.Second))
		if _, err := e.recordOpen(g); err != nil {
			t.Fatal(err)
		}
		if err := e.recordClosed(g); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(p.journal)
	if lines := strings.Count(string(text), "\n"); err != nil || lines > 1010 {
		t.Errorf("%d lines, %v", lines, err)
	}
	e.Close()
	if got := list(t, p.open(t)); len(got) != 1 || got[0].Key() != keep.Key() {
		t.Errorf("List = %+v", got)
	}
}

func TestRan(t *testing.T) {
	p := newPlace(t)
	var mu sync.Mutex
	var got []string
	e, err := New(Config{Ran: func(g enforce.Grant, opening bool, r command.Result, err error) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, fmt.Sprintf("%v %v %d %s %v", g.Src, opening, r.Status, r.Output, err))
	}})
	if err != nil {
		t.Fatal(err)
	}
	g := p.grant(7, time.Time{})
	g.External.Open = []string{"/bin/echo", "-n", "done"}
	if err := errors.Join(e.Apply(ctx, g), e.Revoke(ctx, g), e.Close()); err != nil {
		t.Fatal(err)
	}
	if want := []string{"192.0.2.7 true 0 done <nil>", "192.0.2.7 false 0  <nil>"}; strings.Join(got, ";") != strings.Join(want, ";") {
		t.Errorf("told %q, want %q", got, want)
	}
}
