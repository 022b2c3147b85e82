package osreport

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"fwknopd/cmd/fwknopd/inputs"
	"fwknopd/ingest"
	"fwknopd/parse"
)

// CountSegment reads a segment, whose bytes r yields, and writes its partial result to w: its sources,
// see [sources.Counter.WritePartial], and what else the report needs to know of it. What is wrong with
// the bytes is part of the result. The counter shares its memory with so many in all.
func (o *Options) CountSegment(ctx context.Context, s ingest.Segment, r io.Reader, counters int, w io.Writer) error {
	var f facts
	opt := ingest.ReadOptions{Ref: o.Now, Filter: o.Filter, Inner: o.Inner, Problem: f.note}
	src := ingest.ReadSegment(s, "", r, opt)
	defer src.Close()
	c := o.counter(inputs.Storage(o.Memory, counters))
	defer c.Close()
	var unread ingest.Unread
	if err := count(ctx, src, c); err != nil && !errors.As(err, &unread) {
		return err
	}
	if err := c.Finish(); err != nil {
		return err
	}
	f.read(src)
	about, err := json.Marshal(&f)
	if err != nil {
		return err
	}
	return c.WritePartial(w, about)
}

// facts are what goes with the sources of a segment. Texts are bytes, since they may quote a log that
// is not UTF-8.
type facts struct {
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

// note adds a problem. More than the report names are not needed.
func (f *facts) note(p ingest.Problem) {
	if len(f.Problems) >= 2*maxFacts {
		return
	}
	var stamp *ingest.UnreadStamp
	if errors.As(p.Err, &stamp) {
		f.Problems = append(f.Problems, problem{p.Record, []byte(stamp.Shown), stamp.Kind, stamp.Live})
		return
	}
	if f.malformed() < inputs.MaxProblems {
		f.Problems = append(f.Problems, problem{Record: p.Record, Text: clipped(p.Err)})
	}
}

// malformed returns the number of problems that are no stamps.
func (f *facts) malformed() (n int) {
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

// read sets what a reader found.
func (f *facts) read(src *ingest.Reader) {
	r := inputs.ReadingOf(src)
	o := r.Outcomes[0]
	f.Counts, f.Inside, f.Kind, f.Found = r.Counts, r.Inside, o.Kind, o.Found
	for _, err := range o.Foreign {
		f.Foreign = append(f.Foreign, clipped(err))
	}
	if o.Err != nil {
		f.Unread = clipped(o.Err)
	}
}

// decodeFacts reads facts that another process wrote.
func decodeFacts(about []byte) (f facts, err error) {
	if err := json.Unmarshal(about, &f); err != nil {
		return f, fmt.Errorf("what goes with a partial result: %w", err)
	}
	switch f.Kind {
	case "", ingest.KindLog, ingest.KindPcap, ingest.KindPcapng:
	default:
		return f, fmt.Errorf("what goes with a partial result: kind %q", f.Kind)
	}
	if len(f.Problems) > 2*maxFacts || len(f.Foreign) > maxFacts {
		return f, fmt.Errorf("what goes with a partial result: %d problems and %d link types", len(f.Problems), len(f.Foreign))
	}
	return f, nil
}

// reading returns what the facts say of a part of the input of that name.
func (f *facts) reading(name string, part bool) inputs.Reading {
	o := ingest.Outcome{Name: name, Kind: f.Kind, Records: f.Counts.Records, Found: f.Found}
	for _, text := range f.Foreign {
		o.Foreign = append(o.Foreign, errors.New(string(text)))
	}
	if f.Unread != nil {
		o.Err = errors.New(string(f.Unread))
	}
	return inputs.Reading{Counts: f.Counts, Inside: f.Inside, Outcomes: []ingest.Outcome{o}, Part: part}
}

// err returns what was wrong.
func (p *problem) err() error {
	if p.Stamp != "" {
		return &ingest.UnreadStamp{Kind: p.Stamp, Shown: string(p.Text), Live: p.Live}
	}
	return errors.New(string(p.Text))
}

// Unreadable returns why an input cannot be read, in the words of [Run]; nil if it can.
func (o *Options) Unreadable(name string) error {
	src, err := ingest.Read([]string{name}, ingest.ReadOptions{})
	if err != nil {
		return err
	}
	defer src.Close()
	var ev parse.Event
	_ = src.Next(context.Background(), &ev) // its error is that of the outcome
	return src.Outcomes()[0].Err
}
