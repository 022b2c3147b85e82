// Program fwknopd-fleet is what a gateway of a fleet runs beside the daemon: the process that
// has a network connection and claims messages, which the daemon's monitor starts, and the
// commands `fwknopd fleet …`, which the daemon's program hands over. FLEET.md describes fleets.
package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"fwknopd/cmd/fwknopd-fleet/jobs"
	"fwknopd/cmd/fwknopd-fleet/show"
	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/control"
	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/policy/conf"
)

// Exit codes of the command line contract.
const (
	exitOK     = 0
	exitError  = 1
	exitUsage  = 2
	exitConfig = 78
)

// A command gets the arguments from its name on, and returns the exit code.
type command func(args []string, stdout, stderr io.Writer) int

// commands are what `fwknopd fleet` is followed by.
var commands = map[string]command{
	"events":  show.Events,
	"grants":  show.Grants,
	"init":    parsed(initialise),
	"revoke":  control.FleetRevoke,
	"status":  parsed(showStatus),
	"submit":  own(jobs.Submit),
	"witness": parsed(witness),
	"work":    own(jobs.Work),
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == fleetlink.Serving {
		os.Exit(serve(os.Stderr))
	}
	stdout := cli.NewOutput(os.Stdout)
	code := run(os.Args[1:], stdout, os.Stderr)
	os.Exit(stdout.Code(cli.Fleet, code, os.Stderr))
}

// run runs the command that args begin with.
func run(args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		if c := commands[args[0]]; c != nil {
			return c(args, stdout, stderr)
		}
	}
	o, code := cli.Begin(cli.Fleet, args, stdout, stderr)
	switch {
	case o == nil:
		return code
	case len(o.Operands) == 0:
		return cli.Fleet.Refuse(stderr, fmt.Errorf("want one of %s", strings.Join(names(), ", ")))
	}
	text := fmt.Sprintf("no command %q", o.Operands[0])
	if meant := conf.NearestOf(o.Operands[0], names()); meant != "" {
		text += fmt.Sprintf(" (did you mean %s?)", meant)
	}
	return cli.Fleet.Refuse(stderr, fmt.Errorf("%s", text))
}

// names are those of all commands.
func names() []string { return slices.Sorted(maps.Keys(commands)) }

// parsed is a command whose options are those of `fwknopd fleet`; its operands are what follows
// its name.
func parsed(run func(o *cli.Options, stdout, stderr io.Writer) int) command {
	return func(args []string, stdout, stderr io.Writer) int {
		o, code := cli.Begin(cli.Fleet, args, stdout, stderr)
		if o == nil {
			return code
		}
		o.Operands = o.Operands[1:]
		return run(o, stdout, stderr)
	}
}

// own is a command with options of its own; it gets what follows its name.
func own(run func(args []string, stdout, stderr io.Writer) int) command {
	return func(args []string, stdout, stderr io.Writer) int { return run(args[1:], stdout, stderr) }
}
