package control

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/cmd/fwknopd/inputs"
	"fwknopd/cmd/fwknopd/report"
)

// statusTimeout bounds a status request: the daemon waits some seconds for the firewall and
// for the worker.
const statusTimeout = 10 * time.Second

// Reload implements `fwknopd reload` and returns the exit code: 78 if the configuration is
// refused.
func Reload(args []string, stdout, stderr io.Writer) int {
	return withPaths(cli.Reload, args, (*command).reloadDaemon, stdout, stderr)
}

// Status implements `fwknopd status` and returns the exit code: 1 if no daemon runs.
func Status(args []string, stdout, stderr io.Writer) int {
	return withPaths(cli.Status, args, (*command).daemonStatus, stdout, stderr)
}

// withPaths runs a command that takes only the place of the control socket from the
// configuration. Errors in it are for the daemon to say.
func withPaths(c cli.Command, args []string, run func(*command) int, stdout, stderr io.Writer) int {
	cmd, code := beginWithPaths(c, args, stdout, stderr)
	if cmd == nil {
		return code
	}
	return run(cmd)
}

// beginWithPaths parses the command line for withPaths. If cmd is nil, the command ends with
// that exit code.
func beginWithPaths(c cli.Command, args []string, stdout, stderr io.Writer) (cmd *command, code int) {
	o, code := cli.Begin(c, args, stdout, stderr)
	if o == nil {
		return nil, code
	}
	opts := config.FromFlags(o)
	opts.Offline = true
	if main := opts.Main(); main != "" {
		f, err := os.Open(main)
		if err != nil {
			inputs.PrintError(stderr, "fwknopd", cli.Rights(err))
			return nil, exitError
		}
		f.Close()
	}
	l, _ := load(opts)
	return &command{o, l, stdout, stderr}, exitOK
}

// AskStatus returns what the daemon with that pid file says about itself.
func AskStatus(pidFile string) (*report.Status, error) {
	a, err := askTimeout(statusTimeout, SocketPath(pidFile), request{Do: "status"})
	return statusOf(a, err)
}

// AskFleet has the daemon with that pid file ask its fleet process for the status. runs is false if no
// such daemon answers.
func AskFleet(pidFile string) (s fleetlink.Status, runs bool, err error) {
	a, err := askTimeout(statusTimeout, SocketPath(pidFile), request{Do: "fleet"})
	switch {
	case errors.Is(err, errNoDaemon):
		return s, false, err
	case err != nil:
		return s, true, err
	case a.Fleet == nil:
		return s, true, errors.New("the daemon gave no status of a fleet")
	}
	return *a.Fleet, true, nil
}

func statusOf(a *answer, err error) (*report.Status, error) {
	if err == nil && a.Status == nil {
		err = errors.New("the daemon gave no status")
	}
	if err != nil {
		return nil, err
	}
	return a.Status, nil
}

// errNotRunning means that there is no daemon with the pid file of the configuration.
var errNotRunning = errors.New("no running fwknopd detected")

// askDaemon sends a request that only a running daemon can answer.
func (c *command) askDaemon(d time.Duration, req request) (*answer, error) {
	a, err := askTimeout(d, SocketPath(c.pidFile()), req)
	return a, c.daemonError(err)
}

// daemonError returns what to say of an error of the control socket.
func (c *command) daemonError(err error) error {
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, errNoDaemon):
		return fmt.Errorf("daemon: %w", err)
	}
	running, err := findDaemon(c.pidFile())
	switch {
	case err != nil:
		return err
	case running.pid == 0:
		return fmt.Errorf("%w (%s)", errNotRunning, c.pidFile())
	}
	return fmt.Errorf("the daemon (pid %d) does not listen at %s", running.pid, SocketPath(c.pidFile()))
}

// reloadDaemon has the daemon read its configuration again and prints the verdict.
func (c *command) reloadDaemon() int {
	a, err := c.askDaemon(exchangeTimeout, request{Do: "reload"})
	if err != nil {
		return c.fail(err)
	}
	r := a.Reload
	switch {
	case r == nil:
		return c.fail(errors.New("the daemon gave no verdict"))
	case c.JSON():
		c.printfln("%s", r.JSON())
	default:
		config.Print(c.stderr, r.Problems)
	}
	switch r.Verdict {
	case report.ReloadLoaded:
		if !c.JSON() {
			c.printfln("%s", r.Text())
		}
		return exitOK
	case report.ReloadRefused:
		c.fail(errors.New(r.Text()))
		return exitConfig
	}
	return c.fail(errors.New(r.Text()))
}

// daemonStatus prints what the daemon says about itself.
func (c *command) daemonStatus() int {
	s, err := statusOf(c.askDaemon(statusTimeout, request{Do: "status"}))
	switch {
	case errors.Is(err, errNotRunning) && c.JSON():
		c.printfln("%s", report.NotRunningJSON(c.pidFile()))
		return exitError
	case err != nil:
		return c.fail(err)
	case c.JSON():
		c.printfln("%s", s.JSON())
	default:
		_, err = io.WriteString(c.stdout, s.Text())
	}
	if err != nil {
		return c.fail(err)
	}
	return exitOK
}
