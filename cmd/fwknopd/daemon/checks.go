package daemon

import (
	"context"
	"errors"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"

	"fwknopd/cmd/fwknopd/privsep"
)

// startChecks starts the periodic tasks that the configuration asks for: interface
// checks, voluntary restarts of the worker, the watchdog of the service manager. Only
// the last two use timers.
func (d *daemon) startChecks(ctx context.Context) {
	d.watchInterfaces(ctx)
	if s := d.conf().Server; s.VoluntaryExits {
		go every(ctx, s.ExitInterval, d.restartWorker)
	}
	if interval, err := sd.SdWatchdogEnabled(false); err == nil && interval > 0 {
		go every(ctx, interval/2, func() { _, _ = sd.SdNotify(false, sd.SdNotifyWatchdog) })
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
	links, err := watchLinks(ctx, names)
	if err != nil {
		d.logf(warning, "interfaces are not watched: %v", err)
		return
	}
	go d.logLinks(links, s.ExitAtIntfDown)
}

// A link is the state of an interface.
type link struct {
	name          string
	gone, running bool
}

// logLinks logs changes of interface state. If exit is set, an interface that goes down
// ends the daemon.
func (d *daemon) logLinks(links <-chan link, exit bool) {
	s := d.conf().Server
	state := make(map[string]string)
	for l := range links {
		name, now := l.name, "fine"
		switch {
		case l.gone && s.IntfExistsCheck:
			now = "gone"
		case !l.running && s.IntfRunningCheck:
			now = "down"
		}
		before, known := state[name]
		state[name] = now
		switch {
		case now == before || !known && now == "fine":
		case now == "fine":
			d.alertf(info, "interface %s is back", name)
		default:
			d.alertf(warning, "interface %s is %s", name, now)
			if exit {
				d.end(errInterfaceDown)
			}
		}
	}
}
