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

	"github.com/spf13/pflag"

	"fwknopd/cmd/fwknopd/inputs"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/ingest"
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

// options holds the command line of replay or explain, which share most flags.
type options struct {
	config, access, folder string
	overrides              []string
	lenient, strict        bool
	filter                 string
	digests                string
	signatures             []string
	resolve, allModes      bool
	noGPG                  bool

	format string
	failOn []string
	whatIf string

	recordArg          string
	record             ingest.Position // Name is "" if there is one file only
	recordOf           func() int64    // see policy.Options
	payload            string
	src, dst, proto    string
	at                 string
	help               bool
	asGiven            bool
	inputs             []string
	stdin              io.Reader
	stdout, diagnostic io.Writer
	log                *inputs.Log // writes to diagnostic
}

// flags returns the flag set that both commands share.
func (o *options) flags(name string) *pflag.FlagSet {
	fs := pflag.NewFlagSet(name, pflag.ContinueOnError)
	fs.SortFlags = false
	fs.Usage = func() {}
	fs.StringVarP(&o.config, "config", "c", "", "main configuration `FILE`")
	fs.StringVarP(&o.access, "access-file", "a", "", "access stanzas, in place of ACCESS_CONF (`FILE`)")
	fs.StringVar(&o.folder, "access-folder", "", "every *.conf in `DIR` as access stanzas")
	fs.StringSliceVarP(&o.overrides, "Override-config", "O", nil, "override values of the main file (`FILE,…`)")
	fs.BoolVar(&o.lenient, "lenient", false, "unknown keywords are warnings")
	fs.BoolVar(&o.strict, "strict-perms", false, "refuse files with secrets that others can read")
	fs.StringVarP(&o.filter, "filter", "P", "", "which frames can be SPA packets, in place of PCAP_FILTER (`EXPR`)")
	fs.StringVarP(&o.digests, "digest-file", "d", "", "replay cache to start with; it is only read (`FILE`)")
	fs.StringSliceVar(&o.signatures, "signatures", nil, "fingerprints instead of (+: besides) our own (`[+]FILE`)")
	fs.BoolVar(&o.resolve, "resolve", false, "look up host names of NAT requests")
	fs.BoolVar(&o.allModes, "all-modes", false, "let every stanza take part, whatever AUTH_MODE says")
	fs.BoolVar(&o.noGPG, "no-gpg", false, "ignore every GPG keyword")
	fs.BoolVar(&o.asGiven, "as-given", false, "read the files in the given order, also if it runs back in time")
	fs.StringVar(&o.format, "format", "text", "text or jsonl")
	fs.BoolVarP(&o.help, "help", "h", false, "this text")
	fs.SetNormalizeFunc(func(_ *pflag.FlagSet, n string) pflag.NormalizedName {
		if as, ok := flagAliases[n]; ok {
			n = as
		}
		return pflag.NormalizedName(n)
	})
	return fs
}

// flagAliases are the daemon's other names for these flags.
var flagAliases = map[string]string{
	"config-file":     "config",
	"access-conf":     "access-file",
	"override-config": "Override-config",
	"pcap-filter":     "filter",
}

// parse parses args. A usage error is one line.
func (o *options) parse(fs *pflag.FlagSet, args []string) error {
	if err := fs.Parse(args); err != nil {
		return err
	}
	o.inputs, o.log = fs.Args(), inputs.NewLog(o.diagnostic)
	if o.format == "json" {
		o.format = "jsonl"
	}
	if o.format != "text" && o.format != "jsonl" {
		return fmt.Errorf("unknown format %q (text or jsonl)", o.format)
	}
	return nil
}

// failOnNames are the values of --fail-on.
var failOnNames = []string{report.Refused, report.Granted, report.Command, "malformed"}

func (o *options) checkReplay() error {
	for _, f := range o.failOn {
		if !slices.Contains(failOnNames, f) {
			return fmt.Errorf("--fail-on knows no %q (%s)", f, strings.Join(failOnNames, ", "))
		}
	}
	if len(o.inputs) == 0 {
		return errors.New("no input; give logs or captures, or - for standard input")
	}
	return nil
}

// usage prints the help text of a command.
func usage(w io.Writer, fs *pflag.FlagSet, synopsis string) {
	fmt.Fprintf(w, "usage: fwknopd %s\n\n%s", synopsis, fs.FlagUsages())
}
