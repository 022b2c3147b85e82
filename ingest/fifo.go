package ingest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"fwknopd/parse"
)

// A FIFO is an endless Source of the log lines that syslog writes into a named
// pipe (KNOPMD_FIFO).
type FIFO struct {
	accounting
	readCanceler
	pipe  *os.File
	lines lines
}

// openFIFO opens a named pipe, which is made, for its owner only, if nothing has
// its name. It is opened for writing as well, so that it does not end with the
// last writer; what a dying writer left of a line is joined with what comes next. A
// symbolic link is refused: others may have made it.
func openFIFO(path string) (*os.File, error) {
	if err := unix.Mkfifo(path, 0o600); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, &fs.PathError{Op: "mkfifo", Path: path, Err: err}
	}
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Mode().Type() != fs.ModeNamedPipe {
		err = fmt.Errorf("%s: not a named pipe", path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func newFIFO(path string, pipe *os.File, opt ReadOptions) *FIFO {
	f := &FIFO{accounting: accounting{name: path, problem: opt.Problem}, readCanceler: readCanceler{deadline: pipe.SetReadDeadline}, pipe: pipe}
	f.lines = lines{readBuffer: newReadBuffer(&rawReader{pipe, &f.bytes}), lineOptions: opt.liveLines()}
	f.lines.onUntimed, f.lines.forged, f.stamps.live = f.noteUntimed, &f.forged, f.lines.live
	return f
}

// Next implements [Source].
func (f *FIFO) Next(ctx context.Context, ev *parse.Event) error {
	if err := f.watch(ctx); err != nil {
		return err
	}
	err := f.lines.next(ctx, ev)
	if err == nil || isSkip(err) {
		return f.count(err)
	}
	return f.cause(ctx, err)
}

// Close ends a Next that waits in another goroutine.
func (f *FIFO) Close() error {
	f.release()
	return f.pipe.Close()
}
