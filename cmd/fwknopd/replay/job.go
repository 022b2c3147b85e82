package replay

import (
	"errors"
	"io"
	"iter"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/inputs"
	"fwknopd/ingest"
	"fwknopd/parse"
)

// A Job is a replay of files whose segments others read, see [Spec.Events]: it decides their events, in
// order, as [Replay] does, and prints the same.
type Job struct {
	*inputs.Merged
	o      *options
	r      *run
	frames *frameFilter
	at     ingest.Position
}

// NewJob loads the configuration of a job, which has no --report: workers do not pass on all that it
// counts. Its errors are for [Job.Exit].
func NewJob(f *cli.Options, stdout, stderr io.Writer) (*Job, error) {
	j := &Job{o: newOptions(f, nil, stdout, stderr)}
	if err := j.o.checkReplay(); err != nil {
		return j, usageError{err}
	}
	var err error
	j.r, j.frames, err = j.o.newRun()
	return j, err
}

// A usageError is one of the command line.
type usageError struct{ error }

// Exit prints the error of a job and returns the exit code, as [Replay] does.
func (j *Job) Exit(err error) int {
	if wrong := (usageError{}); errors.As(err, &wrong) {
		return cli.FleetSubmit.Refuse(j.o.diagnostic, wrong)
	}
	return j.o.exit("replay", err)
}

// Spec returns what segments are to be read with.
func (j *Job) Spec() Spec {
	s, interest := j.r.server, j.r.Interest()
	if j.r.other != nil {
		interest = interest.Or(j.r.other.Interest())
	}
	return Spec{Filter: s.PcapFilter, AllFrames: j.frames.all, Match: s.FWMsgSearch, KernelOnly: s.KernelLogOnly, Interest: interest}
}

// Log returns where the order of the files is said, and what is wrong with them.
func (j *Job) Log() *inputs.Log { return j.o.log }

// Start begins with the files, in their order.
func (j *Job) Start(files []string) {
	j.o.files, j.Merged, j.r.records = files, inputs.NewMerged(files, j.o.log), j
}

// Position implements records.
func (j *Job) Position() ingest.Position { return j.at }

// Counts implements records.
func (j *Job) Counts() ingest.Counts { return j.Tally.Counts }

// Add decides the events of the next segment. If the error is [sources.ErrPartial], they are none that
// were read by Spec.Events, and nothing was decided.
func (j *Job) Add(file int, s ingest.Segment, events *io.SectionReader) error {
	n, last := uint64(0), int64(0)
	rest, err := readEvents(again(events), func(e *recorded) error {
		n, last = n+1, e.record
		return nil
	})
	if err != nil {
		return err
	}
	if n > rest.facts.Counts.Events || uint64(last) > rest.facts.Counts.Records {
		return damaged(errEvent)
	}
	before := j.Merged.Begin(file)
	j.r.ahead.prepare(j.r.Engine, func() iter.Seq[*parse.Event] { return eventsOf(again(events)) })
	defer j.r.ahead.stop()
	_, err = readEvents(again(events), func(e *recorded) error {
		j.at = ingest.Position{Name: before.Name, Record: before.Record + e.record}
		j.frames.matched = !e.filtered
		if err := j.r.pass(e.passed); err != nil {
			return err
		}
		return j.r.step(e.Event)
	})
	if err == nil {
		err = j.r.pass(rest.passed)
	}
	j.r.count.ignored += rest.facts.Counts.Events - n
	j.Merged.Add(file, s, &rest.facts)
	return err
}

// again returns a reader of all of r.
func again(r *io.SectionReader) *io.SectionReader { return io.NewSectionReader(r, 0, r.Size()) }

// pass lets grants end that have by the latest time of events that were left out.
func (r *run) pass(t time.Time) error {
	if t.IsZero() {
		return nil
	}
	r.now = t
	if r.behind != nil {
		r.behind.passed(t)
		return nil
	}
	return r.expire(t)
}

// Report prints the rest of what Replay prints, behind the last segment. Its error is for [Job.Exit].
func (j *Job) Report() error {
	return j.o.end(j.r, j.Merged.Err(), func() { j.o.log.Warn(&j.Tally) })
}

// Close ends a job of which nothing is to be printed any more.
func (j *Job) Close() { _ = j.r.stopBehind() }
