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
	Time  time.Time               `json:"time"`
	Files map[string]ingest.State `json:"files,omitempty"`
	// Cursor is that of the journal.
	Cursor string `json:"cursor,omitempty"`
}

// resume reads what text says if that is recent.
func resume(text []byte, now time.Time) (p positions) {
	var kept positions
	if json.Unmarshal(text, &kept) != nil || now.Sub(kept.Time) > resumeWithin || kept.Time.After(now.Add(resumeWithin)) {
		return p
	}
	return kept
}

// positions are those of the open feeds; ok is false if none of them has one.
func (s *sources) positions(now time.Time) (p positions, ok bool) {
	p = positions{Time: now, Files: make(map[string]ingest.State)}
	for i, src := range s.open {
		switch src := src.(type) {
		case *ingest.Follower:
			p.Files[s.feeds[i].Path] = src.State()
			ok = true
		case *ingest.Journal:
			p.Cursor = src.Cursor()
			ok = true
		}
	}
	return p, ok
}

// tellPositions has the monitor remember where we are.
func (w *worker) tellPositions() {
	if w.src == nil || len(w.src.open) > 1 {
		return // several are read ahead of us; where they are says nothing
	}
	p, ok := w.src.positions(time.Now())
	if !ok {
		return
	}
	if text, err := json.Marshal(p); err == nil {
		w.out.put(recordPositions, text)
	}
}

// keepPositions remembers them for the next worker.
func (k *keeper) keepPositions(text []byte) {
	if len(text) > maxPositions || !json.Valid(text) {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.positions = append([]byte(nil), text...)
}

func (k *keeper) positionsPath() string {
	return filepath.Join(k.conf().StateDir(), positionsFile)
}

// loadPositions reads what the last daemon left.
func (k *keeper) loadPositions() {
	text, err := os.ReadFile(k.positionsPath())
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		k.say(bad, "reading starts at the ends of files: %v", err)
	default:
		k.keepPositions(text)
	}
}

// savePositions leaves them to the next daemon.
func (k *keeper) savePositions() {
	if len(k.positions) == 0 || k.o.Test {
		return
	}
	if err := os.WriteFile(k.positionsPath(), k.positions, 0o600); err != nil {
		k.say(bad, "positions: %v", err)
	}
}

// of is the place in one file, nil if there is none to go on from.
func (p positions) of(path string) *ingest.State {
	if s, ok := p.Files[path]; ok {
		return &s
	}
	return nil
}
