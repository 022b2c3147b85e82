// Package osreport implements `fwknopd --os`: it reads logs and captures and reports
// which operating systems their SYNs came from. It summarizes them, and event logs, for
// --summary and its kin and for `stats` and `report`. It needs neither root nor a
// configuration.
package osreport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"fwknopd/cmd/fwknopd/engine"
	"fwknopd/cmd/fwknopd/inputs"
	"fwknopd/cmd/fwknopd/pipe"
	"fwknopd/cmd/fwknopd/sources"
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
	Inner          bool      // look into tunnels
	Now            time.Time // dates log stamps without a year
	Memory         int       // bytes that sources may take; 0: [inputs.DefaultMemory]
	Stdin          io.Reader
}

// storage returns that of one part: those that are read or wait, and the total, share the memory.
func (o *Options) storage() sources.Storage { return inputs.Storage(o.Memory, maxUnmerged()+1) }

// Run reads every input and writes the report to stdout; diagnostics and the summary
// go to stderr. If an input cannot be read, Run reports the others and returns an
// error of type [ingest.Unread]. If ctx ends, it reports what was read until then and returns
// [inputs.ErrInterrupted]. Malformed records are not an error.
func Run(ctx context.Context, o Options, stdout, stderr io.Writer) error {
	if len(o.Inputs) == 0 {
		return errNoInput
	}
	o.begin(stdout)
	log := inputs.NewLog(stderr)
	opened, err := o.open(log)
	if err != nil {
		return err
	}
	readers := partsOf(opened)
	stop := log.Progress(readers...)
	total, err := inParallel(ctx, readers, o.countPart, (*sources.Counter).Merge)
	stop()
	unread, err := incomplete(err)
	if err != nil {
		return err
	}
	defer total.Close()
	if err := o.report(total, parsedOf(opened), tallyOf(readers), log, stdout, stderr); err != nil {
		return err
	}
	return unread
}

// begin writes the beginning of the report.
func (o *Options) begin(w io.Writer) {
	if !o.JSON {
		fmt.Fprintln(w, "[+] Entering OS fingerprinting mode.")
	}
}

// report writes the rest, when all was counted.
func (o *Options) report(c *sources.Counter, list []parsed, t *inputs.Tally, log *inputs.Log, stdout, stderr io.Writer) error {
	if err := c.Finish(); err != nil {
		return err
	}
	named, err := o.write(stdout, c, list)
	if err = cmp.Or(err, c.Err()); err != nil {
		return err
	}
	printSummary(stderr, t.Counts, c, named)
	log.Warn(t)
	return nil
}

// write writes what was found in the inputs, and returns how many sources have a signature.
func (o *Options) write(w io.Writer, c *sources.Counter, list []parsed) (named int, err error) {
	switch {
	case o.JSON:
		return writeJSON(w, c)
	case o.Brief && !o.Verbose:
		return writeBrief(w, c)
	}
	writeInputs(w, list)
	return writeText(w, c, o.Verbose)
}

// incomplete distinguishes the errors of reading: after those in reason the result is that of what
// could be read, after err there is none. The end of a context is [inputs.ErrInterrupted].
func incomplete(of error) (reason, err error) {
	var unread ingest.Unread
	switch {
	case errors.Is(of, context.Canceled):
		return inputs.ErrInterrupted, nil
	case errors.As(of, &unread):
		return unread, nil
	}
	return nil, of
}

// counter returns one that has counted nothing.
func (o *Options) counter(storage sources.Storage) *sources.Counter {
	return sources.New(sources.Options{Matcher: o.Matcher(), Unmatched: o.JSON || o.Verbose, Storage: storage})
}

// countPart reads one source to its end.
func (o *Options) countPart(ctx context.Context, src *ingest.Reader) (*sources.Counter, error) {
	c := o.counter(o.storage())
	err := pipe.Run(ctx, src, func(ev *parse.Event) error {
		c.Count(ev)
		return c.Err()
	})
	c.Flush()
	return c, err
}

// errNoInput is returned if no input is given.
var errNoInput = errors.New("no log to read: name a file, or - for standard input")
