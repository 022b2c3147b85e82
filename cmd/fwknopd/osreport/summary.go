package osreport

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"fwknopd/cmd/fwknopd/inputs"
	"fwknopd/cmd/fwknopd/pipe"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/cmd/fwknopd/stats"
	"fwknopd/cmd/fwknopd/summaries"
	"fwknopd/ingest"
	"fwknopd/parse"
)

// A Span is a time from Since, up to and without Until; zero times are no limits.
type Span struct{ Since, Until time.Time }

// Summarize reads every input and writes summaries of all in place of the report by source; its
// errors are those of [Run]. Event logs are recognised among the inputs. With onlyEvents nothing
// else is counted, and only events in the span.
func (o *Options) Summarize(ctx context.Context, out summaries.Output, onlyEvents bool, span Span, stdout, stderr io.Writer) error {
	if len(o.Inputs) == 0 {
		return errNoInput
	}
	log := inputs.NewLog(stderr)
	log.Lines = IsEvent
	if onlyEvents {
		log.Wanted = "event of an event log"
	}
	files, err := log.Files(o.Inputs, o.Now, o.AsGiven)
	if err != nil {
		return err
	}
	parts, err := o.openAll(files, onlyEvents, log)
	if err != nil {
		return err
	}
	s := summarizer{Options: o, onlyEvents: onlyEvents, span: span}
	stop := log.Progress(parts...)
	total, err := inParallel(ctx, parts, s.part, merge)
	stop()
	reason, err := incomplete(err)
	if err != nil {
		return err
	}
	defer total.Close()
	if err := total.Finish(); err != nil {
		return err
	}
	return total.report(out, files, tallyOf(parts), reason, log, stdout, stderr)
}

// report writes summaries of files, which were not read to their ends for that reason, and returns it.
func (p *partial) report(out summaries.Output, files []string, t *inputs.Tally, reason error, log *inputs.Log, stdout, stderr io.Writer) error {
	about := stats.About{Inputs: files, Counts: t.Counts, Notes: p.notes(reason)}
	if err := cmp.Or(out.Write(p.Stats, about, stdout), p.Err()); err != nil {
		return err
	}
	fmt.Fprintf(stderr, "fwknopd: %s\n", about.Counts)
	log.Warn(t)
	return reason
}

// IsEvent takes events of event logs, as an [ingest.LineFunc].
func IsEvent(line []byte, ev *parse.Event) (bool, error) {
	return stats.TakeEvent(line, ev, func(*report.Logged) {})
}

// openAll opens files. Event logs are one part, since a grant that one of them begins may end in
// another.
func (o *Options) openAll(files []string, onlyEvents bool, log *inputs.Log) ([]*ingest.Reader, error) {
	var events, others []string
	for _, name := range files {
		if onlyEvents || ingest.Takes(name, IsEvent) {
			events = append(events, name)
		} else {
			others = append(others, name)
		}
	}
	opened, err := o.split(others, log)
	if err != nil || len(events) == 0 {
		return partsOf(opened), err
	}
	whole, err := ingest.Read(events, o.readOptions(log))
	if err != nil {
		return nil, err
	}
	return append(partsOf(opened), whole), nil
}

// A summarizer reads parts.
type summarizer struct {
	*Options
	onlyEvents bool
	span       Span
}

// A partial is what was found in a part.
type partial struct {
	*stats.Stats
	outside uint64 // events outside of the span
}

func merge(total, part *partial) {
	total.Stats.Merge(part.Stats)
	total.outside += part.outside
}

// notes returns what a reader must know of how the inputs were read; reason is why not to their
// end, nil if they were.
func (p *partial) notes(reason error) (notes []string) {
	if reason != nil {
		notes = append(notes, reason.Error())
	}
	if p.outside > 0 {
		notes = append(notes, fmt.Sprintf("%d events outside of the time that was asked for were left out; they count as not ours", p.outside))
	}
	return notes
}

// part reads a part to its end.
func (s *summarizer) part(ctx context.Context, src *ingest.Reader) (*partial, error) {
	p := &partial{Stats: stats.New(s.Matcher(), s.storage())}
	if s.onlyEvents {
		src.Lines(p.onlyEvents(s.span))
		return p, pipe.Run(ctx, src, func(*parse.Event) error { return nil })
	}
	if !src.Part() { // of a log
		src.Lines(p.Line)
	}
	err := pipe.Run(ctx, src, func(ev *parse.Event) error {
		p.Event(ev)
		return p.Err()
	})
	p.Flush()
	return p, err
}

// onlyEvents counts events in the span; no other line is ours.
func (p *partial) onlyEvents(span Span) ingest.LineFunc {
	return func(line []byte, ev *parse.Event) (bool, error) {
		inside := true
		taken, err := stats.TakeEvent(line, ev, func(e *report.Logged) {
			if inside = span.contains(e.Time()); inside {
				p.Logged(e)
			}
		})
		switch {
		case !taken:
			return true, parse.ErrNoRecord
		case !inside:
			p.outside++
			return true, errOutside
		}
		return true, err
	}
}

// errOutside is that of an event outside of the span.
var errOutside = fmt.Errorf("%w: outside of the span", parse.ErrSkip)

func (s Span) contains(t time.Time) bool {
	return (s.Since.IsZero() || !t.Before(s.Since)) && (s.Until.IsZero() || t.Before(s.Until) && !t.IsZero())
}
