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
	state := c.state(d)
	switch {
	case c.JSON():
		err = c.statusJSON(d, state)
	case c.Server.Dialect == conf.C26 && d.pid != 0:
		c.printfln("Detected fwknopd is running (pid=%d).", d.pid)
		c.printState(state)
	case c.Server.Dialect == conf.C26:
		c.printfln("No running fwknopd detected.")
	default:
		c.printStatusLines(d)
		c.printState(state)
	}
	if err != nil {
		return c.fail(err)
	}
	if d.pid == 0 && (c.Server.Dialect == conf.C26 || c.JSON()) {
		return exitError
	}
	return exitOK
}

// state returns what a running daemon reports about itself, such as an interface that it
// waits for; nothing if the daemon does not answer.
func (c *command) state(d daemon) State {
	if d.pid == 0 {
		return State{}
	}
	s, _ := askState(c.pidFile())
	return s
}

// askState returns what the daemon with that pid file reports about itself.
func askState(pidFile string) (State, error) {
	a, err := askTimeout(stateTimeout, SocketPath(pidFile), request{Do: "state"})
	if err != nil {
		return State{}, err
	}
	return State{Waiting: a.Waiting, Unconfined: a.Unconfined}, nil
}

func (c *command) printState(s State) {
	for _, text := range []string{s.Waiting, s.Unconfined} {
		if text != "" {
			c.printfln("[-] %s", conf.Printable(text))
		}
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

	Unconfined string `json:"unconfined,omitempty"` // why the worker is not wholly confined
}

func (c *command) statusJSON(d daemon, s State) error {
	return json.NewEncoder(c.stdout).Encode(state{1, d.pid != 0, d.pid, d.worker, d.pidFile, s.Waiting, c.roles(d), s.Unconfined})
}

func (c *command) roles(d daemon) []role { return roles(c.Server, d) }

func (c *command) pidFile() string { return c.Server.PIDFile }
