// Package control implements the commands that act, from a second process, on a
// running daemon or on the grants it opened: -S, -K and -R, --fw-list and the other
// --fw options, grants, reload and status, and the commands for keys and caches.
//
// The daemon cooperates in two ways. It records its command line ([Record]) for -R,
// and it answers requests on a socket ([Serve]), because it would restore within a
// second a grant that another process removed from the firewall.
//
// Entry points: [Action] for what a command line asks for, [Grants], [Reload] and
// [Status] for the sub-commands.
package control

import (
	"io"
	"os"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/config"
	"fwknopd/policy/conf"
)

// Action returns a function that runs the action the options ask for and returns
// its exit code; nil if this package does not implement that action.
func Action(o *cli.Options) func(stdout, stderr io.Writer) int {
	switch {
	case o.Status:
		return withLenientConfig(o, (*command).status)
	case o.Kill:
		return withLenientConfig(o, (*command).kill)
	case o.Restart:
		return withLenientConfig(o, (*command).restart)
	case o.FWList, o.FWListAll:
		return withValidConfig(o, (*command).list)
	case o.FWFlush:
		return withValidConfig(o, (*command).flush)
	case o.FWDelIP != "":
		return withValidConfig(o, (*command).deleteIP)
	case o.KeyGen:
		return func(stdout, stderr io.Writer) int { return keyGen(o, stdout, stderr) }
	case o.ErrCodes:
		return func(stdout, stderr io.Writer) int { return errorCodes(o, stdout, stderr) }
	case o.ParseDigests:
		return withLenientConfig(o, (*command).parseCache)
	}
	return nil
}

// withLenientConfig runs a command that only needs the paths in the configuration.
// Errors in the rest are printed and ignored, so that a daemon can be stopped while
// its file is being edited.
func withLenientConfig(o *cli.Options, run func(*command) int) func(stdout, stderr io.Writer) int {
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
			return exitError // the path of the pid file is unknown
		}
		return run(&command{o, l, stdout, stderr})
	}
}

// withValidConfig runs a command only if the configuration is valid.
func withValidConfig(o *cli.Options, run func(*command) int) func(stdout, stderr io.Writer) int {
	return func(stdout, stderr io.Writer) int {
		l, problems := loadValid(config.FromFlags(o))
		if l == nil {
			config.Print(stderr, problems)
			return exitError
		}
		return run(&command{o, l, stdout, stderr})
	}
}

func loadValid(opts config.Options) (*config.Loaded, conf.Problems) {
	l, problems := load(opts)
	if problems.Failed() {
		return nil, problems
	}
	return l, nil
}

// load reads the server file. If that leaves the dialect open, the stanzas decide
// it, as they do for the daemon; they are not validated here.
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
