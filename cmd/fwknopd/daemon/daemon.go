// Package daemon is the privileged process of the daemon, the monitor: it reads the
// configuration, owns the firewall, starts the unprivileged worker that reads packets,
// opens for clients what the worker requests and access.conf permits, logs, and sends
// mail. With --test both are goroutines of one process and there is no firewall.
//
// Entry point: [Run].
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/control"
	"fwknopd/cmd/fwknopd/engine"
	"fwknopd/cmd/fwknopd/pidfile"
	"fwknopd/cmd/fwknopd/privsep"
)

// Exit codes of the command line contract.
const (
	exitOK     = 0
	exitError  = 1
	exitConfig = 78
)

// A Worker is the main function of the worker, for --test: it runs until ctx is done,
// conn is closed, or all input has been processed ([privsep.ErrFinished]).
type Worker func(ctx context.Context, conn *net.UnixConn, records io.WriteCloser) error

// Run runs the daemon and returns its exit code: `fwknopd` without an action.
func Run(o *cli.Options, version string, work Worker, stderr io.Writer) int {
	if inBackground() {
		privsep.SetProcessName()
	}
	s, problems := prepare(o)
	config.Print(stderr, problems)
	if problems.Failed() {
		return exitConfig
	}
	fail := func(err error) int {
		fmt.Fprintf(stderr, "fwknopd: %v\n", err)
		return exitError
	}
	if os.Geteuid() != 0 && !o.Test {
		return fail(errors.New("only root can open the firewall; --test decides and opens nothing"))
	}
	if err := checkNotRunning(s); err != nil {
		return fail(err)
	}
	if o.RotateCache && !inBackground() { // only in the first process: the one in the background has the same options
		if err := rotate(o, s, stderr); err != nil {
			return fail(err)
		}
	}
	if shouldDetach(o) {
		return detach(stderr)
	}
	d := newDaemon(o, s, version, stderr)
	d.work = work
	if err := d.run(context.Background()); err != nil {
		if !d.ready.Load() {
			d.logf(info, "fwknopd doctor looks for what keeps the daemon from its work")
		}
		d.fatalf("%v", err) // the last message
		d.saveStderr(err)
		notifyParent(err.Error())
		return exitError
	}
	notifyParent("ended before it was at work")
	return exitOK
}

// rotate implements --rotate-digest-cache.
func rotate(o *cli.Options, s *setup, stderr io.Writer) error {
	path := engine.DigestFile(s.Server)
	if path == "" {
		return nil
	}
	renamed, err := control.RotateCache(path)
	if renamed {
		then := "messages sent before this start are refused"
		if o.Test {
			then = "messages in it count as new while they are young enough"
		}
		fmt.Fprintf(stderr, "[+] Renamed %s to %[1]s-old; %s.\n", path, then)
	}
	return err
}

// checkNotRunning returns an error if another daemon is running.
func checkNotRunning(s *setup) error {
	path := s.Server.PIDFile
	pid, err := pidfile.Owner(path)
	if err != nil || pid == 0 { // Create reports what is wrong with the file
		return nil
	}
	return &pidfile.RunningError{Path: path, PID: pid}
}
