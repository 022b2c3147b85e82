package osreport

import (
	"encoding/json"
	"fmt"
	"io"

	"fwknopd/cmd/fwknopd/inputs"
	"fwknopd/cmd/fwknopd/sources"
	"fwknopd/cmd/fwknopd/stats"
	"fwknopd/cmd/fwknopd/summaries"
	"fwknopd/ingest"
)

// A Reduction merges the partial results of segments, in their order, into the report that [Run]
// gives. It takes the memory of the options, and some for each file.
type Reduction struct {
	*inputs.Merged
	o              *Options
	files          []string
	stdout, stderr io.Writer
	log            *inputs.Log
	total          *sources.Counter
}

// NewReduction begins a report about files; log is where their order was said. Close frees what it has.
func NewReduction(o *Options, files []string, log *inputs.Log, stdout, stderr io.Writer) *Reduction {
	o.begin(stdout)
	return &Reduction{
		Merged: inputs.NewMerged(files, log), o: o, files: files, stdout: stdout, stderr: stderr, log: log, total: o.counter(inputs.Storage(o.Memory, 1)),
	}
}

// Close frees what it has.
func (r *Reduction) Close() { r.total.Close() }

// Add adds the partial result of the next segment. If the error is [sources.ErrPartial], or the result
// has facts that are none, nothing was added.
func (r *Reduction) Add(file int, s ingest.Segment, partial *io.SectionReader) error {
	return addPartial(r.Merged, file, s, r.total.MergePartial, partial)
}

// addPartial merges a partial result, whose facts are added too.
func addPartial(m *inputs.Merged, file int, s ingest.Segment, merge func(io.ReadSeeker, func([]byte) error) error, partial io.ReadSeeker) error {
	var f inputs.Facts
	err := merge(partial, func(about []byte) error {
		err := json.Unmarshal(about, &f)
		if err == nil {
			err = f.Check()
		}
		if err != nil {
			err = fmt.Errorf("%w: %w", sources.ErrPartial, err)
		}
		return err
	})
	if err == nil {
		m.Add(file, s, &f)
	}
	return err
}

// Report writes the report, after the last segment. Its error is that of Run.
func (r *Reduction) Report() error {
	var list []parsed
	for i, name := range r.files {
		list = append(list, parsed{name, r.Kinds[i]})
	}
	if err := r.o.report(r.total, list, &r.Tally, r.log, r.stdout, r.stderr); err != nil {
		return err
	}
	return r.Err()
}

// A SummaryReduction merges the partial results of segments, in their order, into the summaries that
// [Options.Summarize] writes.
type SummaryReduction struct {
	*inputs.Merged
	out            summaries.Output
	files          []string
	stdout, stderr io.Writer
	log            *inputs.Log
	total          *stats.Stats
}

// NewSummaryReduction begins summaries of files, as NewReduction; the seed is that of the segments.
func NewSummaryReduction(o *Options, out summaries.Output, seed [2]uint64, files []string, log *inputs.Log, stdout, stderr io.Writer) *SummaryReduction {
	r := &SummaryReduction{
		Merged: inputs.NewMerged(files, log), out: out, files: files, stdout: stdout, stderr: stderr, log: log,
		total: stats.New(o.Matcher(), inputs.Storage(o.Memory, 1)),
	}
	r.total.UseSeed(seed)
	return r
}

// Close frees what it has.
func (r *SummaryReduction) Close() { r.total.Close() }

// Add does as that of a [Reduction].
func (r *SummaryReduction) Add(file int, s ingest.Segment, partial *io.SectionReader) error {
	return addPartial(r.Merged, file, s, r.total.MergePartial, partial)
}

// Report writes the summaries, after the last segment. Its error is that of Summarize.
func (r *SummaryReduction) Report() error {
	if err := r.total.Finish(); err != nil {
		return err
	}
	p := partial{Stats: r.total}
	return p.report(r.out, r.files, &r.Tally, r.Err(), r.log, r.stdout, r.stderr)
}
