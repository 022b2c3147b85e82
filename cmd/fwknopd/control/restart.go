package control

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"fwknopd/policy/conf"
)

// restart is -R: the daemon again with its own command line in its own directory.
// It is our executable that is started.
func (c *command) restart() int {
	d, err := find(c.pidFile())
	if err != nil {
		return c.fail(err)
	}
	if c.Server.Dialect == conf.C26 {
		return c.restartC(d)
	}
	// Read before the daemon takes it away at its end.
	path := c.Server.CmdlineFile
	again, err := readRecord(path)
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case err != nil && !missing:
		return c.fail(err)
	case d.pid != 0 && (missing || again.PID != d.pid):
		return c.reload(d)
	case missing:
		c.killLines(d)
		return c.fail(fmt.Errorf("%s does not exist: there is no command line to start again", path))
	}
	c.killLines(d)
	if d.pid != 0 {
		if _, err := end(d); err != nil {
			return c.fail(err)
		}
	}
	c.say("[+] Restarting fwknop daemons.")
	return c.start(again)
}

func (c *command) start(again *record) int {
	self, err := os.Executable()
	if err != nil {
		return c.fail(err)
	}
	cmd := exec.Command(self, again.Args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = again.Dir, c.stdout, c.stderr
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

// reload is for a daemon in the foreground: whoever started it would take its end
// for one.
func (c *command) reload(d daemon) int {
	if err := d.hangUp(); err != nil {
		return c.fail(err)
	}
	c.say("[+] fwknopd runs in the foreground (pid: %d), sent it the signal to read its configuration again.", d.pid)
	return exitOK
}

// restartC is -R as the 2.6 daemon has it.
func (c *command) restartC(d daemon) int {
	if d.pid == 0 {
		fmt.Fprintln(c.stderr, "No running fwknopd detected.")
		return exitError
	}
	if err := d.hangUp(); err != nil {
		return c.fail(err)
	}
	c.say("Sent restart signal to fwknopd (pid=%d)", d.pid)
	return exitOK
}

func (d daemon) hangUp() error {
	p, err := d.hold()
	if err != nil {
		return err
	}
	if p == nil {
		return fmt.Errorf("fwknopd (pid %d) has just ended", d.pid)
	}
	defer p.close()
	return p.signal(unix.SIGHUP)
}
