package daemon

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// positionsFile in the state directory has the positions at which reading resumes after
// a restart.
const positionsFile = "positions"

// maxPositions is the maximum size of the positions that a worker may report.
const maxPositions = 8 << 10

// storePositions keeps the positions for the next worker.
func (d *daemon) storePositions(text []byte) {
	if len(text) > maxPositions || !json.Valid(text) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.positions = append([]byte(nil), text...)
}

func (d *daemon) positionsPath() string {
	return filepath.Join(d.conf().Server.StateDir, positionsFile)
}

// loadPositions reads the positions of the last run.
func (d *daemon) loadPositions() {
	text, err := os.ReadFile(d.positionsPath())
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		d.logf(warning, "reading starts at the ends of files: %v", err)
	default:
		d.storePositions(text)
	}
}

// savePositions writes the positions for the next run. A write that fails leaves the
// file as it was.
func (d *daemon) savePositions() {
	if len(d.positions) == 0 || d.o.Test {
		return
	}
	next := d.positionsPath() + ".new"
	err := os.WriteFile(next, d.positions, 0o600)
	if err == nil {
		err = os.Rename(next, d.positionsPath())
	}
	if err != nil {
		os.Remove(next)
		d.logf(warning, "positions: %v", err)
	}
}
