package inputs

import (
	"fmt"

	"fwknopd/ingest"
)

// Merged is what was found in files whose segments others have read, in their order.
type Merged struct {
	Tally  Tally
	Unread ingest.Unread // what was not read
	Kinds  []ingest.Kind // of the files; "" if nothing of one was read

	log     *Log
	files   []string
	file    int    // of the last segment
	name    string // of it, for messages
	records int64  // of its earlier segments
}

// NewMerged returns what was found in files before any was read; problems go to log.
func NewMerged(files []string, log *Log) *Merged {
	return &Merged{Kinds: make([]ingest.Kind, len(files)), log: log, files: files, file: -1}
}

// Begin notes that a segment of a file follows, and returns the position before its first record.
func (m *Merged) Begin(file int) ingest.Position {
	if file != m.file {
		m.file, m.name, m.records = file, m.files[file], 0
	}
	return ingest.Position{Name: m.name, Record: m.records}
}

// Add adds the facts of the segment of the file that follows.
func (m *Merged) Add(file int, s ingest.Segment, f *Facts) {
	before := m.Begin(file)
	for i := range f.Problems {
		p := &f.Problems[i]
		m.log.Problem(ingest.Problem{Position: ingest.Position{Name: before.Name, Record: before.Record + p.Record}, Err: p.err()})
	}
	m.records += int64(f.Counts.Records)
	m.add(f.reading(m.files[file], s.Cut && s.Start > 0))
}

// Lost notes that the segment that follows could not be read, and why.
func (m *Merged) Lost(file int, s ingest.Segment, err error) {
	m.Begin(file)
	if s.Cut {
		err = fmt.Errorf("bytes %d to %d: %w", s.Start, s.End, err)
		m.name, m.records = fmt.Sprintf("%s from byte %d", m.files[file], s.End), 0
	}
	m.add(Reading{Outcomes: []ingest.Outcome{{Name: m.files[file], Err: err}}, Part: s.Cut && s.Start > 0})
}

func (m *Merged) add(r Reading) {
	m.Tally.Add(r)
	o := &r.Outcomes[0]
	if m.Kinds[m.file] == "" {
		m.Kinds[m.file] = o.Kind
	}
	if o.Err != nil {
		m.Unread = append(m.Unread, fmt.Errorf("%s: %w", o.Name, o.Err))
	}
}

// Err returns what was not read, as an [ingest.Reader] does at its end; nil: all was.
func (m *Merged) Err() error {
	if m.Unread == nil {
		return nil
	}
	return m.Unread
}
