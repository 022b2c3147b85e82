package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
)

// countTimeout is how long a status waits for the counters of the worker.
const countTimeout = 2 * time.Second

// status returns the state of the daemon. It waits for the firewall and the worker
// for a bounded time.
func (d *daemon) status(ctx context.Context) report.Status {
	c := d.conf()
	s := report.Status{
		V: 1, Running: true, PID: os.Getpid(), PIDFile: c.Server.PIDFile, Version: d.version, UptimeS: time.Since(d.started).Round(time.Millisecond).Seconds(),
		Config: c.workerConfig.Options.Config, Stanzas: len(c.Access.Stanzas), NotApplied: d.reported.notApplied(),
		Waiting: d.waiting(), Sandbox: c.Server.Sandbox, Unconfined: strings.Join(slices.DeleteFunc([]string{d.unconfined(), d.bareMonitor}, func(text string) bool { return text == "" }), "; "),
	}
	if s.Config != "" && !filepath.IsAbs(s.Config) {
		s.Config = filepath.Join(c.workerConfig.Options.Dir, s.Config)
	}
	d.mu.Lock()
	s.Loaded, s.Reload = d.loaded.UTC(), d.lastReload
	d.mu.Unlock()
	s.Uses, s.Fleet = d.uses(), d.fleet.status(c.Server)
	d.health.fill(&s)
	counted := make(chan *report.Counters, 1)
	go func() { counted <- d.counters(ctx, s.WorkerPID) }()
	d.firewallStatus(ctx, &s)
	s.Counters = <-counted
	return s
}

// firewallStatus lists the grants, by which it sees whether the firewall answers, and what stands
// in front of the guard.
func (d *daemon) firewallStatus(ctx context.Context, s *report.Status) {
	s.Firewall.Type = d.conf().Server.FirewallType
	if d.fw != nil {
		s.Firewall.Type = d.fw.Name
	}
	grants, err := d.mon.List(ctx)
	s.Grants = len(grants)
	switch {
	case errors.Is(err, enforce.ErrUnconfirmed):
		s.Firewall.Unconfirmed = err.Error()
	case err != nil:
		s.Grants, s.Firewall.Unconfirmed = d.mon.Len(), err.Error()
	case d.fw != nil:
		if s.Firewall.Bypasses, err = d.fw.Bypasses(ctx); err != nil {
			s.Firewall.Unconfirmed = "what stands in front of the guard of GUARD_FORWARD is not known: " + err.Error()
		}
	}
}

// counters asks the worker for its counters; nil if there is none or it does not answer.
func (d *daemon) counters(ctx context.Context, worker int) *report.Counters {
	if worker == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	n, ok := d.reported.awaitCount(ctx, func() { d.mon.Notify(privsep.NoticeCount) })
	if !ok {
		return nil
	}
	c := &report.Counters{Sources: n.Sources, RateLimited: n.RateLimited}
	for i := range c.Sources {
		c.Sources[i].Name = privsep.Sanitize(c.Sources[i].Name)
	}
	return c
}
