// Package daemon is the running daemon: it reads packets and logs, and opens the
// firewall for authorized clients.
//
// It is two processes of one binary. The monitor (root) reads the configuration,
// owns the firewall, logs and sends mail. The worker (unprivileged) reads packets. It
// gets its configuration, digest file and sockets from the monitor, and can request
// only what access.conf permits. With --test both are goroutines of one process and
// there is no firewall.
//
// Entry points: [Run], and [Worker] if [IsWorker] is true.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/control"
	"fwknopd/cmd/fwknopd/pidfile"
)

// Exit codes of the command line contract.
const (
	exitOK     = 0
	exitError  = 1
	exitConfig = 78
)

// Run runs the daemon and returns its exit code: `fwknopd` without an action.
func Run(o *cli.Options, version string, stderr io.Writer) int {
	if inBackground() {
		setProcessName()
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
		if err := rotate(s, stderr); err != nil {
			return fail(err)
		}
	}
	if shouldDetach(o) {
		return detach(stderr)
	}
	d := newDaemon(o, s, version, stderr)
	if err := d.run(context.Background()); err != nil {
		d.fatalf("%v", err)
		d.saveStderr(err)
		notifyParent(err.Error())
		return exitError
	}
	notifyParent("ended before it was at work")
	return exitOK
}

// rotate implements --rotate-digest-cache.
func rotate(s *setup, stderr io.Writer) error {
	path := digestFile(s.Loaded)
	if path == "" {
		return nil
	}
	renamed, err := control.RotateCache(path)
	if renamed {
		fmt.Fprintf(stderr, "[+] Renamed %s to %[1]s-old; messages in it count as new while they are young enough.\n", path)
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
