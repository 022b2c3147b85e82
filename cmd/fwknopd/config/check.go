package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/pflag"

	"fwknopd/policy/conf"
)

// Exit codes of check and dump.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// Check implements `fwknopd check` without an engine: expectations are read but cannot
// be run, which is an error.
func Check(args []string, stdout, stderr io.Writer) int {
	return Checker{}.Run(args, stdout, stderr)
}

// A Checker implements `fwknopd check`.
type Checker struct {
	Expect Runner // runs expectations; nil: an expectation is an error
	// Firewall returns lines on where grants would be opened on this host, and what would
	// still drop the packets; nil: the firewall is not inspected.
	Firewall func(*Loaded) []string
}

// checkFlags is the parsed command line of check.
type checkFlags struct {
	Options
	expect  []string
	explain bool
	format  string
}

const checkUsage = `usage: fwknopd check [options]

Reads the configuration as the daemon would, says everything that is wrong with it,
what each stanza allows, and what is dangerous in it.

`

// parse parses the arguments of check.
func (f *checkFlags) parse(args []string, stdout io.Writer) error {
	fs := pflag.NewFlagSet("check", pflag.ContinueOnError)
	fs.SetOutput(stdout)
	fs.Usage = func() {
		fmt.Fprint(stdout, checkUsage)
		fs.PrintDefaults()
	}
	fs.StringVarP(&f.Config, "config", "c", "", "`FILE` to read as fwknop.conf")
	fs.StringVarP(&f.Access, "access-file", "a", "", "`FILE` to read as access.conf")
	fs.StringVar(&f.AccessFolder, "access-folder", "", "read the *.conf files of `DIR` instead")
	fs.StringSliceVarP(&f.Overrides, "Override-config", "O", nil, "`FILE`s that override fwknop.conf; the last one wins")
	fs.BoolVar(&f.Lenient, "lenient", false, "unknown keywords are warnings")
	fs.BoolVar(&f.StrictPerms, "strict-perms", false, "links, foreign owners and readable keys are errors")
	fs.BoolVar(&f.Offline, "offline", false, "the files are for another host: do not ask this one for users, programs and chains")
	fs.StringArrayVar(&f.expect, "expect", nil, "`FILE` of EXPECT lines to run")
	fs.BoolVar(&f.explain, "explain", false, "say for each keyword whether it is honoured, and how")
	fs.StringVar(&f.format, "format", "text", "text or json")
	if err := fs.Parse(args); err != nil {
		return err
	}
	switch {
	case fs.NArg() > 0:
		return fmt.Errorf("check takes no operand %q (see --config and --access-file)", fs.Arg(0))
	case f.format != "text" && f.format != "json":
		return fmt.Errorf("--format %q is neither text nor json", f.format)
	}
	return nil
}

// Run checks the configuration that args name. It returns exit code 0 if that is valid
// and meets all expectations, 2 for a usage error, else 1.
func (c Checker) Run(args []string, stdout, stderr io.Writer) int {
	var f checkFlags
	switch err := f.parse(args, stdout); {
	case errors.Is(err, pflag.ErrHelp):
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "fwknopd: %v\n", err)
		return exitUsage
	}
	r := c.check(&f)
	if f.format == "json" {
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", "  ")
		if err := enc.Encode(r); err != nil {
			fmt.Fprintf(stderr, "fwknopd: %v\n", err)
			return exitError
		}
	} else {
		r.print(stdout, stderr)
	}
	if !r.Valid {
		return exitError
	}
	return exitOK
}

// check loads and checks the configuration.
func (c Checker) check(f *checkFlags) *result {
	l, problems := Load(f.Options)
	if !problems.Failed() {
		problems = append(problems, conf.Lint(l.Server, l.Values, l.Access)...)
		problems = append(problems, l.checkOSLabels()...)
		if !f.Offline {
			problems = append(problems, l.checkKeys()...)
		}
		if !f.Offline {
			problems = append(problems, l.checkInterface()...)
		}
	}
	var expectations []conf.Expectation
	for i := range l.Access.Stanzas {
		expectations = append(expectations, l.Access.Stanzas[i].Expectations...)
	}
	for _, name := range f.expect {
		more, faults := readExpectations(name)
		expectations, problems = append(expectations, more...), append(problems, faults...)
	}
	if !problems.Failed() {
		problems = append(problems, c.runExpectations(l, expectations)...)
	}
	r := newResult(f, l, problems, len(expectations))
	if c.Firewall != nil && r.Valid && !f.Offline {
		r.Firewall = c.Firewall(l)
	}
	return r
}

// runExpectations runs all expectations and returns those that are not met.
func (c Checker) runExpectations(l *Loaded, list []conf.Expectation) conf.Problems {
	var problems conf.Problems
	for _, e := range list {
		text := "cannot be run by this program"
		if c.Expect != nil {
			o, err := c.Expect(l, e)
			if text = mismatch(e, o); err != nil {
				text = err.Error()
			}
		}
		if text != "" {
			problems = append(problems, conf.Problem{Pos: e.Pos, Keyword: "EXPECT", Text: text})
		}
	}
	return problems
}
