package worker

import (
	"encoding/json"
	"time"

	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/ingest"
)

// resume decodes the positions of an earlier worker. It returns none if they are not
// valid or not recent.
func resume(text []byte, now time.Time) privsep.Positions {
	p, err := privsep.ParsePositions(text, now)
	if err != nil {
		return privsep.Positions{}
	}
	return p
}

// positions returns the positions of the sources that have one.
func (s *sources) positions(now time.Time) privsep.Positions {
	p := privsep.Positions{Time: now, Places: make(map[string]ingest.State)}
	for i, place := range s.Stats().States() {
		if place != (ingest.State{}) && s.committers[i] == nil {
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
		w.out.putBytes(privsep.RecordPositions, text)
	}
}
