package config

import (
	"encoding/json"
	"fmt"
	"io"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/policy/conf"
)

// Exit codes of check and dump.
const (
	exitOK     = 0
	exitError  = 1
	exitUsage  = 2
	exitConfig = 78 // EX_CONFIG: the configuration is refused
)

// A Checker implements `fwknopd check`.
type Checker struct {
	Expect Runner // runs expectations; nil: an expectation is an error
	// Firewall returns lines on where grants would be opened on this host, and what would
	// still drop the packets; nil: the firewall is not inspected.
	Firewall func(*Loaded) []string
	// Kernel says what the kernel keeps from the daemon, "" if nothing; nil: it is not said.
	Kernel func(*Loaded) string
}

// Run checks the configuration that args name. It returns exit code 0 if that is valid
// and meets all expectations, 78 if it is refused, 2 for a usage error, else 1.
func (c Checker) Run(args []string, stdout, stderr io.Writer) int {
	o, code := cli.Begin(cli.Check, args, stdout, stderr)
	if o == nil {
		return code
	}
	if o.Write != "" {
		return migrate(o, o.Write, stdout, stderr)
	}
	r := c.check(o)
	if o.JSON() {
		enc := json.NewEncoder(stdout)
		if o.Format == "json" {
			enc.SetIndent("", "  ")
		}
		if err := enc.Encode(r); err != nil {
			fmt.Fprintf(stderr, "fwknopd: %v\n", err)
			return exitError
		}
	} else {
		r.print(stdout, stderr)
	}
	switch {
	case r.refused:
		return exitConfig
	case !r.Valid:
		return exitError
	}
	return exitOK
}

// check loads and checks the configuration.
func (c Checker) check(o *cli.Options) *result {
	opts := FromFlags(o)
	opts.StrictModes = true
	l, problems := Load(opts)
	if problems.Failed() {
		problems = append(problems, lintBeside(problems, l.Server, l.Values, l.Access)...)
	} else {
		problems = append(problems, Lint(l.Server, l.Values, l.Access)...)
		problems = append(problems, l.checkOSLabels()...)
	}
	if !o.Offline {
		problems = append(problems, l.checkKeys()...)
		problems = append(problems, l.checkInterface()...)
		problems = append(problems, l.checkLog()...)
	}
	refused := problems.Failed()
	var expectations []conf.Expectation
	for i := range l.Access.Stanzas {
		expectations = append(expectations, l.Access.Stanzas[i].Expectations...)
	}
	for _, name := range o.Expect {
		more, faults := readExpectations(name)
		expectations, problems = append(expectations, more...), append(problems, faults...)
	}
	if !problems.Failed() {
		problems = append(problems, c.runExpectations(l, expectations)...)
	}
	r := newResult(l, problems, len(expectations))
	r.refused = refused
	if o.Explain {
		r.Keywords = explain(l)
	}
	if c.Kernel != nil && r.Valid {
		r.Kernel = c.Kernel(l)
	}
	if c.Firewall != nil && r.Valid && !o.Offline {
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
