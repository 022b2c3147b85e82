package main

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/engine"
	"fwknopd/cmd/fwknopd/inputs"
	"fwknopd/cmd/fwknopd/osreport"
	"fwknopd/fingerprint"
)

// A report makes little garbage but starts with a small heap, which the collector
// would walk again and again as it grows. It is let off until the memory goal.
const (
	gcPercent  = 400
	memoryGoal = 48 << 20
)

// runOS wires `fwknopd --os`.
func runOS(o *cli.Options, stdin io.Reader, stdout, stderr io.Writer) int {
	opt := osreport.Options{Inputs: o.FWLog, Verbose: o.Verbose > 0, AsGiven: o.AsGiven, Now: wallClock(), Stdin: stdin}
	if o.PcapFile != "" {
		opt.Inputs = append(opt.Inputs, o.PcapFile)
	}
	switch o.Format {
	case "", "text":
	case "jsonl", "json":
		opt.JSON = true
	default:
		fmt.Fprintf(stderr, "fwknopd: --os has no format %q (text or jsonl)\n", o.Format)
		return exitUsage
	}
	debug.SetGCPercent(gcPercent)
	debug.SetMemoryLimit(memoryGoal)
	err := configureOS(o, &opt)
	if err == nil {
		err = osreport.Run(context.Background(), opt, stdout, stderr)
	}
	if err != nil {
		inputs.Say(stderr, "fwknopd", err)
		return exitError
	}
	return exitOK
}

// configureOS fills in what the configuration may say. It is read only if it was
// asked for, or if nothing else says which log to read: --os works for anyone.
func configureOS(o *cli.Options, opt *osreport.Options) error {
	var p0fFile string
	maxHops := fingerprint.DefaultMaxHops
	if o.Config != "" || len(o.Overrides) > 0 || len(opt.Inputs) == 0 {
		l, problems := config.Load(config.Options{Config: o.Config, Overrides: o.Overrides, Lenient: o.Lenient, Offline: true, ServerOnly: true})
		if problems.Failed() {
			return problems
		}
		if l.Values.IsSet("MAX_HOPS") {
			maxHops = l.Server.MaxHops
		}
		p0fFile = l.Server.P0fFile
		if len(opt.Inputs) == 0 {
			opt.Inputs = []string{l.Server.LogFile}
		}
	}
	var err error
	opt.Systems, err = engine.LoadSystems(p0fFile, o.Signatures, maxHops, nil)
	return err
}

// wallClock is the time that stamps without a year are read against. Where the
// machine's zone is UTC it says so in the way that reads stamps fastest.
func wallClock() time.Time {
	now := time.Now()
	if zone, offset := now.Zone(); offset == 0 && zone == "UTC" {
		return now.UTC()
	}
	return now
}
