package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"syscall"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/control"
	"fwknopd/cmd/fwknopd/demo"
	"fwknopd/cmd/fwknopd/doctor"
	"fwknopd/cmd/fwknopd/firewall"
	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/replay"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/cmd/fwknopd/setup"
	"fwknopd/cmd/fwknopd/top"
	"fwknopd/cmd/fwknopd/why"
	"fwknopd/policy"
)

// A command is a sub-command: it parses the arguments after its name and returns the
// exit code.
type command func(args []string, stdin io.Reader, stdout, stderr io.Writer) int

// commands are the sub-commands by name.
var commands = map[string]command{
	"replay":  replay.Replay,
	"explain": replay.Explain,
	"check": func(args []string, _ io.Reader, stdout, stderr io.Writer) int {
		return config.Checker{Expect: replay.Expect, Firewall: firewall.Survey, Kernel: privsep.DescribeForm}.Run(args, stdout, stderr)
	},
	"doctor": func(args []string, _ io.Reader, stdout, stderr io.Writer) int {
		return doctor.Doctor{Firewall: firewall.Survey}.Run(args, stdout, stderr)
	},
	"init": func(args []string, _ io.Reader, stdout, stderr io.Writer) int {
		return setup.Setup{Firewall: firewall.Survey}.Run(args, stdout, stderr)
	},
	"grants": func(args []string, _ io.Reader, stdout, stderr io.Writer) int {
		return control.Grants(args, stdout, stderr)
	},
	"digests": func(args []string, _ io.Reader, stdout, stderr io.Writer) int {
		return control.Digests(args, stdout, stderr)
	},
	"reload": func(args []string, _ io.Reader, stdout, stderr io.Writer) int {
		return control.Reload(args, stdout, stderr)
	},
	"status": func(args []string, _ io.Reader, stdout, stderr io.Writer) int {
		return control.Status(args, stdout, stderr)
	},
	"top": func(args []string, _ io.Reader, stdout, stderr io.Writer) int {
		return top.Run(args, stdout, stderr)
	},
	"version": showVersion,
	"why": func(args []string, _ io.Reader, stdout, stderr io.Writer) int {
		return why.Run(args, stdout, stderr)
	},
	"fleet":  runFleet,
	"stats":  showStats,
	"report": showReport,
	"help":   showHelp,
	"migrate": func(args []string, _ io.Reader, stdout, stderr io.Writer) int {
		return config.Migrate(args, stdout, stderr)
	},
	"completion": func(args []string, _ io.Reader, stdout, stderr io.Writer) int {
		var reasons []string
		for _, r := range report.Reasons() {
			reasons = append(reasons, string(r))
		}
		return cli.Completions(args, reasons, stdout, stderr)
	},
}

// showHelp implements `fwknopd help`: a topic is a command, a keyword or a reason.
func showHelp(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	o, code := cli.Begin(cli.Help, args, stdout, stderr)
	switch {
	case o == nil:
		return code
	case len(o.Operands) == 0:
		cli.Topics(stdout)
		fmt.Fprintf(stdout, "\nReasons of decisions:\n")
		for _, r := range report.Reasons() {
			fmt.Fprintf(stdout, "  %s\n", r)
		}
	}
	code = exitOK
	for i, topic := range o.Operands {
		if i > 0 {
			fmt.Fprintln(stdout)
		}
		if c, ok := cli.Named(topic); ok {
			cli.Usage(stdout, c)
		} else if text := report.ReasonHelp(policy.Reason(topic)); text != "" {
			io.WriteString(stdout, text)
		} else if config.Help([]string{topic}, stdout, stderr) != exitOK {
			code = exitError
		}
	}
	return code
}

// The demonstration runs other commands, so it cannot stand in the initial value.
func init() {
	commands["demo"] = func(args []string, _ io.Reader, stdout, stderr io.Writer) int {
		o, code := cli.Begin(cli.Demo, args, stdout, stderr)
		switch {
		case o == nil:
			return code
		case o.Inside:
			return demo.Inside(stdout, stderr)
		}
		return demo.Show(run, stdout, stderr)
	}
}

// runFleet implements `fwknopd fleet`: a program of its own takes this one's place, so that the
// daemon has nothing of it.
func runFleet(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 0 || slices.Contains([]string{"-h", "--help"}, args[0]) {
		_, code := cli.Begin(cli.Fleet, []string{"--help"}, stdout, stderr)
		return code
	}
	program, err := fleetlink.FindProgram()
	if err == nil {
		err = syscall.Exec(program, append([]string{fleetlink.Program}, args...), os.Environ())
	}
	fmt.Fprintf(stderr, "%s: %v\n", cli.Fleet, err)
	return exitError
}

// showVersion implements `fwknopd version`.
func showVersion(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	o, code := cli.Begin(cli.Version, args, stdout, stderr)
	if o == nil {
		return code
	}
	err := o.PrintVersion(stdout, revision, fmt.Sprintf("fwknopd %s\nrevision %s\nbuilt with %s for %s/%s\n", cli.Release, revision, runtime.Version(), runtime.GOOS, runtime.GOARCH))
	if err != nil {
		fmt.Fprintf(stderr, "fwknopd: %v\n", err)
		return exitError
	}
	return exitOK
}
