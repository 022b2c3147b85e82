package control

import (
	"encoding/json"

	"fwknopd/policy/conf"
)

// status is -S: what runs. It only reads. The exit code is 0 if the daemon does, but as
// 1.9 has it, it is always 0 with the lines of 1.9.
func (c *command) status() int {
	d, err := find(c.pidFile())
	if err != nil {
		return c.fail(err)
	}
	waiting := c.waiting(d)
	switch {
	case c.json():
		err = c.statusJSON(d, waiting)
	case c.Server.Dialect == conf.C26 && d.pid != 0:
		c.say("Detected fwknopd is running (pid=%d).", d.pid)
		c.sayWaiting(waiting)
	case c.Server.Dialect == conf.C26:
		c.say("No running fwknopd detected.")
	default:
		c.statusLines(d)
		c.sayWaiting(waiting)
	}
	if err != nil {
		return c.fail(err)
	}
	if d.pid == 0 && (c.Server.Dialect == conf.C26 || c.json()) {
		return exitError
	}
	return exitOK
}

func (c *command) json() bool { return c.Format == "json" || c.Format == "jsonl" }

// waiting is what a daemon that runs waits for, as an interface that is not there; ""
// for nothing, and where the daemon cannot be asked.
func (c *command) waiting(d daemon) string {
	if d.pid == 0 {
		return ""
	}
	a, err := askWithin(stateTime, SocketPath(c.pidFile()), request{Do: "state"})
	if err != nil {
		return ""
	}
	return a.Waiting
}

func (c *command) sayWaiting(waiting string) {
	if waiting != "" {
		c.say("[-] %s", waiting)
	}
}

// statusLines are those of 1.9, which knows no line for the listeners.
func (c *command) statusLines(d daemon) {
	for _, r := range c.roles(d) {
		switch {
		case r.Name == roleServe:
		case r.Running:
			c.say("[+] %s is running as pid: %d", r.Name, r.PID)
		case d.exists:
			c.say("[+] %s is not currently running.", r.Name)
		default:
			c.say("[+] %s pidfile does not exist.", r.Name)
		}
	}
}

// A state is -S --format json; it only grows.
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
