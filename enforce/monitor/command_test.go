package monitor

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fwknopd/enforce"
	"fwknopd/enforce/command"
	"fwknopd/enforce/quote"
	"fwknopd/fixtures/wait"
)

// ran waits for the next event about a command.
func ran(t testing.TB, events <-chan Event) Event {
	t.Helper()
	for {
		select {
		case ev := <-events:
			if ev.Kind == CommandRan || ev.Kind == Refused {
				return ev
			}
		case <-time.After(wait.Timeout):
			t.Fatal("no event")
		}
	}
}

// commands is a client of a monitor whose stanzas run commands by the limits.
func commands(t testing.TB, limits ...enforce.CommandLimit) (*Client, <-chan Event) {
	t.Helper()
	var policy Policy
	for i, l := range limits {
		policy.Limits.Stanzas = append(policy.Limits.Stanzas, enforce.Allowance{Stanza: i + 1, Commands: &l})
	}
	sudo := filepath.Join(t.TempDir(), "sudo")
	if err := os.WriteFile(sudo, []byte("#!/bin/sh\necho sudo \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	events := make(chan Event, 100)
	r := newRig(t, func(c *Config) {
		c.Policy, c.Sudo, c.Events = policy, sudo, func(ev Event) { events <- ev }
	})
	return pair(t, r), events
}

func TestCommands(t *testing.T) {
	c, events := commands(t,
		enforce.CommandLimit{},
		enforce.CommandLimit{Shell: true},
		enforce.CommandLimit{Sudo: true, SudoUser: "alice", SudoGroup: "wheel"},
		enforce.CommandLimit{Sudo: true, Shell: true},
		enforce.CommandLimit{Timeout: 200 * time.Millisecond},
		enforce.CommandLimit{Regexp: regexp.MustCompile(`^192\.0\.2\.7,echo [a-z]+$`)},
		enforce.CommandLimit{Sudo: true, SudoGroup: "nobody"}, // a user, whose group has another name
	)
	for _, k := range []struct {
		stanza int
		text   string
		status int
		output string
	}{
		{1, `echo "a b"  c`, 0, "a b c\n"},
		{1, `echo $(id) ; touch /x | y`, 0, "$(id) ; touch /x | y\n"},
		{1, `pwd`, 0, "/\n"},
		{1, `sh -c "exit 3"`, 3, ""},
		{2, `echo a; echo $((1+1))`, 0, "a\n2\n"},
		{3, `id -u "x y"`, 0, "sudo -n -u alice -g wheel -- id -u x y\n"},
		{3, `-s`, 0, "sudo -n -u alice -g wheel -- -s\n"},
		{4, `id; id`, 0, "sudo -n -- /bin/sh -c id; id\n"},
		{7, `id -g`, 0, "sudo -n -g nogroup -- id -g\n"},
		{5, `sleep 20`, -1, ""},
		{6, `echo hello`, 0, "hello\n"},
		{5, `yes`, -1, strings.Repeat("y\n", 2048)},
	} {
		cmd := Command{Stanza: k.stanza, Text: k.text, User: "alice", Src: "192.0.2.7"}
		if k.stanza == 6 {
			cmd.From = "192.0.2.7"
		}
		if err := c.Command(ctx, cmd); err != nil {
			t.Errorf("%q: %v", k.text, err)
			continue
		}
		ev := ran(t, events)
		if ev.Err != nil || ev.Command != cmd || ev.Result.Status != k.status || ev.Result.Output != k.output || ev.Result.TimedOut != (k.status < 0) {
			t.Errorf("%q: %+v", k.text, ev)
		}
	}
}

func TestCommandsRefused(t *testing.T) {
	c, events := commands(t, enforce.CommandLimit{Regexp: regexp.MustCompile(`^echo [a-z]+$`)}, enforce.CommandLimit{}, enforce.CommandLimit{User: "no-such-user"})
	for _, k := range []struct {
		stanza int
		text   string
		want   error
	}{
		{1, "echo a;id", enforce.ErrCommand},
		{2, `echo "a`, quote.ErrOpen},
		{2, `""`, command.ErrEmpty},
		{2, " ", command.ErrEmpty},
		{4, "id", enforce.ErrStanza},
	} {
		err := c.Command(ctx, Command{Stanza: k.stanza, Text: k.text})
		if ev := ran(t, events); !errors.Is(err, ErrRefused) || ev.Kind != Refused || !errors.Is(ev.Err, k.want) {
			t.Errorf("%q: %v, event %+v", k.text, err, ev)
		}
	}
	for text, stanza := range map[string]int{"id": 3, "no-such-program": 2} {
		if err := c.Command(ctx, Command{Stanza: stanza, Text: text}); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if ev := ran(t, events); ev.Kind != CommandRan || ev.Err == nil {
			t.Errorf("%q: %+v", text, ev)
		}
	}
}

// TestCommandsAreBounded: more at a time are refused, and grants go on.
func TestCommandsAreBounded(t *testing.T) {
	lock, err := os.Create(filepath.Join(t.TempDir(), "lock"))
	if err == nil {
		err = unix.Flock(int(lock.Fd()), unix.LOCK_EX) // the commands wait for it
	}
	if err != nil {
		t.Fatal(err)
	}
	c, events := commands(t, enforce.CommandLimit{Timeout: time.Hour})
	busy := 0
	for range maxCommands + 3 {
		if err := c.Command(ctx, Command{Stanza: 1, Text: "flock -s " + lock.Name() + " true"}); err != nil {
			busy++
		}
	}
	if busy != 3 {
		t.Errorf("%d refused, want 3", busy)
	}
	if err := c.Ready(ctx); err != nil { // meanwhile
		t.Error(err)
	}
	lock.Close()
	for range maxCommands + 3 {
		ran(t, events)
	}
}
