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

// How long to wait for the daemon to exit after SIGTERM, and after SIGKILL.
const (
	termWait = 4 * time.Second
	killWait = time.Second
)

// kill implements -K. It signals the main process, which would restart the worker;
// the worker exits with it.
func (c *command) kill() int {
	d, err := findDaemon(c.pidFile())
	if err != nil {
		return c.fail(err)
	}
	if c.Server.Dialect == conf.C26 {
		return c.kill26(d)
	}
	c.printKillLines(d)
	if d.pid == 0 {
		return exitOK // already stopped
	}
	signal, err := terminate(d)
	if err == nil && signal == unix.SIGKILL {
		err = c.applyExitPolicy()
	}
	if err != nil {
		return c.fail(err)
	}
	return exitOK
}

// applyExitPolicy leaves the firewall as a regular exit of the daemon would, after
// the daemon was killed.
func (c *command) applyExitPolicy() error {
	ctx := context.Background()
	fw, err := firewall.Open(ctx, c.Loaded)
	if err != nil || fw == nil {
		return err
	}
	defer fw.Close()
	open, err := fw.List(ctx)
	closed, failed := fw.ApplyExitPolicy(ctx, c.Server)
	if closed {
		localCutter{fw, newGrantClient(c).access, c.Server.GuardForward}.cut(open)
	}
	return errors.Join(err, failed)
}

// printKillLines prints the lines of the 1.9 daemon, one for each role.
func (c *command) printKillLines(d daemon) {
	for _, r := range c.roles(d) {
		switch {
		case r.Running:
			c.printfln("[+] %s is running (pid: %d), stopping daemon", r.Name, r.PID)
		case d.exists:
			c.printfln("[-] %s is not running", r.Name)
		default:
			c.printfln("[-] pid file %s does not exist for %s", d.pidFile, r.Name)
		}
	}
}

// kill26 implements -K with the output of the 2.6 daemon.
func (c *command) kill26(d daemon) int {
	if d.pid == 0 {
		fmt.Fprintln(c.stderr, "No running fwknopd detected.")
		return exitError
	}
	signal, err := terminate(d)
	if err != nil {
		return c.fail(err)
	}
	if signal == unix.SIGKILL {
		if err := c.applyExitPolicy(); err != nil {
			return c.fail(err)
		}
	}
	c.printfln("Killed fwknopd (pid=%d) via %s", d.pid, unix.SignalName(signal))
	return exitOK
}

// terminate stops the daemon and removes its pid file. It returns the last signal
// that was sent.
func terminate(d daemon) (took unix.Signal, err error) {
	p, err := d.openProcess()
	if err != nil || p == nil {
		return unix.SIGTERM, errors.Join(err, removeStalePID(d.pidFile))
	}
	defer p.close()
	var worker *process
	if d.worker != 0 {
		worker, _ = openProcess(d.worker) // nil if it has exited
	}
	took = unix.SIGTERM
	err = p.signal(took)
	if err != nil || !p.waitExit(termWait) {
		took = unix.SIGKILL
		if err = p.signal(took); err != nil {
			return took, err
		}
		if !p.waitExit(killWait) {
			return took, fmt.Errorf("fwknopd (pid %d) is still alive after SIGKILL", d.pid)
		}
	}
	if worker != nil {
		defer worker.close()
		if !worker.waitExit(killWait) {
			return took, fmt.Errorf("the worker of fwknopd (pid %d) is still alive", d.worker)
		}
	}
	return took, removeStalePID(d.pidFile)
}

// removeStalePID removes a pid file that no process has locked.
func removeStalePID(path string) error {
	owner, err := pidfile.Owner(path)
	if err == nil && owner == 0 {
		err = os.Remove(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
