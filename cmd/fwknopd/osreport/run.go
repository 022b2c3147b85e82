// Package osreport is `fwknopd --os`: it reads logs and captures and says which
// operating systems their SYNs came from. It needs neither root nor configuration.
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

// Options say what to read and how to show it.
type Options struct {
	Inputs         []string // files, patterns, "-"
	engine.Systems          // to match against
	JSON           bool     // one object a source instead of the 1.9 layout
	Verbose        bool     // show what nothing fits in the text report too
	Filter         *filter.Filter
	AsGiven        bool      // keep the order of Inputs also where it runs back in time
	Now            time.Time // gives log stamps without a year theirs
	Stdin          io.Reader
}

// Run reads every input and writes the report to stdout; diagnostics and the
// closing summary go to stderr. An input that cannot be read is an error, of type
// [ingest.Unread], when the others have been reported; what is wrong inside an input
// is not.
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
	if err != nil && !errors.As(err, &unread) {
		return err
	}
	if o.JSON {
		err = writeJSON(stdout, total, names)
	} else {
		writeInputs(stdout, opened)
		err = writeText(stdout, total, names, o.Verbose)
	}
	if err != nil {
		return err
	}
	summary(stderr, readers, total, names)
	log.Outcomes(readers...)
	if unread != nil {
		return unread
	}
	return nil
}

// count reads the parts, at least one, side by side and merges their tallies in
// order, so that the outcome is that of one reader. An error of type [ingest.Unread]
// comes with the tally of what could be read.
func (o *Options) count(ctx context.Context, parts []*ingest.Reader) (*tally, *names, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var total *tally
	var all *names
	free := make(chan struct{}, runtime.GOMAXPROCS(0))
	done := make([]chan outcome, len(parts))
	for i := range done {
		done[i] = make(chan outcome, 1)
	}
	go func() {
		for i, p := range parts {
			free <- struct{}{}
			go func() { done[i] <- o.part(ctx, p); <-free }()
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
		case first != nil:
		case total == nil:
			total, all = out.tally, out.names
		default:
			total.merge(out.tally, func(r int32) int32 { return all.renumber(out.names, r) })
		}
	}
	if first == nil && unread != nil {
		first = unread
	}
	return total, all, first
}

// An outcome is what one part gave.
type outcome struct {
	tally *tally
	names *names
	err   error
}

// part reads one source to its end.
func (o *Options) part(ctx context.Context, src ingest.Source) outcome {
	defer src.Close()
	c := counter{
		matcher: o.Matcher(),
		tally:   newTally(), names: newNames(),
		unmatched: o.JSON || o.Verbose,
	}
	err := pipe.Run(ctx, src, c.step)
	c.tally.flush()
	return outcome{c.tally, c.names, err}
}

// counter is the step of --os.
type counter struct {
	matcher   *fingerprint.Matcher
	tally     *tally
	names     *names
	results   []int32 // by fingerprint.ID; 0 is "not numbered yet", else result+1
	unmatched bool    // tell unmatched SYNs apart
}

func (c *counter) step(ev *parse.Event) error {
	id := c.matcher.MatchID(ev)
	if id == fingerprint.NotSYN {
		return nil
	}
	switch {
	case ev.HasOptions:
	case ev.Whole != 0: // its signature would be that of another packet
		c.tally.cut++
		c.tally.add(ev.Src.Addr(), ev.Time, noResult)
		return nil
	default:
		c.tally.optionless++
	}
	c.tally.add(ev.Src.Addr(), ev.Time, c.result(id, ev))
	return nil
}

func (c *counter) result(id fingerprint.ID, ev *parse.Event) int32 {
	switch {
	case id != fingerprint.Unmatched:
	case c.unmatched:
		return c.names.unmatched(c.matcher, ev)
	default:
		return noResult
	}
	for int(id) >= len(c.results) {
		c.results = append(c.results, 0)
	}
	if c.results[id] == 0 {
		c.results[id] = c.names.matched(c.matcher.Result(id)) + 1
	}
	return c.results[id] - 1
}

// errNoInput says what to do about it.
var errNoInput = errors.New("no log to read: name a file, or - for standard input")
