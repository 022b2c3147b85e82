package command

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

// TestOutputIsWhole: what a program wrote before it ended is there, however late this process reads it, also
// where a child of the program holds the pipe.
func TestOutputIsWhole(t *testing.T) {
	const size = 60_000 // fits into a pipe
	for name, script := range map[string]string{
		"ends":          "exec head -c 60000 /dev/zero",
		"child":         "head -c 60000 /dev/zero; sleep 3 & echo >&2",
		"child writes":  "head -c 60000 /dev/zero; (while sleep 0.01; do echo more; done) & echo >&2",
		"both streams":  "head -c 60000 /dev/zero; head -c 10 /dev/zero >&2",
		"after a child": "(exec head -c 60000 /dev/zero)",
	} {
		for range 20 {
			text, err := Output(ctx, Command{Argv: []string{"sh", "-c", script}, MaxOutput: 1 << 20, delay: 1})
			if err != nil || len(text) < size || strings.Trim(text[:size], "\x00") != "" {
				t.Errorf("%s: %d bytes, %v, want %d", name, len(text), err, size)
				break
			}
		}
	}
}

func TestRunDoesNotWaitForWhatStays(t *testing.T) {
	got, err := Run(ctx, Command{Argv: []string{"/bin/sh", "-c", "sleep 5 & echo started"}})
	if err != nil || got.Output != "started\n" || got.Took > 3*time.Second || got.TimedOut {
		t.Errorf("%+v, %v", got, err)
	}
}

// A hanging program, one that holds its output open with a child, and one that ignores
// SIGTERM: Output returns in time and names the program.
func TestOutput(t *testing.T) {
	sh := func(script string) []string { return []string{"/bin/sh", "-c", script} }
	ended, cancel := context.WithCancel(ctx)
	cancel()
	for _, c := range []struct {
		name   string
		ctx    context.Context
		c      Command
		output string
		is     error
		text   string
	}{
		{"succeeds", ctx, Command{Argv: sh("echo a; echo b >&2")}, "a\n", nil, ""},
		{"reads", ctx, Command{Argv: []string{"cat"}, Stdin: "in\xff"}, "in\xff", nil, ""},
		{"in a directory", ctx, Command{Argv: []string{"pwd"}, Dir: "/usr"}, "/usr\n", nil, ""},
		{"does not read", ctx, Command{Argv: []string{"true"}, Stdin: strings.Repeat("x", 1<<20)}, "", nil, ""},
		{"fails", ctx, Command{Argv: sh("echo a; echo no such chain >&2; exit 3")}, "a\n", nil, "sh: exit status 3: no such chain"},
		{"killed by a signal", ctx, Command{Argv: sh("kill -9 $$")}, "", nil, "sh: ended by a signal"},
		{"prints too much", ctx, Command{Argv: sh("yes | head -c 1000000"), MaxOutput: 4}, "y\ny\n", ErrTooMuch, ""},
		{"hangs", ctx, Command{Argv: []string{"sleep", "60"}, Timeout: 50 * time.Millisecond}, "", ErrTimeout, "sleep 60: killed, it had not ended in time (50ms)"},
		{"ignores SIGTERM", ctx, Command{Argv: sh("trap '' TERM; echo a; sleep 60"), Timeout: time.Second, KillAtOnce: true}, "a\n", ErrTimeout, ""},
		{"a child holds its output", ctx, Command{Argv: sh("sleep 60 & echo a")}, "a\n", nil, ""},
		{"a child in a session of its own", ctx, Command{Argv: sh("setsid sleep 20 & sleep 60"), Timeout: time.Second, KillAtOnce: true}, "", ErrTimeout, ""},
		{"after the end", ended, Command{Argv: []string{"sleep", "60"}}, "", context.Canceled, ""},
		{"nothing", ctx, Command{}, "", ErrEmpty, ""},
		{"no such program", ctx, Command{Argv: []string{"/nowhere/x"}}, "", os.ErrNotExist, "run /nowhere/x: "},
	} {
		begin := time.Now()
		got, err := Output(c.ctx, c.c)
		failed := c.is != nil || c.text != ""
		if got != c.output || (err != nil) != failed || c.is != nil && !errors.Is(err, c.is) || err != nil && !strings.HasPrefix(err.Error(), c.text) {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
		if took := time.Since(begin); took > 15*time.Second {
			t.Errorf("%s: took %v", c.name, took)
		}
	}
	ending, cancel := context.WithCancel(ctx)
	_, err := Output(ending, Command{Argv: []string{"sleep", "60"}, Started: func(int) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled while it runs: %v", err)
	}
}

// KillAll kills what runs, with its children, what is started after it, and what was
// added with OnKillAll and not removed.
func TestKillAll(t *testing.T) {
	defer func() { running.killed = false }()
	var killed []string
	defer OnKillAll(func() { killed = append(killed, "added") })()
	OnKillAll(func() { killed = append(killed, "removed") })()
	file := filepath.Join(t.TempDir(), "pids")
	started, ended := make(chan struct{}), make(chan Result, 1)
	script := Command{Argv: []string{"/bin/sh", "-c", `trap '' TERM; sleep 60 & echo $! $$ > "$1"; wait; sleep 60`, "sh", file}, Timeout: time.Minute}
	script.Started = func(int) { close(started) }
	go func() {
		r, _ := Run(ctx, script)
		ended <- r
	}()
	<-started
	wait.For(t, "the script", func() bool { text, _ := os.ReadFile(file); return len(text) > 0 })
	KillAll()
	if r := <-ended; r.Status != -1 || r.TimedOut {
		t.Errorf("%+v", r)
	}
	pids, _ := os.ReadFile(file)
	for _, word := range strings.Fields(string(pids)) {
		pid, _ := strconv.Atoi(word)
		wait.For(t, "the end of process "+word, func() bool { return !alive(pid) })
	}
	if r, err := Run(ctx, Command{Argv: []string{"sleep", "60"}}); err != nil || r.Status != -1 {
		t.Errorf("started later: %+v, %v", r, err)
	}
	OnKillAll(func() { killed = append(killed, "late") })()
	if !slices.Equal(killed, []string{"added", "late"}) {
		t.Errorf("called %q", killed)
	}
	if len(running.funcs) != 1 { // the one added above
		t.Errorf("%d still registered", len(running.funcs))
	}
}
