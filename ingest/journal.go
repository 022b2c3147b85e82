package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"fwknopd/parse"
)

// journalRestart is how long to wait before journalctl is started again.
const journalRestart = time.Second

// JournalOptions say how the journal is followed.
type JournalOptions struct {
	ReadOptions
	// Open starts journalctl, see [Journalctl.Open].
	Open func(JournalQuery) (*os.File, error)
	// Resume is where a former Journal stopped, from its State. The zero State: only
	// what comes from now on is read.
	Resume State
}

// A Journal is an endless Source of the kernel's messages in the systemd journal.
// journalctl reads it; should it end, another one is started behind the last message.
type Journal struct {
	accounting
	opt   JournalOptions
	lines lines

	fromStart bool // there was no message when we began: all that come are new

	mu     sync.Mutex
	cursor []byte // of the last message that Next looked at
	pipe   *os.File
	closed bool
	done   chan struct{}
	ending *readCanceler
}

// followJournal has journalctl run.
func followJournal(opt JournalOptions) (*Journal, error) {
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
	pipe, err := j.opt.Open(JournalQuery{})
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotHere):
		return fmt.Errorf("journal: %w", err)
	case err != nil: // there may be a journal later
		j.reportProblem(err)
		return nil
	}
	defer pipe.Close()
	line, err := io.ReadAll(io.LimitReader(pipe, maxJournalLine))
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	j.mark(line)
	j.fromStart = len(j.cursor) == 0
	return nil
}

// start has journalctl run with a fresh pipe.
func (j *Journal) start() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return os.ErrClosed
	}
	r, err := j.opt.Open(JournalQuery{Follow: true, After: string(j.cursor), All: j.fromStart})
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	j.pipe, j.ending = r, &readCanceler{deadline: r.SetReadDeadline}
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
	j.stop()
	j.reportProblem(errors.New("journalctl ended"))
	if err := pause(ctx, j.done, journalRestart); err != nil {
		return err
	}
	return j.start()
}

// stop closes the pipe, with which journalctl ends.
func (j *Journal) stop() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ending.release()
	j.pipe.Close()
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

// Close closes the pipe, and ends a Next that waits in another goroutine.
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
