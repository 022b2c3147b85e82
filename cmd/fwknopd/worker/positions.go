package worker

import (
	"encoding/json"
	"time"

	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/ingest"
)

// resumeWithin is how long a restart may take for reading to resume. Older log entries
// are not acted on.
const resumeWithin = 2 * time.Minute

// positions are where a worker is in the files it follows.
type positions struct {
	Time   time.Time               `json:"time"`
	Places map[string]ingest.State `json:"places"` // by name of the source
}

// resume decodes positions. It returns none if they are not recent.
func resume(text []byte, now time.Time) (p positions) {
	if json.Unmarshal(text, &p) != nil || now.Sub(p.Time) > resumeWithin || p.Time.After(now.Add(resumeWithin)) {
		return positions{}
	}
	return p
}

// positions returns the positions of the sources that have one.
func (s *sources) positions(now time.Time) positions {
	p := positions{Time: now, Places: make(map[string]ingest.State)}
	for i, place := range s.Stats().States() {
		if place != (ingest.State{}) {
			p.Places[s.specs[i].Name()] = place
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
		w.out.put(privsep.RecordPositions, text)
	}
}
