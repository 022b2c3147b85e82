package osreport

import (
	"io"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/engine"
	"fwknopd/fingerprint"
)

// FromFlags returns the inputs that the command line names and how to read them; [Options.Configure]
// sets the rest.
func FromFlags(o *cli.Options, stdin io.Reader) Options {
	opt := Options{Inputs: o.FWLog, Verbose: o.Verbose > 0, Brief: o.Brief, AsGiven: o.AsGiven, Inner: o.Inner, Memory: o.Memory, JSON: o.JSON(), Now: wallClock(), Stdin: stdin}
	if o.PcapFile != "" {
		opt.Inputs = append(opt.Inputs, o.PcapFile)
	}
	return opt
}

// Configure sets what the configuration may specify. That is read only if an option
// names it or no input is given, so that --os works for any user.
func (opt *Options) Configure(o *cli.Options) error {
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

// wallClock returns the time that dates stamps without a year. If the local zone is UTC
// its location is time.UTC, with which stamps are parsed fastest.
func wallClock() time.Time {
	now := time.Now()
	if zone, offset := now.Zone(); offset == 0 && zone == "UTC" {
		return now.UTC()
	}
	return now
}
