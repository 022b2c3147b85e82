package control

import (
	"slices"

	"fwknopd/policy/conf"
)

// A role is the task of one process of the 1.9 daemon, with the pid of the process
// of ours that does it.
type role struct {
	Name    string `json:"name"`
	Job     string `json:"job"`
	PID     int    `json:"pid,omitempty"`
	Running bool   `json:"running"`
}

// Names of the roles.
const (
	roleWatch  = "knopwatchd"
	roleLog    = "knopmd"
	roleExpire = "knoptm"
	roleServe  = "fwknop_serv"
	roleMain   = "fwknopd"
)

// logModes are the values of AUTH_MODE that read log lines, as knopmd did.
var logModes = []string{"KNOCK", "FIFO", "JOURNAL", "KMSG", "KAFKA"}

// roles returns the roles that exist with this configuration, in the order in which
// they are stopped: the process that restarts others comes first.
func roles(s *conf.Server, d daemon) []role {
	reader := d.worker
	if reader == 0 {
		reader = d.pid // there is one process only
	}
	list := []role{{Name: roleWatch, Job: "restarts the worker", PID: d.pid}}
	if slices.ContainsFunc(s.AuthModes, func(m string) bool { return slices.Contains(logModes, m) }) {
		list = append(list, role{Name: roleLog, Job: "reads log lines", PID: reader})
	}
	list = append(list, role{Name: roleExpire, Job: "ends grants", PID: d.pid})
	if s.TCPServer || s.UDPServer ||
		slices.Contains(s.AuthModes, "UDP") || slices.Contains(s.AuthModes, "TCP") {
		list = append(list, role{Name: roleServe, Job: "listens for SPA packets", PID: reader})
	}
	list = append(list, role{Name: roleMain, Job: "owns firewall and commands", PID: d.pid})
	for i := range list {
		list[i].Running = list[i].PID != 0
	}
	return list
}
