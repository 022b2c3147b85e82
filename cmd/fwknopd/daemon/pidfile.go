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
