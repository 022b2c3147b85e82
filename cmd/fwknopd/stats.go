package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/inputs"
	"fwknopd/cmd/fwknopd/osreport"
	"fwknopd/cmd/fwknopd/replay"
	"fwknopd/cmd/fwknopd/summaries"
)

// showStats implements `fwknopd stats`.
func showStats(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	o, code := cli.Begin(cli.Stats, args, stdout, stderr)
	if o == nil {
		return code
	}
	o.Summary = !o.Unknown && o.Report == ""
	if o.Set("config") || o.Set("access-file") || o.Set("access-folder") {
		if o.Inner {
			return cli.Stats.Refuse(stderr, errInnerDecided)
		}
		return replay.Stats(o, stdin, stdout, stderr)
	}
	out, err := summaries.Of(o)
	if err == nil && len(o.Operands) == 0 {
		err = errNoOperand
	}
	if err = errors.Join(err, errUndecided(o)); err != nil {
		return cli.Stats.Refuse(stderr, err)
	}
	opt := osreport.FromFlags(o, stdin)
	err = opt.Configure(o)
	return readInputs(o, stderr, err, func(ctx context.Context) error {
		return opt.Summarize(ctx, out, false, osreport.Span{}, stdout, stderr)
	})
}

// errUndecided returns the error of an option that has no effect without a configuration.
func errUndecided(o *cli.Options) error {
	for _, name := range []string{"digest-file", "state", "resolve", "all-modes"} {
		if o.Set(name) {
			return fmt.Errorf("--%s needs -c or -a: without a configuration nothing is decided", name)
		}
	}
	return nil
}

// errInnerDecided is that of --inner with a configuration.
var errInnerDecided = errors.New("--inner: not with -c or -a: decisions are those of the daemon, which does not look into tunnels")

// errNoOperand is that of a command without a file.
var errNoOperand = errors.New("no input; give files, or - for standard input")

// showReport implements `fwknopd report`.
func showReport(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	o, code := cli.Begin(cli.Report, args, stdout, stderr)
	if o == nil {
		return code
	}
	out, err := summaries.Of(o)
	switch {
	case err != nil:
	case len(o.Operands) == 0:
		err = errNoOperand
	case out.Page == "":
		err = errors.New("name the page: --report FILE")
	}
	span, badSpan := spanOf(o)
	if err = errors.Join(err, badSpan); err != nil {
		return cli.Report.Refuse(stderr, err)
	}
	opt := osreport.FromFlags(o, stdin)
	err = opt.Configure(o)
	return readInputs(o, stderr, err, func(ctx context.Context) error {
		return opt.Summarize(ctx, out, true, span, stdout, stderr)
	})
}

// spanOf returns the span of --since and --until.
func spanOf(o *cli.Options) (span osreport.Span, err error) {
	if o.Set("since") {
		if span.Since, err = cli.ParseTime(o.Since); err != nil {
			return span, fmt.Errorf("--since: %w", err)
		}
	}
	if o.Set("until") {
		if span.Until, err = cli.ParseTime(o.Until); err != nil {
			return span, fmt.Errorf("--until: %w", err)
		}
	}
	if !span.Until.IsZero() && !span.Since.Before(span.Until) {
		return span, errors.New("--since is not before --until")
	}
	return span, nil
}

// readInputs runs a command that reads logs and captures, unless err says why it cannot, and
// returns the exit code.
func readInputs(o *cli.Options, stderr io.Writer, err error, read func(context.Context) error) int {
	inputs.SetCollection(o.Memory)
	if err == nil {
		ctx, stop := inputs.UntilInterrupted()
		defer stop()
		err = read(ctx)
	}
	if err == nil {
		return exitOK
	}
	inputs.PrintError(stderr, "fwknopd", err)
	if errors.Is(err, inputs.ErrInterrupted) {
		return inputs.ExitInterrupted
	}
	return exitError
}
