package daemon

import (
	"context"
	"errors"
	"time"

	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/ingest"
)

// startChecks starts the periodic tasks that the configuration asks for: interface
// checks and voluntary restarts of the worker. Only the latter use a timer.
func (d *daemon) startChecks(ctx context.Context) {
	d.watchInterfaces(ctx)
	if s := d.conf().Server; s.VoluntaryExits {
		go every(ctx, s.ExitInterval, d.restartWorker)
	}
}

// every calls do once per interval d until ctx is done.
func every(ctx context.Context, d time.Duration, do func()) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			do()
		}
	}
}

// restartWorker ends the worker, so that a new one is started (ENABLE_VOLUNTARY_EXITS).
// Grants are not affected.
func (d *daemon) restartWorker() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.worker == nil {
		return
	}
	d.alertf(info, "ending the worker for a fresh start (ENABLE_VOLUNTARY_EXITS)")
	_ = d.worker.Kill() // by its handle, not its pid; it may have ended by itself
}

// errInterfaceDown ends the daemon when its capture interface goes down.
var errInterfaceDown = errors.New("the capture interface is down (EXIT_AT_INTF_DOWN)")

// watchInterfaces logs when a capture interface goes down or comes back
// (ENABLE_INTF_CHECKS). The capture itself continues where it can.
func (d *daemon) watchInterfaces(ctx context.Context) {
	s := d.conf().Server
	names := make(map[string]bool)
	for _, f := range privsep.SourceSpecs(d.conf().Loaded) {
		if f.Mode == "PCAP" && !f.Once && f.Path != "any" {
			names[f.Path] = true
		}
	}
	if len(names) == 0 || !s.ExitAtIntfDown && !s.IntfChecks {
		return
	}
	if err := ingest.WatchLinks(ctx, names, d.linkLogger()); err != nil {
		d.logf(warning, "interfaces are not watched: %v", err)
	}
}

// linkLogger returns a function that logs changes of interface state. With
// EXIT_AT_INTF_DOWN an interface that goes down ends the daemon.
func (d *daemon) linkLogger() func(ingest.Link) {
	s := d.conf().Server
	state := make(map[string]string)
	return func(l ingest.Link) {
		now := "fine"
		switch {
		case l.Gone && s.IntfExistsCheck:
			now = "gone"
		case !l.Running && s.IntfRunningCheck:
			now = "down"
		}
		before, known := state[l.Name]
		state[l.Name] = now
		switch {
		case now == before || !known && now == "fine":
		case now == "fine":
			d.alertf(info, "interface %s is back", l.Name)
		default:
			d.alertf(warning, "interface %s is %s", l.Name, now)
			if s.ExitAtIntfDown {
				d.end(errInterfaceDown)
			}
		}
	}
}
