package command

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fwknopd/fixtures/wait"
)

var ctx = context.Background()

func TestRun(t *testing.T) {
	for _, c := range []struct {
		name   string
		c      Command
		status int
		output string
	}{
		{"succeeds", Command{Argv: []string{"true"}}, 0, ""},
		{"fails", Command{Argv: []string{"/bin/sh", "-c", "exit 3"}}, 3, ""},
		{"both streams", Command{Argv: []string{"/bin/sh", "-c", "echo a; echo b >&2"}}, 0, "a\nb\n"},
		{"one argument stays one", Command{Argv: []string{"printf", "%s.", "a b", "$(id)", ";"}}, 0, "a b.$(id).;."},
		{"directory", Command{Argv: []string{"pwd"}}, 0, "/\n"},
		{"environment", Command{Argv: []string{"/usr/bin/env"}}, 0, strings.Join(Plain, "\n") + "\n"},
		{"no input", Command{Argv: []string{"cat"}}, 0, ""},
		{"not text", Command{Argv: []string{"printf", `a\377b`}}, 0, "a\uFFFDb"},
	} {
		got, err := Run(ctx, c.c)
		if err != nil || got.Status != c.status || got.Output != c.output || got.TimedOut || got.Cut {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
}

func TestRunCannotStart(t *testing.T) {
	for _, c := range []struct {
		name string
		c    Command
		want error
	}{
		{"nothing", Command{}, ErrEmpty},
		{"no such program", Command{Argv: []string{"no-such-program"}}, exec.ErrNotFound},
		{"not in the PATH given", Command{Argv: []string{"true"}, Environment: []string{"PATH=/nowhere"}}, exec.ErrNotFound},
		{"no such file", Command{Argv: []string{"/nowhere/x"}}, os.ErrNotExist},
		{"end byte", Command{Argv: []string{"printf", "a\x00b"}}, syscall.EINVAL},
	} {
		if _, err := Run(ctx, c.c); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	for _, c := range []Command{{Argv: []string{"true"}, User: "no-such-user"}, {Argv: []string{"true"}, Group: "no-such-group"}} {
		if _, err := Run(ctx, c); err == nil {
			t.Errorf("%+v ran", c)
		}
	}
}

func TestRunOutputIsBounded(t *testing.T) {
	got, err := Run(ctx, Command{Argv: []string{"/bin/sh", "-c", "yes | head -c 1000000"}, MaxOutput: 10})
	if err != nil || got.Output != "y\ny\ny\ny\ny\n" || !got.Cut || got.Status != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestRunAs(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	for _, c := range []struct{ user, group, want string }{
		{"nobody", "", "65534 65534 65534"},
		{"nobody", "daemon", "65534 1 65534"},
		{"", "daemon", "0 1 "},
		{"", "nobody", "0 65534 "}, // a user: its primary group
		{"nobody", "root", "65534 0 65534"},
		{"65534", "1", "65534 1 65534"},
	} {
		got, err := Run(ctx, Command{Argv: []string{"/bin/sh", "-c", `echo $(id -u) $(id -g) $(grep Groups /proc/self/status | cut -f2)`}, User: c.user, Group: c.group})
		if text := strings.TrimSuffix(got.Output, "\n"); err != nil || strings.TrimSpace(text) != strings.TrimSpace(c.want) {
			t.Errorf("user %q group %q: %q, %v, want %q", c.user, c.group, text, err, c.want)
		}
	}
}

// TestRunKillsGroup: neither the program nor its children survive the timeout,
// also if they ignore TERM.
func TestRunKillsGroup(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pids")
	script := `trap '' TERM; sleep 60 & echo $! $$ > "$1"; wait; sleep 60`
	got, err := Run(ctx, Command{Argv: []string{"/bin/sh", "-c", script, "sh", file}, Timeout: 300 * time.Millisecond})
	if err != nil || !got.TimedOut || got.Status != -1 {
		t.Fatalf("%+v, %v", got, err)
	}
	pids, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range strings.Fields(string(pids)) {
		pid, _ := strconv.Atoi(word)
		wait.For(t, "the end of process "+word, func() bool { return !alive(pid) })
	}
}

// alive does not count what is dead and waits for init.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func TestRunDoesNotWaitForWhatStays(t *testing.T) {
	got, err := Run(ctx, Command{Argv: []string{"/bin/sh", "-c", "sleep 5 & echo started"}})
	if err != nil || got.Output != "started\n" || got.Took > 3*time.Second || got.TimedOut {
		t.Errorf("%+v, %v", got, err)
	}
}
