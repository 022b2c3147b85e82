// Package control holds the commands that act on a running daemon or on what it
// opened, from a second process: -S, -K and -R, --fw-list and its kin, grants, and
// the small jobs on keys and caches.
//
// Two of them need the daemon's help. It writes down how it was started
// ([Record]), for -R; and it answers on a socket ([Serve]), since a grant that was
// closed behind its back would be opened again within a second.
//
// Entry points: [Action] for what a command line asks for, [Grants] for the
// sub-command.
package control

import (
	"fmt"
	"io"
	"os"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/config"
	"fwknopd/policy/conf"
)

// Exit codes of the command line contract.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// A command is one action of the command line with what it needs.
type command struct {
	*cli.Options
	*config.Loaded
	stdout, stderr io.Writer
}

// Action returns what the options ask for, if it is a matter of this package, as a
// function that does it and returns the exit code; else nil.
func Action(o *cli.Options) func(stdout, stderr io.Writer) int {
	switch {
	case o.Status:
		return about(o, (*command).status)
	case o.Kill:
		return about(o, (*command).kill)
	case o.Restart:
		return about(o, (*command).restart)
	case o.FWList, o.FWListAll:
		return strict(o, (*command).list)
	case o.FWFlush:
		return strict(o, (*command).flush)
	case o.FWDelIP != "":
		return strict(o, (*command).deleteIP)
	case o.KeyGen:
		return func(stdout, stderr io.Writer) int { return keyGen(o, stdout, stderr) }
	case o.ErrCodes:
		return errorCodes
	case o.ParseDigests:
		return about(o, (*command).parseCache)
	}
	return nil
}

// about reads where things are, and does not judge the rest of the configuration: a
// daemon can be stopped with a file that is half edited.
func about(o *cli.Options, run func(*command) int) func(stdout, stderr io.Writer) int {
	return func(stdout, stderr io.Writer) int {
		opts := config.FromFlags(o)
		opts.Offline = true
		l, problems := load(opts)
		errors := problems[:0]
		for _, p := range problems {
			if p.Severity == conf.Error {
				errors = append(errors, p)
			}
		}
		config.Print(stderr, errors)
		if _, err := os.Stat(o.Config); o.Config != "" && err != nil {
			return exitError // where the pid file is, nobody knows
		}
		return run(&command{o, l, stdout, stderr})
	}
}

// strict wants a configuration that is sound.
func strict(o *cli.Options, run func(*command) int) func(stdout, stderr io.Writer) int {
	return func(stdout, stderr io.Writer) int {
		l, problems := loadStrict(config.FromFlags(o))
		if l == nil {
			config.Print(stderr, problems)
			return exitError
		}
		return run(&command{o, l, stdout, stderr})
	}
}

func loadStrict(opts config.Options) (*config.Loaded, conf.Problems) {
	l, problems := load(opts)
	if problems.Failed() {
		return nil, problems
	}
	return l, nil
}

// load reads the server file. Where that does not show its dialect, the stanzas
// do, as they do for the daemon; whether they are good is not asked here.
func load(opts config.Options) (*config.Loaded, conf.Problems) {
	opts.ServerOnly = true
	l, problems := config.Load(opts)
	if l.Server.Evident {
		return l, problems
	}
	opts.ServerOnly, opts.Offline = false, true
	if both, _ := config.Load(opts); both.Server.Dialect != l.Server.Dialect {
		return both, problems
	}
	return l, problems
}

// fail says what went wrong.
func (c *command) fail(err error) int {
	fmt.Fprintf(c.stderr, "fwknopd: %v\n", err)
	return exitError
}

// say writes one line.
func (c *command) say(format string, args ...any) { fmt.Fprintf(c.stdout, format+"\n", args...) }
