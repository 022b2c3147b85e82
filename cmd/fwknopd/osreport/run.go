// Package osreport implements `fwknopd --os`: it reads logs and captures and reports
// which operating systems their SYNs came from. It needs neither root nor a
// configuration.
package osreport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"fwknopd/cmd/fwknopd/engine"
	"fwknopd/cmd/fwknopd/inputs"
	"fwknopd/cmd/fwknopd/pipe"
	"fwknopd/fingerprint"
	"fwknopd/ingest"
	"fwknopd/ingest/filter"
	"fwknopd/parse"
)

// Options select the inputs and the format of the report.
type Options struct {
	Inputs         []string // files, patterns, "-"
	engine.Systems          // to match against
	JSON           bool     // one object per source instead of the 1.9 layout
	Verbose        bool     // include unmatched SYNs in the text report
	Brief          bool     // one line a source instead of the 1.9 layout; not with Verbose
	Filter         *filter.Filter
	AsGiven        bool      // keep the order of Inputs even if it goes back in time
	Now            time.Time // dates log stamps without a year
	Stdin          io.Reader
}

// Run reads every input and writes the report to stdout; diagnostics and the summary
// go to stderr. If an input cannot be read, Run reports the others and returns an
// error of type [ingest.Unread]. If ctx ends, it reports what was read until then and returns
// [inputs.ErrInterrupted]. Malformed records are not an error.
func Run(ctx context.Context, o Options, stdout, stderr io.Writer) error {
	if len(o.Inputs) == 0 {
		return errNoInput
	}
	if !o.JSON {
		fmt.Fprintln(stdout, "[+] Entering OS fingerprinting mode.")
	}
	log := inputs.NewLog(stderr)
	opened, err := o.open(log)
	if err != nil {
		return err
	}
	readers := partsOf(opened)
	stop := log.Progress(readers...)
	total, names, err := o.count(ctx, readers)
	stop()
	var unread ingest.Unread
	interrupted := errors.Is(err, context.Canceled)
	if err != nil && !interrupted && !errors.As(err, &unread) {
		return err
	}
	switch {
	case o.JSON:
		err = writeJSON(stdout, total, names)
	case o.Brief && !o.Verbose:
		err = writeBrief(stdout, total, names)
	default:
		writeInputs(stdout, opened)
		err = writeText(stdout, total, names, o.Verbose)
	}
	if err != nil {
		return err
	}
	printSummary(stderr, readers, total, names)
	log.Outcomes(readers...)
	switch {
	case interrupted:
		return inputs.ErrInterrupted
	case unread != nil:
		return unread
	}
	return nil
}

// count reads the parts, of which there must be at least one, in parallel and merges
// their tables in order, so that the result is that of a single reader. An error of
// type [ingest.Unread], and the end of ctx, come with the table of what could be read.
func (o *Options) count(ctx context.Context, parts []*ingest.Reader) (*sourceTable, *resultIDs, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var total *sourceTable
	var all *resultIDs
	free := make(chan struct{}, runtime.GOMAXPROCS(0))
	done := make([]chan outcome, len(parts))
	for i := range done {
		done[i] = make(chan outcome, 1)
	}
	go func() {
		for i, p := range parts {
			free <- struct{}{}
			go func() { done[i] <- o.countPart(ctx, p); <-free }()
		}
	}()
	var first error
	var unread ingest.Unread
	for _, c := range done {
		out := <-c
		var some ingest.Unread
		switch {
		case errors.As(out.err, &some):
			unread = append(unread, some...)
		case out.err != nil && first == nil:
			first = out.err
			cancel()
		}
		switch {
		case first != nil && !errors.Is(first, context.Canceled):
		case total == nil:
			total, all = out.table, out.ids
		default:
			total.merge(out.table, func(r int32) int32 { return all.renumber(out.ids, r) })
		}
	}
	if first == nil && unread != nil {
		first = unread
	}
	return total, all, first
}

// An outcome is the result of one part.
type outcome struct {
	table *sourceTable
	ids   *resultIDs
	err   error
}

// countPart reads one source to its end.
func (o *Options) countPart(ctx context.Context, src ingest.Source) outcome {
	defer src.Close()
	c := counter{
		table: newSourceTable(), ids: newResultIDs(o.Matcher()),
		unmatched: o.JSON || o.Verbose,
	}
	err := pipe.Run(ctx, src, c.step)
	c.table.flush()
	return outcome{c.table, c.ids, err}
}

// A counter handles the events of one part.
type counter struct {
	table     *sourceTable
	ids       *resultIDs
	unmatched bool // distinguish unmatched SYNs
}

func (c *counter) step(ev *parse.Event) error {
	id := c.ids.matcher.MatchID(ev)
	if id == fingerprint.NotSYN {
		return nil
	}
	result := int32(noResult)
	switch {
	case id != fingerprint.Unmatched:
		result = int32(id)
	case !ev.HasOptions && ev.Whole != 0: // its signature would be incomplete
		c.table.cut++
	case c.unmatched:
		result = c.ids.internUnmatched(ev)
	}
	if !ev.HasOptions && ev.Whole == 0 {
		c.table.optionless++
	}
	c.table.add(ev.Src.Addr(), ev.Time, result)
	return nil
}

// errNoInput is returned if no input is given.
var errNoInput = errors.New("no log to read: name a file, or - for standard input")
