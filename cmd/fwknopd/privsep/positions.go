package privsep

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"fwknopd/ingest"
)

// resumeWithin is how long a restart may take for reading to resume. Older log entries
// are not acted on.
const resumeWithin = 2 * time.Minute

// Limits of the positions that a worker may report.
const (
	maxPositions = 8 << 10 // bytes
	maxPlaces    = 256
)

// Positions are where a worker is in the files it follows. The worker reports them, the
// monitor keeps them for the next one.
type Positions struct {
	Time   time.Time               `json:"time"`
	Places map[string]ingest.State `json:"places"` // by name of the source
}

// Errors of [ParsePositions], wrapped with the cause.
var (
	errPositions = errors.New("not valid positions")
	// ErrOldPositions are positions of a time from which reading is not resumed.
	ErrOldPositions = errors.New("not recent positions")
)

// ParsePositions decodes positions. Both sides call it: the text comes from a process or
// a file that may have been tampered with. Any value that no worker reports, and a time
// that is not within [resumeWithin] of now, is an error.
func ParsePositions(text []byte, now time.Time) (Positions, error) {
	if len(text) > maxPositions {
		return Positions{}, fmt.Errorf("%w: %d bytes", errPositions, len(text))
	}
	var p Positions
	in := json.NewDecoder(bytes.NewReader(text))
	in.DisallowUnknownFields()
	if err := in.Decode(&p); err != nil {
		return Positions{}, fmt.Errorf("%w: %w", errPositions, err)
	}
	if _, err := in.Token(); err != io.EOF {
		return Positions{}, fmt.Errorf("%w: more than one object", errPositions)
	}
	if len(p.Places) > maxPlaces {
		return Positions{}, fmt.Errorf("%w: %d places", errPositions, len(p.Places))
	}
	for name, s := range p.Places {
		if !s.Valid() {
			return Positions{}, fmt.Errorf("%w: %.100q: %+v", errPositions, name, s)
		}
	}
	if age := now.Sub(p.Time); age > resumeWithin || age < -resumeWithin {
		return Positions{}, fmt.Errorf("%w: of %s", ErrOldPositions, p.Time.UTC().Format(time.RFC3339))
	}
	return p, nil
}
