package daemon

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/enforce/journal"
	"fwknopd/ingest/safepath"
)

// positionsFile in the state directory has the positions at which reading resumes after
// a restart.
const positionsFile = "positions"

// storePositions keeps the positions for the next worker. Those from which no worker can
// resume are an error: text comes from a worker or from a file.
func (d *daemon) storePositions(text []byte) error {
	if _, err := privsep.ParsePositions(text, time.Now()); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.positions = append([]byte(nil), text...)
	return nil
}

func (d *daemon) positionsPath() string { return d.statePath(positionsFile) }

// loadPositions reads the positions of the last run.
func (d *daemon) loadPositions() {
	text, err := readOwn(d.positionsPath())
	if err == nil {
		err = d.storePositions(text)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, privsep.ErrOldPositions) {
		d.logf(warning, "reading starts at the ends of files: %s: %v", d.positionsPath(), err)
	}
}

// savePositions writes the positions for the next run. A write that fails leaves the
// file as it was.
func (d *daemon) savePositions() {
	if len(d.positions) == 0 || d.o.Test {
		return
	}
	if err := replaceOwn(d.positionsPath(), d.positions); err != nil {
		d.logf(warning, "positions: %v", err)
	}
}

// maxOwn bounds a file of state that is read.
const maxOwn = 16 << 20

// readOwn reads a file that the daemon made. Others may be able to write to its folder: what
// they put in its place is an error.
func readOwn(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := safepath.CheckOwn(f); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(f, maxOwn))
}

// replaceOwn writes a file of the daemon's own anew, and returns when that is on disk. After
// an error the file is as it was.
func replaceOwn(path string, text []byte) error {
	next := path + ".new"
	// Not os.Remove, which removes folders too: what the daemon left is a file.
	if err := unix.Unlink(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &fs.PathError{Op: "unlink", Path: next, Err: err}
	}
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		os.Remove(next)
		return err
	}
	return journal.SyncDir(filepath.Dir(path))
}
