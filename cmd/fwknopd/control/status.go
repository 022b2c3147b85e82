package control

import (
	"encoding/json"

	"fwknopd/policy/conf"
)

// status implements -S. The exit code is 0 if the daemon runs; with the output of 1.9
// it is always 0, as in 1.9.
func (c *command) status() int {
	d, err := findDaemon(c.pidFile())
	if err != nil {
		return c.fail(err)
	}
	waiting := c.waiting(d)
	switch {
	case c.JSON():
		err = c.statusJSON(d, waiting)
	case c.Server.Dialect == conf.C26 && d.pid != 0:
		c.printfln("Detected fwknopd is running (pid=%d).", d.pid)
		c.printWaiting(waiting)
	case c.Server.Dialect == conf.C26:
		c.printfln("No running fwknopd detected.")
	default:
		c.printStatusLines(d)
		c.printWaiting(waiting)
	}
	if err != nil {
		return c.fail(err)
	}
	if d.pid == 0 && (c.Server.Dialect == conf.C26 || c.JSON()) {
		return exitError
	}
	return exitOK
}

// waiting returns what a running daemon waits for, such as an interface that does not
// exist; "" for nothing, and if the daemon does not answer.
func (c *command) waiting(d daemon) string {
	if d.pid == 0 {
		return ""
	}
	a, err := askTimeout(stateTimeout, SocketPath(c.pidFile()), request{Do: "state"})
	if err != nil {
		return ""
	}
	return a.Waiting
}

func (c *command) printWaiting(waiting string) {
	if waiting != "" {
		c.printfln("[-] %s", conf.Printable(waiting))
	}
}

// printStatusLines prints the lines of 1.9, which has none for the listeners.
func (c *command) printStatusLines(d daemon) {
	for _, r := range c.roles(d) {
		switch {
		case r.Name == roleServe:
		case r.Running:
			c.printfln("[+] %s is running as pid: %d", r.Name, r.PID)
		case d.exists:
			c.printfln("[+] %s is not currently running.", r.Name)
		default:
			c.printfln("[+] %s pidfile does not exist.", r.Name)
		}
	}
}

// A state is the output of -S --format json. Members may be added, never removed or
// changed.
type state struct {
	V       int    `json:"v"`
	Running bool   `json:"running"`
	PID     int    `json:"pid,omitempty"`
	Worker  int    `json:"worker_pid,omitempty"`
	PIDFile string `json:"pid_file"`
	Waiting string `json:"waiting,omitempty"`
	Roles   []role `json:"roles"`
}

func (c *command) statusJSON(d daemon, waiting string) error {
	return json.NewEncoder(c.stdout).Encode(state{1, d.pid != 0, d.pid, d.worker, d.pidFile, waiting, c.roles(d)})
}

func (c *command) roles(d daemon) []role { return roles(c.Server, d) }

func (c *command) pidFile() string { return c.Server.PIDFile }
