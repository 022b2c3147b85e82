package replay

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/inputs"
	"fwknopd/cmd/fwknopd/pipe"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/cmd/fwknopd/stats"
	"fwknopd/ingest"
	"fwknopd/parse"
	"fwknopd/policy"
)

// Replay implements `fwknopd replay`: it prints every decision that the daemon would
// make on the inputs, by the clock of the records, and returns the exit code.
func Replay(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	f, code := cli.Begin(cli.Replay, args, stdout, stderr)
	if f == nil {
		return code
	}
	o := newOptions(f, stdin, stdout, stderr)
	if err := errors.Join(o.checkReplay(), o.checkReport()); err != nil {
		return cli.Replay.Refuse(stderr, err)
	}
	ctx, end := inputs.UntilInterrupted()
	defer end()
	return o.exit("replay", o.replay(ctx))
}

// errFailOn means that a condition of --fail-on was met.
var errFailOn = errors.New("")

// exit prints the error of a command and returns its exit code.
func (o *options) exit(command string, err error) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errFailOn):
		return exitFailOn
	case errors.Is(err, errRefused):
		return exitRefused
	case errors.Is(err, errConfig):
		return exitConfig
	}
	inputs.PrintError(o.diagnostic, "fwknopd "+command, err)
	if errors.Is(err, inputs.ErrInterrupted) {
		return inputs.ExitInterrupted
	}
	return exitError
}

// forEachDecision decides every event of src by the clock of the records and passes
// the decision to take.
func forEachDecision(src *ingest.Reader, d *decider, take func(now time.Time, record int64, decision *policy.Decision)) error {
	return pipe.Run(context.Background(), src, func(ev *parse.Event) error {
		decision := d.Decide(ev.Time, ev)
		take(ev.Time, src.Stats().Position().Record, &decision)
		return nil
	})
}

// A run is one replay in progress.
type run struct {
	*decider
	other *decider // of --what-if
	records
	out   *bufio.Writer
	form  form
	color bool
	stats *stats.Stats // nil: nothing is summarized
	quiet bool         // decisions are not printed

	d     policy.Decision
	entry report.Entry
	count decisionCounts

	behind *behind // nil: decisions are shown at once
}

// records is where a run is in its records, and what they were so far.
type records interface {
	Position() ingest.Position
	Counts() ingest.Counts
}

func (o *options) replay(ctx context.Context) error {
	r, frames, err := o.newRun()
	if err != nil {
		return err
	}
	src, err := o.read(r.server, frames)
	if err != nil {
		return err
	}
	defer src.Close()
	r.records = src.Stats()
	if err := o.collect(r); err != nil {
		return err
	}
	r.ahead.prepare(r.Engine, func() iter.Seq[*parse.Event] { return o.readAgain(r.server, frames) })
	stop := o.log.Progress(src)
	err = pipe.Run(ctx, src, r.step)
	r.ahead.stop()
	stop()
	if errors.Is(err, context.Canceled) {
		err = inputs.ErrInterrupted
	}
	return o.end(r, err, func() { o.log.Outcomes(src) })
}

// newRun returns a run without records, and the filter of its frames.
func (o *options) newRun() (r *run, frames *frameFilter, err error) {
	raiseGCTarget()
	frames = new(frameFilter)
	r = &run{out: bufio.NewWriterSize(o.stdout, 64<<10), form: formOf(o.Options), color: cli.Color(o.stdout), quiet: o.quiet}
	if r.decider, err = o.load("", frames); err != nil {
		return nil, nil, err
	}
	if o.WhatIf != "" {
		r.other, err = o.load(o.WhatIf, frames)
	}
	return r, frames, err
}

// end prints what is said when all records were decided, or until err; warn prints what was wrong with
// the inputs.
func (o *options) end(r *run, err error, warn func()) error {
	err = cmp.Or(err, r.stopBehind(), r.out.Flush())
	r.printSummary(o.diagnostic)
	warn()
	if failed := o.summarize(r, err); err == nil || failed != nil {
		err = failed
	}
	if err != nil {
		return err
	}
	if slices.ContainsFunc(o.FailOn, r.occurred) {
		return errFailOn
	}
	return nil
}

// step decides one event and prints the decision.
func (r *run) step(ev *parse.Event) error {
	r.ahead.next()
	if !ev.Time.IsZero() {
		r.now = ev.Time
	}
	if r.behind != nil {
		return r.stepBehind(ev)
	}
	if err := r.expire(r.now); err != nil {
		return err
	}
	if r.stats != nil {
		r.stats.Event(ev)
	}
	d := r.Decide(ev.Time, ev)
	if r.other == nil && d.Verdict == policy.Ignore {
		r.count.ignored++
		return nil
	}
	r.d = d // only copied if printed, so that ignored events cost nothing
	if r.other != nil {
		return r.printDifference(ev)
	}
	if err := r.show(ev, &r.d, r.Position(), r.now); err != nil {
		return err
	}
	if r.stats == nil && r.ahead.started() {
		r.behind = newBehind(r.showHandover)
	}
	return nil
}

// stepBehind decides one event and leaves the rest to r.behind.
func (r *run) stepBehind(ev *parse.Event) error {
	r.behind.passed(r.now)
	d := r.Decide(ev.Time, ev)
	if d.Verdict == policy.Ignore {
		r.count.ignored++
		return nil
	}
	return r.behind.take(r.now, ev, &d, r.Position())
}

// stopBehind has shown what was left to r.behind, and returns its first error.
func (r *run) stopBehind() error {
	if r.behind == nil {
		return nil
	}
	defer func() { r.behind = nil }()
	return r.behind.stop()
}

// showHandover does for r.behind what step does after the decision.
func (r *run) showHandover(x *handover) error {
	if err := r.expire(x.until); err != nil || x.d.Verdict == policy.Ignore {
		return err
	}
	return r.show(&parse.Event{Time: x.time, Src: x.src, Dst: x.dst, Proto: x.proto}, &x.d, x.at, x.clock)
}

// show counts and prints a decision with those in d.Others.
func (r *run) show(ev *parse.Event, d *policy.Decision, at ingest.Position, now time.Time) error {
	r.count.countEvent(d)
	if err := r.print(ev, d, at, now); err != nil {
		return err
	}
	for i := range d.Others {
		r.count.countFurther(&d.Others[i])
		if err := r.print(ev, &d.Others[i], at, now); err != nil {
			return err
		}
	}
	return nil
}

// expire prints the grants that have expired by now.
func (r *run) expire(now time.Time) error {
	for e := r.open.popExpired(now); e != nil; e = r.open.popExpired(now) {
		r.count.expired++
		if err := r.write(e); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) print(ev *parse.Event, d *policy.Decision, at ingest.Position, now time.Time) error {
	r.entry.Set(r.access, ev.Time, ev, d, at)
	refusal := r.open.enter(&r.entry, now)
	if err := r.write(&r.entry); err != nil || refusal == nil {
		return err
	}
	r.count.unopened++
	if r.stats != nil {
		r.stats.NotOpened(&r.entry)
	}
	if r.quiet {
		return nil
	}
	_, err := r.out.Write(r.form.appendEvent(r.out.AvailableBuffer(), refusal, &r.entry))
	return err
}

// colors are those of verdicts on a terminal.
var colors = map[string]cli.Paint{report.Granted: cli.Green, report.Refused: cli.Red, report.Command: cli.Yellow}

func (r *run) write(e *report.Entry) error {
	if r.stats != nil {
		r.stats.Decision(e)
	}
	if r.quiet {
		return nil
	}
	line := r.out.AvailableBuffer()
	if r.color && r.form == textForm {
		line = report.AppendLineAs(line, e, colors[e.Verdict].Paint(e.Verdict))
	} else {
		line = r.form.appendEntry(line, e)
	}
	_, err := r.out.Write(line)
	return err
}

// occurred reports whether a condition of --fail-on was met.
func (r *run) occurred(what string) bool {
	switch what {
	case "malformed":
		return r.Counts().Malformed > 0
	case report.Refused:
		return r.count.refused+r.count.unopened > 0
	case report.Granted:
		return r.count.granted > 0
	case report.Command:
		return r.count.commands > 0
	}
	return false
}
