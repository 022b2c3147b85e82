package daemon

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"fwknopd/ingest"
)

// positionsFile in the state directory has the positions at which reading resumes after
// a restart.
const positionsFile = "positions"

const (
	// maxPositions is the maximum size of the positions that a worker may report.
	maxPositions = 8 << 10
	// resumeWithin is how long a restart may take for reading to resume. Older log entries
	// are not acted on.
	resumeWithin = 2 * time.Minute
)

// positions are where a worker is in the files it follows.
type positions struct {
	Time   time.Time               `json:"time"`
	Places map[string]ingest.State `json:"places"` // by sourceSpec.name
}

// resume decodes positions. It returns none if they are not recent.
func resume(text []byte, now time.Time) (p positions) {
	var kept positions
	if json.Unmarshal(text, &kept) != nil || now.Sub(kept.Time) > resumeWithin || kept.Time.After(now.Add(resumeWithin)) {
		return p
	}
	return kept
}

// positions returns the positions of the sources that have one.
func (s *sources) positions(now time.Time) positions {
	var places []ingest.State
	switch src := s.Source.(type) {
	case ingest.Placer:
		places = src.Places()
	case ingest.Resumer:
		places = []ingest.State{src.State()}
	}
	p := positions{Time: now, Places: make(map[string]ingest.State)}
	for i, place := range places {
		if place != (ingest.State{}) {
			p.Places[s.specs[i].name()] = place
		}
	}
	return p
}

// sendPositions sends the positions to the monitor.
func (w *worker) sendPositions() {
	if w.src == nil {
		return
	}
	p := w.src.positions(time.Now())
	if len(p.Places) == 0 {
		return
	}
	if text, err := json.Marshal(p); err == nil {
		w.out.put(recordPositions, text)
	}
}

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

// savePositions writes the positions for the next run.
func (d *daemon) savePositions() {
	if len(d.positions) == 0 || d.o.Test {
		return
	}
	if err := os.WriteFile(d.positionsPath(), d.positions, 0o600); err != nil {
		d.logf(warning, "positions: %v", err)
	}
}
