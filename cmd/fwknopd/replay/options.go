// Package replay decides recorded packets without touching a firewall: replay prints
// every decision the daemon would make on logs and captures, explain shows how every
// stage treats one packet. Both run the daemon's engine on the clock of the records,
// with an in-memory replay store.
package replay

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/inputs"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/cmd/fwknopd/summaries"
	"fwknopd/ingest"
	"fwknopd/policy/conf"
)

// Exit codes of the command line contract.
const (
	exitOK      = 0
	exitError   = 1
	exitUsage   = 2
	exitRefused = 3 // explain: the packet is refused or ignored
	exitFailOn  = 4 // replay: a condition of --fail-on was met
	exitConfig  = 78
)

// options holds the command line of replay or explain and the streams.
type options struct {
	*cli.Options
	record             ingest.Position // Name is "" if there is one file only
	recordOf           func() int64    // see policy.Options
	files              []string        // the inputs in their order
	question           *question       // nil: none
	stdin              io.Reader
	stdout, diagnostic io.Writer
	log                *inputs.Log // writes to diagnostic
	summary            summaries.Output
	quiet              bool     // decisions are not printed
	noticed            []string // texts that were said
}

func newOptions(o *cli.Options, stdin io.Reader, stdout, stderr io.Writer) *options {
	return &options{Options: o, stdin: stdin, stdout: stdout, diagnostic: stderr, log: inputs.NewLog(stderr)}
}

// failOnNames are the values of --fail-on.
var failOnNames = []string{report.Refused, report.Granted, report.Command, "malformed"}

func (o *options) checkReplay() error {
	for _, f := range o.FailOn {
		if !slices.Contains(failOnNames, f) {
			return fmt.Errorf("--fail-on knows no %q (%s)", f, strings.Join(failOnNames, ", "))
		}
	}
	if len(o.Operands) == 0 {
		return errors.New("no input; give logs or captures, or - for standard input")
	}
	var err error
	o.summary, err = summaries.Of(o.Options)
	return err
}

// checkReport returns an error for a --report that goes with nothing else on the command line.
func (o *options) checkReport() error {
	switch {
	case o.Report != "" && o.WhatIf != "":
		return errors.New("--report and --what-if exclude each other")
	case o.Report == "-":
		return errors.New("--report -: decisions go to standard output; name a file")
	}
	return nil
}

// notice says something once, also where both configurations of --what-if have it said.
func (o *options) notice(text string) {
	if slices.Contains(o.noticed, text) {
		return
	}
	o.noticed = append(o.noticed, text)
	fmt.Fprintf(o.diagnostic, "fwknopd: %s\n", conf.Printable(text))
}
