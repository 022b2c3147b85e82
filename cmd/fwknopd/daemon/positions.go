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

// positionsFile in the state directory says where reading goes on after a restart.
const positionsFile = "positions"

const (
	// maxPositions bounds what a worker may have us keep.
	maxPositions = 8 << 10
	// resumeWithin is how long a restart may take for reading to go on where it
	// stopped. What was logged longer ago is nobody's knock any more.
	resumeWithin = 2 * time.Minute
)

// positions are where a worker is in what it follows.
type positions struct {
	Time   time.Time               `json:"time"`
	Places map[string]ingest.State `json:"places"` // by name of the feed
}

// resume reads what text says if that is recent.
func resume(text []byte, now time.Time) (p positions) {
	var kept positions
	if json.Unmarshal(text, &kept) != nil || now.Sub(kept.Time) > resumeWithin || kept.Time.After(now.Add(resumeWithin)) {
		return p
	}
	return kept
}

// positions are those of the feeds that have one.
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

// tellPositions has the monitor remember where we are.
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

// keepPositions remembers them for the next worker.
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

// loadPositions reads what the last daemon left.
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

// savePositions leaves them to the next daemon.
func (d *daemon) savePositions() {
	if len(d.positions) == 0 || d.o.Test {
		return
	}
	if err := os.WriteFile(d.positionsPath(), d.positions, 0o600); err != nil {
		d.logf(warning, "positions: %v", err)
	}
}
