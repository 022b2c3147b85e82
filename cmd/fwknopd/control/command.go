package control

import (
	"fmt"
	"io"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/inputs"
)

// Exit codes of the command line contract.
const (
	exitOK     = 0
	exitError  = 1
	exitConfig = 78
)

// A command is one action of the command line with its options and configuration.
type command struct {
	*cli.Options
	*config.Loaded
	stdout, stderr io.Writer
}

// fail prints err and returns the exit code.
func (c *command) fail(err error) int {
	inputs.PrintError(c.stderr, "fwknopd", cli.Rights(err))
	return exitError
}

// printfln writes one line to stdout.
func (c *command) printfln(format string, args ...any) { fmt.Fprintf(c.stdout, format+"\n", args...) }
