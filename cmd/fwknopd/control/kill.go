package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"fwknopd/cmd/fwknopd/firewall"
	"fwknopd/cmd/fwknopd/pidfile"
	"fwknopd/policy/conf"
)

// How long the daemon has to end by itself, and to be gone after it was made to.
const (
	termWait = 4 * time.Second
	killWait = time.Second
)

// kill is -K. The main process is the one that restarts the other, so it is told
// first; the worker cannot outlive it.
func (c *command) kill() int {
	d, err := find(c.pidFile())
	if err != nil {
		return c.fail(err)
	}
	if c.Server.Dialect == conf.C26 {
		return c.killC(d)
	}
	c.killLines(d)
	if d.pid == 0 {
		return exitOK // what was wanted is so
	}
	signal, err := end(d)
	if err == nil && signal == unix.SIGKILL {
		err = c.leave()
	}
	if err != nil {
		return c.fail(err)
	}
	return exitOK
}

// leave does to the firewall what a daemon that did not end by itself could not.
func (c *command) leave() error {
	ctx := context.Background()
	fw, err := firewall.Open(ctx, c.Loaded)
	if err != nil || fw == nil {
		return err
	}
	return errors.Join(fw.Leave(ctx, c.Server), fw.Close())
}

// killLines are those of 1.9, one for each role.
func (c *command) killLines(d daemon) {
	for _, r := range c.roles(d) {
		switch {
		case r.Running:
			c.say("[+] %s is running (pid: %d), stopping daemon", r.Name, r.PID)
		case d.exists:
			c.say("[-] %s is not running", r.Name)
		default:
			c.say("[-] pid file %s does not exist for %s", d.pidFile, r.Name)
		}
	}
}

// killC is -K as the 2.6 daemon has it.
func (c *command) killC(d daemon) int {
	if d.pid == 0 {
		fmt.Fprintln(c.stderr, "No running fwknopd detected.")
		return exitError
	}
	signal, err := end(d)
	if err != nil {
		return c.fail(err)
	}
	if signal == unix.SIGKILL {
		if err := c.leave(); err != nil {
			return c.fail(err)
		}
	}
	c.say("Killed fwknopd (pid=%d) via %s", d.pid, unix.SignalName(signal))
	return exitOK
}

// end stops the daemon, says which signal it took, and removes what it left.
func end(d daemon) (took unix.Signal, err error) {
	p, err := d.hold()
	if err != nil || p == nil {
		return unix.SIGTERM, errors.Join(err, clearAway(d.pidFile))
	}
	defer p.close()
	var worker *process
	if d.worker != 0 {
		worker, _ = openProcess(d.worker) // without one it is gone
	}
	took = unix.SIGTERM
	err = p.signal(took)
	if err != nil || !p.ends(termWait) {
		took = unix.SIGKILL
		if err = p.signal(took); err != nil {
			return took, err
		}
		if !p.ends(killWait) {
			return took, fmt.Errorf("fwknopd (pid %d) is still alive after SIGKILL", d.pid)
		}
	}
	if worker != nil {
		defer worker.close()
		if !worker.ends(killWait) {
			return took, fmt.Errorf("the worker of fwknopd (pid %d) is still alive", d.worker)
		}
	}
	return took, clearAway(d.pidFile)
}

// clearAway removes a pid file that nobody holds any more.
func clearAway(path string) error {
	owner, err := pidfile.Owner(path)
	if err == nil && owner == 0 {
		err = os.Remove(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
