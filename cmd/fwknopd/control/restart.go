package control

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/policy/conf"
)

// HowToRestart is how an administrator starts the daemon anew. It is not -R, which has the daemon of
// a 2.6 file, and one in the foreground, read its configuration again.
const HowToRestart = "systemctl restart fwknopd, or fwknopd -K and then fwknopd"

// restart implements -R: it stops the daemon and starts our own executable with the
// daemon's arguments in its working directory.
func (c *command) restart() int {
	d, err := findDaemon(c.pidFile())
	if err != nil {
		return c.fail(err)
	}
	if c.Server.Dialect == conf.C26 {
		return c.restart26(d)
	}
	// Read it first: the daemon removes it when it exits.
	path := c.Server.CmdlineFile
	again, err := readRecord(path)
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case err != nil && !missing:
		return c.fail(err)
	case d.pid != 0 && (missing || again.PID != d.pid):
		return c.reload(d)
	case missing:
		c.printKillLines(d)
		return c.fail(fmt.Errorf("%s does not exist: there is no command line to start again", path))
	}
	c.printKillLines(d)
	if d.pid != 0 {
		if _, err := terminate(d); err != nil {
			return c.fail(err)
		}
	}
	c.printfln("[+] Restarting fwknop daemons.")
	return c.start(again)
}

func (c *command) start(again *record) int {
	self, err := os.Executable()
	if err != nil {
		return c.fail(err)
	}
	cmd := exec.Command(self, again.Args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = again.Dir, cli.File(c.stdout), c.stderr
	err = cmd.Run()
	var status *exec.ExitError
	switch {
	case errors.As(err, &status):
		return max(status.ExitCode(), exitError)
	case err != nil:
		return c.fail(err)
	}
	return exitOK
}

// reload sends SIGHUP to a daemon in the foreground, whose supervisor would not
// expect it to exit.
func (c *command) reload(d daemon) int {
	if err := d.sendSIGHUP(); err != nil {
		return c.fail(err)
	}
	c.printfln("[+] fwknopd runs in the foreground (pid: %d), sent it the signal to read its configuration again.", d.pid)
	return exitOK
}

// restart26 implements -R as the 2.6 daemon does.
func (c *command) restart26(d daemon) int {
	if d.pid == 0 {
		fmt.Fprintln(c.stderr, "No running fwknopd detected.")
		return exitError
	}
	if err := d.sendSIGHUP(); err != nil {
		return c.fail(err)
	}
	c.printfln("Sent restart signal to fwknopd (pid=%d)", d.pid)
	return exitOK
}

func (d daemon) sendSIGHUP() error {
	p, err := d.openProcess()
	if err != nil {
		return err
	}
	if p == nil {
		return fmt.Errorf("fwknopd (pid %d) has just ended", d.pid)
	}
	defer p.close()
	return p.signal(unix.SIGHUP)
}
