package daemon

import (
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/state"
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

// loadPositions reads the positions of the last run.
func (d *daemon) loadPositions() {
	text, err := state.Read(d.positionsPath())
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
	if err := state.Replace(d.positionsPath(), d.positions); err != nil {
		d.logf(warning, "positions: %v", err)
	}
}

func (d *daemon) positionsPath() string {
	return filepath.Join(d.conf().Server.StateDir, positionsFile)
}
