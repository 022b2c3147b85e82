// Fwknopd is the server of the firewall knock operator: it reads the packets that reach
// a host, recognises Single Packet Authorization and port-knock sequences, and opens the
// firewall to the client for a limited time. It also analyses logs and captures offline:
// which systems knocked, and what the daemon would have decided.
//
// Each command is implemented in a package below this one.
package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/control"
	"fwknopd/cmd/fwknopd/daemon"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/replay"
	"fwknopd/cmd/fwknopd/sandbox"
	"fwknopd/cmd/fwknopd/worker"
)

// Exit codes of the command line contract.
const (
	exitOK    = 0
	exitError = 1
)

// revision names the commit and is set by the linker.
var revision = "unknown"

func main() {
	sandbox.CloseOnExec()
	if privsep.IsWorker() {
		os.Exit(worker.Main())
	}
	stdout := cli.NewOutput(os.Stdout)
	code := run(os.Args[1:], os.Stdin, stdout, os.Stderr)
	os.Exit(stdout.Code(cli.Daemon, code, os.Stderr))
}

// run is main with arguments and streams as parameters, for tests.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		if c := commands[args[0]]; c != nil {
			return c(args[1:], stdin, stdout, stderr)
		}
	}
	o, code := cli.Begin(cli.Daemon, args, stdout, stderr)
	if o == nil {
		return code
	}
	switch {
	case o.Version:
		if err := o.PrintVersion(stdout, revision, fmt.Sprintf("[+] fwknopd v%s (revision: %s)\n", cli.Release, revision)); err != nil {
			fmt.Fprintf(stderr, "fwknopd: %v\n", err)
			return exitError
		}
		return exitOK
	case o.OS:
		return runOS(o, stdin, stdout, stderr)
	case o.Dump:
		return config.Dump(config.DumpOptions{Options: config.FromFlags(o), Format: o.Format, IncludeAll: o.IncludeAll,
			Defaults: o.Defaults, Now: time.Now()}, stdout, stderr)
	case o.SPADump != "":
		return replay.DumpPackets(*o, time.Now(), stdout, stderr)
	case o.ParseConfig:
		return config.ParseOnly(config.FromFlags(o), o.JSON(), stdout, stderr)
	}
	if act := control.Action(o); act != nil {
		return act(stdout, stderr)
	}
	return daemon.Run(o, cli.Release, worker.Run, stderr)
}
