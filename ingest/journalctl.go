package ingest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// journalTimeout is how long it may take to find the last message.
	journalTimeout = 8 * time.Second
	// maxJournalLine is the longest last message that is passed on. A pipe holds it.
	maxJournalLine = 60 << 10
	// maxJournalctl is how many may follow the journal at once: while sources are replaced
	// there are two.
	maxJournalctl = 2
	// kernelMessages is the match for them: whatever others write, the journal notes
	// that they wrote it.
	kernelMessages = "_TRANSPORT=kernel"
)

// A JournalQuery selects what journalctl prints of the kernel's messages.
type JournalQuery struct {
	Follow bool   // what comes, without end; otherwise the last message alone
	After  string // begin behind the message with this cursor
	All    bool   // begin with the first message
}

func (q JournalQuery) args() []string {
	if !q.Follow {
		return []string{"--boot=all", "--lines=1", "--output=json", "--no-pager", "--quiet", kernelMessages}
	}
	args := []string{"--boot=all", "--follow", "--output=json", "--no-pager", "--quiet"}
	switch {
	case q.After != "":
		args = append(args, "--lines=all", "--after-cursor="+q.After)
	case q.All:
		args = append(args, "--lines=all")
	default:
		args = append(args, "--lines=0")
	}
	return append(args, kernelMessages)
}

// A Journalctl runs journalctl, also for another process that may start no programs.
// Its fields must not change once it is in use.
type Journalctl struct {
	Command     string              // "journalctl" if empty
	Credential  *syscall.Credential // whose journalctl it is; nil: of this process
	Environment []string            // nil: of this process
	Ended       func(error)         // called when one that follows has failed with a message; may be nil

	mu      sync.Mutex
	running []*exec.Cmd // those that follow, oldest first
	waiting sync.WaitGroup
}

// Open returns a pipe with what journalctl prints. One that follows ends with the reader
// of the pipe, and is killed when there are too many. The error is fs.ErrNotExist if there
// is no such program.
func (p *Journalctl) Open(q JournalQuery) (*os.File, error) {
	if p.Command == "" && runtime.GOOS != "linux" {
		return nil, errNotHere
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	if q.Follow {
		err = p.follow(q, w)
	} else {
		err = p.last(q, w)
	}
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("journalctl: %w", err)
	}
	return r, nil
}

func (p *Journalctl) command(ctx context.Context, q JournalQuery) *exec.Cmd {
	name := p.Command
	if name == "" {
		name = "journalctl"
	}
	cmd := exec.CommandContext(ctx, name, q.args()...)
	cmd.Stderr, cmd.Env, cmd.WaitDelay = &bounded{}, p.Environment, time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.Credential}
	return cmd
}

// last writes the last message to w.
func (p *Journalctl) last(q JournalQuery, w *os.File) error {
	ctx, cancel := context.WithTimeout(context.Background(), journalTimeout)
	defer cancel()
	cmd := p.command(ctx, q)
	line, err := cmd.Output()
	switch {
	case errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %w", err, fs.ErrNotExist)
	case err != nil:
		return errors.New(failure(cmd, err))
	case len(line) > maxJournalLine:
		return fmt.Errorf("the last message has %d bytes", len(line))
	}
	_, err = w.Write(line)
	return err
}

// failure describes the end of cmd in one line.
func failure(cmd *exec.Cmd, err error) string {
	return strings.TrimSpace(fmt.Sprintln(err, cmd.Stderr.(*bounded)))
}

// follow starts a journalctl that writes to w.
func (p *Journalctl) follow(q JournalQuery, w *os.File) error {
	cmd := p.command(context.Background(), q)
	cmd.Stdout = w
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	p.running = append(p.running, cmd)
	if n := len(p.running); n > maxJournalctl {
		p.kill(n - maxJournalctl)
	}
	p.waiting.Go(func() { p.wait(cmd) })
	return nil
}

// kill ends the n oldest. p.mu must be held.
func (p *Journalctl) kill(n int) {
	for _, cmd := range p.running[:n] {
		_ = cmd.Process.Kill() // fails if it has just ended
	}
	p.running = p.running[n:]
}

func (p *Journalctl) wait(cmd *exec.Cmd) {
	err := cmd.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, c := range p.running {
		if c != cmd {
			continue
		}
		p.running = append(p.running[:i:i], p.running[i+1:]...)
		said := cmd.Stderr.(*bounded).String() // nothing if it only lost its reader
		if err != nil && said != "" && p.Ended != nil {
			p.Ended(fmt.Errorf("journalctl: %s", failure(cmd, err)))
		}
		return
	}
}

// Close ends all that follow.
func (p *Journalctl) Close() {
	p.mu.Lock()
	p.kill(len(p.running))
	p.mu.Unlock()
	p.waiting.Wait()
}

// bounded keeps the first of what a program writes to its standard error.
type bounded struct{ bytes []byte }

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	const most = 1 << 10
	b.bytes = append(b.bytes, p[:min(len(p), most-len(b.bytes))]...)
	return len(p), nil
}

func (b *bounded) String() string { return string(b.bytes) }
