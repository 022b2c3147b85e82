package daemon

import (
	"os"

	"fwknopd/cmd/fwknopd/control"
	"fwknopd/cmd/fwknopd/pidfile"
)

// takePID locks the pid file, and in the background writes down how we were
// started, for --Restart.
func (k *keeper) takePID() error {
	if k.o.Test {
		return nil
	}
	s := k.conf().Server
	p, err := pidfile.Create(s.PIDFile)
	if err != nil {
		return err
	}
	k.pid = p
	if !inBackground() {
		return nil
	}
	dir, err := os.Getwd()
	if err == nil {
		k.record = s.CmdlineFile
		err = control.Record(k.record, os.Args[1:], dir)
	}
	if err != nil {
		k.say(bad, "--Restart will not work: %v", err)
	}
	return nil
}

// serveControl lets other processes ask what is open, and close it.
func (k *keeper) serveControl() (stop func()) {
	if k.o.Test {
		return func() {}
	}
	stop, err := control.Serve(control.SocketPath(k.conf().Server.PIDFile), k.mon, k.waiting)
	if err != nil {
		k.alert(bad, "%v: grants can be closed by their end alone", err)
		return func() {}
	}
	return stop
}

// dropPID removes what takePID made.
func (k *keeper) dropPID() {
	if k.record != "" {
		os.Remove(k.record)
	}
	if k.pid == nil {
		return
	}
	if err := k.pid.Remove(); err != nil {
		k.say(bad, "pid file: %v", err)
	}
}
