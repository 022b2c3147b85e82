// Package command runs one program with bounds: as a chosen user, without a
// shell, in a plain environment, for a limited time after which its whole process
// group is killed, and with a limited part of its output kept. A child that outlives
// the program and holds its output open does not delay the result.
//
// Entry points: [Run], and [Output] for a program whose output is wanted and whose
// failure is an error.
package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A Command is a program to run.
type Command struct {
	Argv        []string      // a name without a slash is searched in PATH of Environment
	User, Group string        // names or numbers; "": those of this process
	Environment []string      // nil: [Plain]
	Timeout     time.Duration // 0: 30 s
	MaxOutput   int           // bytes to keep; 0: 4096
	Dir         string        // "": /
	Stdin       string
	Files       []*os.File    // descriptors from 3 on
	KillAtOnce  bool          // on a timeout: SIGKILL without SIGTERM before it
	Started     func(pid int) // may be nil

	delay time.Duration // 0: outputDelay
}

// A Result is how a program ended.
type Result struct {
	Status   int    // exit status; -1 if a signal ended it
	Output   string // beginning of what it wrote, both streams as they came; not valid UTF-8 is replaced
	Cut      bool   // it wrote more
	TimedOut bool
	Took     time.Duration
}

// Plain is the default environment.
var Plain = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}

const (
	defaultOutput  = 4096
	defaultTimeout = 30 * time.Second
	killDelay      = 2 * time.Second        // from TERM to KILL
	cancelDelay    = time.Second            // the same when the context ends
	outputDelay    = 200 * time.Millisecond // for output that a surviving child still holds open
)

func (c *Command) timeout() time.Duration {
	if c.Timeout <= 0 {
		return defaultTimeout
	}
	return c.Timeout
}

func (c *Command) outputDelay() time.Duration { return cmp.Or(c.delay, outputDelay) }

// ErrEmpty is a command without a program.
var ErrEmpty = errors.New("empty command")

// Run runs c and waits for its end. The error is that it could not be started; failure
// and timeout of the program are in the Result. When ctx ends, the program is killed as
// on a timeout.
func Run(ctx context.Context, c Command) (Result, error) {
	out := newPrefixBuffer(c.MaxOutput)
	result, err := run(ctx, c, out, out)
	result.Output, result.Cut = strings.ToValidUTF8(out.String(), "\uFFFD"), out.cut
	return result, err
}

// run runs c and returns the result without its output. When it returns, nothing is
// written to stdout and stderr any more.
func run(ctx context.Context, c Command, stdout, stderr *prefixBuffer) (Result, error) {
	wait, err := start(ctx, c, stdout, stderr)
	if err != nil {
		return Result{}, err
	}
	return wait(), nil
}

// start starts c, whose time begins, and returns what waits for its end. That has to be called.
func start(ctx context.Context, c Command, stdout, stderr *prefixBuffer) (wait func() Result, err error) {
	cmd, err := prepare(c)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	streams, err := connect(cmd, stdout, stderr)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	err = cmd.Start()
	closeEnds(cmd)
	if err != nil {
		endAll(streams, begin)
		return nil, err
	}
	ended := running.add(func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	if c.Started != nil {
		c.Started(cmd.Process.Pid)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer ended()
		cmd.Wait() // its error is in ProcessState, or about input that was not read
		endAll(streams, time.Now().Add(c.outputDelay()))
	}()
	limit := time.NewTimer(c.timeout())
	return func() Result {
		defer limit.Stop()
		timedOut := waitOrKill(ctx, cmd.Process.Pid, c, limit, done)
		return Result{Status: cmd.ProcessState.ExitCode(), TimedOut: timedOut, Took: time.Since(begin)}
	}, nil
}

func prepare(c Command) (*exec.Cmd, error) {
	if len(c.Argv) == 0 || c.Argv[0] == "" {
		return nil, ErrEmpty
	}
	env := c.Environment
	if env == nil {
		env = Plain
	}
	path, err := lookPath(c.Argv[0], env)
	if err != nil {
		return nil, err
	}
	cred, err := credential(c.User, c.Group)
	if err != nil {
		return nil, err
	}
	cmd := &exec.Cmd{
		Path: path, Args: c.Argv, Env: env, Dir: cmp.Or(c.Dir, "/"), WaitDelay: outputDelay,
		ExtraFiles: c.Files, SysProcAttr: &syscall.SysProcAttr{Setpgid: true, Credential: cred},
	}
	if c.Stdin != "" {
		cmd.Stdin = strings.NewReader(c.Stdin)
	}
	return cmd, nil
}

// lookPath finds a program in PATH of env, not of this process.
func lookPath(name string, env []string) (string, error) {
	if strings.ContainsRune(name, '/') {
		return name, nil
	}
	for _, v := range env {
		dirs, ok := strings.CutPrefix(v, "PATH=")
		if !ok {
			continue
		}
		for _, dir := range filepath.SplitList(dirs) {
			path := filepath.Join(dir, name)
			if info, err := os.Stat(path); filepath.IsAbs(path) && err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("%s: %w", name, exec.ErrNotFound)
}

// waitOrKill waits for the end of the process. At the limit, or when ctx ends, it kills the
// process group.
func waitOrKill(ctx context.Context, group int, c Command, limit *time.Timer, done <-chan struct{}) (timedOut bool) {
	delay := killDelay
	select { // the number of a process that has ended may be that of another
	case <-done:
		return false
	default:
	}
	select {
	case <-done:
		return false
	case <-limit.C:
	case <-ctx.Done():
		delay = cancelDelay
	}
	if !c.KillAtOnce {
		syscall.Kill(-group, syscall.SIGTERM)
		limit.Reset(delay)
		select {
		case <-done:
		case <-limit.C:
		}
	}
	syscall.Kill(-group, syscall.SIGKILL)
	<-done
	return true
}
