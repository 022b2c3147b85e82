package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/osreport"
	"fwknopd/fingerprint"
)

// runOS wires `fwknopd --os`.
func runOS(o *cli.Options, stdin io.Reader, stdout, stderr io.Writer) int {
	opt := osreport.Options{Inputs: o.FWLog, MaxHops: fingerprint.DefaultMaxHops, Verbose: o.Verbose > 0, Now: time.Now(), Stdin: stdin}
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
	var err error
	if opt.Signatures, err = loadSignatures(o.Signatures); err == nil {
		err = osreport.Run(context.Background(), opt, stdout, stderr)
	}
	if err != nil {
		fmt.Fprintf(stderr, "fwknopd: %v\n", err)
		return exitError
	}
	return exitOK
}

// loadSignatures returns our own signatures, or those of the last FILE in their
// place, and with them those of every +FILE.
func loadSignatures(names []string) (*fingerprint.Set, error) {
	set := fingerprint.Default
	var more []*fingerprint.Set
	for _, name := range names {
		file, add := strings.CutPrefix(name, "+")
		s, err := readSignatures(file)
		if err != nil {
			return nil, err
		}
		if add {
			more = append(more, s)
		} else {
			set = func() *fingerprint.Set { return s }
		}
	}
	out := set()
	for _, s := range more {
		out = out.With(s)
	}
	return out, nil
}

func readSignatures(name string) (*fingerprint.Set, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return fingerprint.Load(name, text)
}
