package osreport

import (
	"fmt"
	"io"

	"fwknopd/cmd/fwknopd/inputs"
	"fwknopd/cmd/fwknopd/sources"
	"fwknopd/ingest"
)

// A Reduction merges the partial results of segments, in their order, into the report that [Run]
// gives. It takes the memory of the options, and some for each file.
type Reduction struct {
	o              *Options
	stdout, stderr io.Writer
	log            *inputs.Log
	total          *sources.Counter
	list           []parsed
	tally          inputs.Tally
	unread         ingest.Unread

	file    int    // of the last segment
	name    string // of it, for messages
	records int64  // of its earlier segments
}

// NewReduction begins a report about files; log is where their order was said. Close frees what it has.
func NewReduction(o *Options, files []string, log *inputs.Log, stdout, stderr io.Writer) *Reduction {
	r := &Reduction{o: o, stdout: stdout, stderr: stderr, log: log, total: o.counter(inputs.Storage(o.Memory, 1)), file: -1}
	for _, name := range files {
		r.list = append(r.list, parsed{name: name})
	}
	o.begin(stdout)
	return r
}

// Close frees what it has.
func (r *Reduction) Close() { r.total.Close() }

// begin notes that a segment of a file follows.
func (r *Reduction) begin(file int) {
	if file != r.file {
		r.file, r.name, r.records = file, r.list[file].name, 0
	}
}

// Add adds the partial result of the next segment. If the error is [sources.ErrPartial], or the result
// has facts that are none, nothing was added.
func (r *Reduction) Add(file int, s ingest.Segment, partial io.ReadSeeker) error {
	var f facts
	err := r.total.MergePartial(partial, func(about []byte) (err error) {
		if f, err = decodeFacts(about); err != nil {
			err = fmt.Errorf("%w: %w", sources.ErrPartial, err)
		}
		return err
	})
	if err != nil {
		return err
	}
	r.begin(file)
	for i := range f.Problems {
		p := &f.Problems[i]
		r.log.Problem(ingest.Problem{Position: ingest.Position{Name: r.name, Record: r.records + p.Record}, Err: p.err()})
	}
	r.records += int64(f.Counts.Records)
	r.add(f.reading(r.list[file].name, s.Cut && s.Start > 0))
	return nil
}

// Lost notes that the next segment could not be read, and why.
func (r *Reduction) Lost(file int, s ingest.Segment, err error) {
	r.begin(file)
	if s.Cut {
		err = fmt.Errorf("bytes %d to %d: %w", s.Start, s.End, err)
		r.name, r.records = fmt.Sprintf("%s from byte %d", r.list[file].name, s.End), 0
	}
	r.add(inputs.Reading{Outcomes: []ingest.Outcome{{Name: r.list[file].name, Err: err}}, Part: s.Cut && s.Start > 0})
}

func (r *Reduction) add(reading inputs.Reading) {
	r.tally.Add(reading)
	in, o := &r.list[r.file], &reading.Outcomes[0]
	if in.kind == "" {
		in.kind = o.Kind
	}
	if o.Err != nil {
		r.unread = append(r.unread, fmt.Errorf("%s: %w", o.Name, o.Err))
	}
}

// Report writes the report, after the last segment. Its error is that of Run.
func (r *Reduction) Report() error {
	if err := r.o.report(r.total, r.list, &r.tally, r.log, r.stdout, r.stderr); err != nil {
		return err
	}
	if r.unread != nil {
		return r.unread
	}
	return nil
}
