package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"

	"fwknopd/parse"
)

const (
	// journalRestart is how long to wait before journalctl is started again.
	journalRestart = time.Second
	// journalTimeout is how long it may take to find the last message.
	journalTimeout = 10 * time.Second
	// kernelMessages is the match for them: whatever others write, the journal notes
	// that they wrote it.
	kernelMessages = "_TRANSPORT=kernel"
)

// JournalOptions say how the journal is followed.
type JournalOptions struct {
	ReadOptions
	// Command is the program, "journalctl" if empty.
	Command string
	// Resume is where a former Journal stopped, from its State. The zero State: only
	// what comes from now on is read.
	Resume State
}

// A Journal is an endless Source of the kernel's messages in the systemd journal.
// journalctl reads it; should it end, it is started again behind the last message.
type Journal struct {
	accounting
	opt   JournalOptions
	lines lines

	fromStart bool // there was no message when we began: all that come are new

	mu     sync.Mutex
	cursor []byte // of the last message that Next looked at
	pipe   *os.File
	cmd    *exec.Cmd
	closed bool
	done   chan struct{}
	ending *readCanceler
}

// FollowJournal starts journalctl.
func FollowJournal(opt JournalOptions) (*Journal, error) {
	if opt.Command == "" {
		if runtime.GOOS != "linux" {
			return nil, errNotHere
		}
		opt.Command = "journalctl"
	}
	if !opt.Resume.Valid() {
		opt.Resume = State{}
	}
	j := &Journal{accounting: accounting{name: "journal", problem: opt.Problem}, opt: opt, cursor: []byte(opt.Resume.Cursor), done: make(chan struct{})}
	j.place = j.state
	if len(j.cursor) == 0 {
		if err := j.findEnd(); err != nil {
			return nil, err
		}
	}
	if err := j.start(); err != nil {
		return nil, err
	}
	return j, nil
}

// findEnd puts the cursor on the last message there is, so that what comes while
// journalctl starts is not skipped.
func (j *Journal) findEnd() error {
	ctx, cancel := context.WithTimeout(context.Background(), journalTimeout)
	defer cancel()
	var said bounded
	cmd := exec.CommandContext(ctx, j.opt.Command, "--boot=all", "--lines=1", "--output=json", "--no-pager", "--quiet", kernelMessages)
	cmd.Stderr = &said
	line, err := cmd.Output()
	var failed *exec.ExitError
	switch {
	case errors.As(err, &failed): // there may be a journal later
		j.reportProblem(fmt.Errorf("journalctl: %w: %s", err, strings.TrimSpace(said.String())))
	case err != nil:
		return fmt.Errorf("journal: %w", err)
	}
	j.mark(line)
	j.fromStart = err == nil && len(j.cursor) == 0
	return nil
}

// start runs journalctl with a fresh pipe.
func (j *Journal) start() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return os.ErrClosed
	}
	args := []string{"--boot=all", "--follow", "--output=json", "--no-pager", "--quiet"}
	switch {
	case len(j.cursor) > 0:
		args = append(args, "--lines=all", "--after-cursor="+string(j.cursor))
	case j.fromStart:
		args = append(args, "--lines=all")
	default:
		args = append(args, "--lines=0")
	}
	cmd := exec.Command(j.opt.Command, append(args, kernelMessages)...)
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = w, &bounded{}
	err = cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		return fmt.Errorf("journal: %w", err)
	}
	j.pipe, j.cmd, j.ending = r, cmd, &readCanceler{deadline: r.SetReadDeadline}
	j.lines = lines{readBuffer: newReadBuffer(&rawReader{r, &j.bytes}), lineOptions: j.opt.liveLines()}
	j.lines.onLine = j.mark
	return nil
}

// Next implements [Source].
func (j *Journal) Next(ctx context.Context, ev *parse.Event) error {
	for {
		if err := j.ending.watch(ctx); err != nil {
			return err
		}
		err := j.lines.next(ctx, ev)
		if err == nil || isSkip(err) {
			return j.count(err)
		}
		if err := j.restart(ctx, j.ending.cause(ctx, err)); err != nil {
			return err
		}
	}
}

// restart deals with the end of journalctl.
func (j *Journal) restart(ctx context.Context, cause error) error {
	if ctx.Err() != nil || errors.Is(cause, os.ErrClosed) {
		return cause
	}
	j.reportProblem(fmt.Errorf("journalctl ended: %s", j.stop()))
	t := time.NewTimer(journalRestart)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-j.done:
		return os.ErrClosed
	case <-t.C:
	}
	return j.start()
}

// stop ends journalctl and returns its error output.
func (j *Journal) stop() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ending.release()
	j.pipe.Close()
	if j.cmd == nil {
		return ""
	}
	_ = j.cmd.Process.Kill()
	err := j.cmd.Wait()
	said := j.cmd.Stderr.(*bounded).String()
	j.cmd = nil
	return strings.TrimSpace(fmt.Sprintln(err, said))
}

// mark remembers the cursor of a line of JSON.
func (j *Journal) mark(line []byte) {
	const key = `"__CURSOR"`
	i := bytes.Index(line, []byte(key))
	if i < 0 {
		return
	}
	rest := bytes.TrimLeft(line[i+len(key):], " :")
	if len(rest) == 0 || rest[0] != '"' {
		return
	}
	value, _, ok := bytes.Cut(rest[1:], []byte{'"'}) // a cursor has nothing to escape
	if !ok {
		return
	}
	j.mu.Lock()
	j.cursor = append(j.cursor[:0], value...)
	j.mu.Unlock()
}

func (j *Journal) state() State {
	j.mu.Lock()
	defer j.mu.Unlock()
	return State{Cursor: string(j.cursor)}
}

// Close ends journalctl, and a Next that waits in another goroutine.
func (j *Journal) Close() error {
	j.mu.Lock()
	closed := j.closed
	j.closed = true
	j.mu.Unlock()
	if !closed {
		close(j.done)
		j.stop()
	}
	return nil
}

// bounded keeps the first of what a program writes to its standard error.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	const most = 1 << 10
	b.Buffer.Write(p[:min(len(p), max(0, most-b.Len()))])
	return len(p), nil
}
