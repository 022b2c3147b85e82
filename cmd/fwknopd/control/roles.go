package control

import (
	"slices"

	"fwknopd/policy/conf"
)

// A role is a job that had a process of its own once. We have two processes; a role
// says which of them does the job.
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

// logModes are the ingesters that read log lines, as knopmd did.
var logModes = []string{"KNOCK", "FIFO", "JOURNAL"}

// roles are those that exist with this configuration, in the order in which they
// are told to stop: who restarts others first.
func roles(s *conf.Server, d daemon) []role {
	reader := d.worker
	if reader == 0 {
		reader = d.pid // one process does it all
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
