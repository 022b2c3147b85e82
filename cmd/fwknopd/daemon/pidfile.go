package daemon

import (
	"os"

	"fwknopd/cmd/fwknopd/control"
	"fwknopd/cmd/fwknopd/pidfile"
)

// createPIDFile locks the pid file. In the background it also records the command line
// for --Restart.
func (d *daemon) createPIDFile() error {
	if d.o.Test {
		return nil
	}
	s := d.conf().Server
	p, err := pidfile.Create(s.PIDFile)
	if err != nil {
		return err
	}
	d.pid = p
	if !inBackground() {
		return nil
	}
	dir, err := os.Getwd()
	if err == nil {
		d.cmdlineFile = s.CmdlineFile
		err = control.Record(d.cmdlineFile, os.Args[1:], dir)
	}
	if err != nil {
		d.logf(warning, "--Restart will not work: %v", err)
	}
	return nil
}

// serveControl opens the control socket, on which other processes list, close and open
// grants, reload the configuration, ask for the status and watch the events.
func (d *daemon) serveControl() (stop func()) {
	if d.o.Test {
		return func() {}
	}
	stop, err := control.Serve(control.SocketPath(d.conf().Server.PIDFile), d.mon, control.Host{
		State: func() control.State {
			return control.State{Waiting: d.waiting(), Unconfined: d.unconfined(), Access: d.conf().Access}
		},
		Line:   func(stanza string) (int, error) { return d.conf().Access.Line(stanza) },
		Add:    d.openByHand,
		Reload: d.reloadOnRequest, Status: d.status, Uses: d.usesOnRequest,
		Fleet: d.fleetStatus, FleetRevoke: d.fleet.revokeEverywhere, FleetLink: d.fleetLink,
		Feed: &d.events.feed, Guard: d.conf().Server.GuardForward, Rejecter: d.fw.Rejecter,
	})
	if err != nil {
		d.alertf(warning, "%v: grants can be closed by their end alone", err)
		return func() {}
	}
	return stop
}

// removePIDFile removes what createPIDFile created.
func (d *daemon) removePIDFile() {
	if d.cmdlineFile != "" {
		os.Remove(d.cmdlineFile)
	}
	if d.pid == nil {
		return
	}
	if err := d.pid.Remove(); err != nil {
		d.logf(warning, "pid file: %v", err)
	}
}
