package inputs

import (
	"context"
	"errors"
	"fmt"

	"fwknopd/ingest"
	"fwknopd/parse"
)

// Facts are what goes with the result of a segment, as JSON, for the reports of what was read. Texts
// are bytes, since they may quote a log that is not UTF-8.
type Facts struct {
	Counts   ingest.Counts
	Inside   ingest.Inside
	Kind     ingest.Kind
	Found    bool
	Foreign  [][]byte
	Unread   []byte // why it was not read to its end; none: it was
	Problems []problem
}

// A problem is an [ingest.Problem] whose record counts from the beginning of the segment.
type problem struct {
	Record int64
	Text   []byte
	Stamp  string // the kind of an [ingest.UnreadStamp], whose text it is that is shown
	Live   bool   // of the same
}

const (
	// maxText bounds a text.
	maxText = 1 << 10
	// maxFacts bounds problems with a stamp, problems without one, and link types.
	maxFacts = 32
)

// Note adds a problem. More than the report names are not needed.
func (f *Facts) Note(p ingest.Problem) {
	if len(f.Problems) >= 2*maxFacts {
		return
	}
	var stamp *ingest.UnreadStamp
	if errors.As(p.Err, &stamp) {
		f.Problems = append(f.Problems, problem{p.Record, []byte(stamp.Shown), stamp.Kind, stamp.Live})
		return
	}
	if f.malformed() < MaxProblems {
		f.Problems = append(f.Problems, problem{Record: p.Record, Text: clipped(p.Err)})
	}
}

// malformed returns the number of problems that are no stamps.
func (f *Facts) malformed() (n int) {
	for i := range f.Problems {
		if f.Problems[i].Stamp == "" {
			n++
		}
	}
	return n
}

func clipped(err error) []byte {
	text := err.Error()
	return []byte(text[:min(len(text), maxText)])
}

// Read sets what a reader found.
func (f *Facts) Read(src *ingest.Reader) {
	r := ReadingOf(src)
	o := r.Outcomes[0]
	f.Counts, f.Inside, f.Kind, f.Found = r.Counts, r.Inside, o.Kind, o.Found
	for _, err := range o.Foreign {
		f.Foreign = append(f.Foreign, clipped(err))
	}
	if o.Err != nil {
		f.Unread = clipped(o.Err)
	}
}

// Check returns an error if no honest process says this.
func (f *Facts) Check() error {
	switch f.Kind {
	case "", ingest.KindLog, ingest.KindPcap, ingest.KindPcapng:
	default:
		return fmt.Errorf("what goes with a result: kind %q", f.Kind)
	}
	if len(f.Problems) > 2*maxFacts || len(f.Foreign) > maxFacts {
		return fmt.Errorf("what goes with a result: %d problems and %d link types", len(f.Problems), len(f.Foreign))
	}
	return nil
}

// reading returns what the facts say of a part of the input of that name.
func (f *Facts) reading(name string, part bool) Reading {
	o := ingest.Outcome{Name: name, Kind: f.Kind, Records: f.Counts.Records, Found: f.Found}
	for _, text := range f.Foreign {
		o.Foreign = append(o.Foreign, errors.New(string(text)))
	}
	if f.Unread != nil {
		o.Err = errors.New(string(f.Unread))
	}
	return Reading{Counts: f.Counts, Inside: f.Inside, Outcomes: []ingest.Outcome{o}, Part: part}
}

// err returns what was wrong.
func (p *problem) err() error {
	if p.Stamp != "" {
		return &ingest.UnreadStamp{Kind: p.Stamp, Shown: string(p.Text), Live: p.Live}
	}
	return errors.New(string(p.Text))
}

// Unreadable returns why an input cannot be read, in the words of an [ingest.Reader]; nil if it can.
func Unreadable(name string) error {
	src, err := ingest.Read([]string{name}, ingest.ReadOptions{})
	if err != nil {
		return err
	}
	defer src.Close()
	var ev parse.Event
	_ = src.Next(context.Background(), &ev) // its error is that of the outcome
	return src.Outcomes()[0].Err
}
