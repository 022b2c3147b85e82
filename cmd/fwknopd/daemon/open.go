package daemon

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"fwknopd/cmd/fwknopd/firewall"
	"fwknopd/cmd/fwknopd/sandbox"
	"fwknopd/enforce"
	"fwknopd/enforce/external"
	"fwknopd/enforce/monitor"
	"fwknopd/policy/conf"
)

// open prepares everything but the worker.
func (d *daemon) open(ctx context.Context) error {
	s := d.conf().Server
	if !d.o.Test {
		if err := makeDirs(d.conf().Loaded); err != nil {
			return err
		}
	}
	if err := d.createPIDFile(); err != nil {
		return err
	}
	d.loadPositions()
	if !d.o.Test || d.conf().Values.IsSet("EVENT_LOG") {
		d.openEvents(s)
	}
	d.logf(info, "starting fwknopd v%s", d.version)
	if err := d.confine(); err != nil {
		return err
	}
	d.startAhead()
	if err := d.openFleet(ctx); err != nil {
		return err
	}
	if err := d.openMetrics(); err != nil {
		return err
	}
	d.warnFallback()
	backend, err := d.openFirewall(ctx)
	if err != nil {
		return err
	}
	d.openDigests(ctx)
	cfg, err := d.monitorConfig(backend)
	if err != nil {
		return err
	}
	if d.mon, err = monitor.New(ctx, cfg); err != nil {
		return err
	}
	d.fleet.mon.Store(d.mon)
	d.warnUses()
	return nil
}

// confine takes from this process what no daemon needs (SANDBOX), and logs what is missing
// of the worker's sandbox.
func (d *daemon) confine() error {
	if d.o.Test {
		return nil
	}
	if err := sandbox.NoDumps(); err != nil {
		return err
	}
	if text := d.unconfined(); text != "" {
		d.logf(warning, "%s", text)
	}
	mode := d.conf().Server.Sandbox
	if mode == conf.SandboxOff {
		return nil
	}
	switch err := sandbox.ConfineMonitor(); {
	case err != nil && mode == conf.SandboxOn:
		return fmt.Errorf("SANDBOX on: the monitor: %w", err)
	case err != nil:
		d.bareMonitor = fmt.Sprintf("SANDBOX: the monitor is not confined: %v", err)
		d.logf(warning, "%s", d.bareMonitor)
	}
	return nil
}

// openFirewall sets up chains and jumps. Existing grants are adopted or, with
// FLUSH_IPT_AT_INIT, removed.
func (d *daemon) openFirewall(ctx context.Context) (enforce.Backend, error) {
	if d.o.Test {
		d.logf(info, "--test: decisions are made and told, the firewall stays as it is")
		return new(enforce.Recorder), nil
	}
	fw, err := firewall.Open(ctx, d.conf().Loaded)
	if err != nil || fw == nil {
		return nil, err
	}
	d.fw = fw
	if err := fw.Setup(ctx); err != nil {
		return nil, fmt.Errorf("set up %s: %w", fw.Name, err)
	}
	d.logf(info, "firewall: %s", fw.Name)
	d.logNotes(fw.Notes())
	if d.conf().Server.FlushAtInit {
		if err := fw.Flush(ctx); err != nil {
			return nil, fmt.Errorf("flush %s: %w", fw.Name, err)
		}
		d.logf(info, "flushed what was open (FLUSH_IPT_AT_INIT)")
	}
	switch note, err := enableForwarding(d.conf().Loaded); {
	case err != nil:
		d.alertf(warning, "forwarding: %v", err)
	case note != "":
		d.logf(info, "%s", note)
	}
	return fw.Backend, nil
}

// monitorConfig returns what the monitor works with; backend is nil if there is no firewall.
func (d *daemon) monitorConfig(backend enforce.Backend) (monitor.Config, error) {
	s := d.conf().Server
	cfg := monitor.Config{
		Policy: d.firstPolicy(), Events: d.handleEvent, Digests: d.digests.record,
		Uses: d.loadUses(), SaveUses: d.saveUses,
		Shell: firewall.FindProgram(s.Shell), Sudo: s.SudoExe, Environment: d.environment(),
		Idle: s.CheckInterval, Guards: len(s.GuardForward) > 0, Meter: d.metrics,
	}
	if backend != nil {
		cfg.Firewall = timedBackend{backend, d.metrics}
		cfg.Blocked = d.blocked
		if d.fw != nil && cfg.Guards {
			cfg.Bypasses = d.fw.Bypasses
		}
	}
	if d.o.Test {
		return cfg, nil
	}
	for _, open := range []func(*monitor.Config) error{d.openExternal, d.openCut, d.openConntrack} {
		if err := open(&cfg); err != nil {
			return cfg, err
		}
	}
	return cfg, nil
}

// blocked returns the names of the rules that drop what a grant permits.
func (d *daemon) blocked(ctx context.Context, g enforce.Grant) ([]string, error) {
	if d.fw == nil { // --test
		return nil, nil
	}
	return d.fw.Blocked(ctx, g)
}

// environment returns the environment of configured commands.
func (d *daemon) environment() []string {
	env := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	switch locale := d.conf().Server.Locale; locale {
	case "NONE":
		for _, name := range []string{"LANG", "LC_ALL"} {
			if value, ok := os.LookupEnv(name); ok {
				env = append(env, name+"="+value)
			}
		}
	default:
		env = append(env, "LC_ALL="+locale)
	}
	return env
}

// openExternal sets what runs external commands, and those that the last daemon left to run.
func (d *daemon) openExternal(cfg *monitor.Config) error {
	ext, err := external.New(external.Config{
		Journal: filepath.Join(d.conf().Server.StateDir, "external.pending"), Environment: d.environment(), Ran: d.externalRan,
	})
	if err != nil {
		return fmt.Errorf("external commands: %w", err)
	}
	d.logNotes(ext.Notes())
	cfg.External = ext
	d.closers = append(d.closers, func() { ext.Close() })
	return nil
}

// openCut sets what ends connections; a reload may add stanzas with CLOSE_CONNECTIONS.
func (d *daemon) openCut(cfg *monitor.Config) error {
	cut, done, err := openCut(len(cfg.Policy.Limits.CloseConnections) > 0, d.conf().Server.GuardForward, d.fw)
	if err != nil {
		return fmt.Errorf("CLOSE_CONNECTIONS: %w", err)
	}
	cfg.Cut = cut
	d.closers = append(d.closers, done)
	return nil
}

// openConntrack sets what finds connections of clients (ENABLE_CONNTRACK_PERSIST).
func (d *daemon) openConntrack(cfg *monitor.Config) error {
	s := d.conf().Server
	if !s.ConntrackPersist {
		return nil
	}
	established, done, err := openConntrack(s.ConntrackPorts)
	if err != nil {
		return fmt.Errorf("ENABLE_CONNTRACK_PERSIST: %w", err)
	}
	cfg.Established = established
	d.closers = append(d.closers, done)
	return nil
}

func (d *daemon) logNotes(notes []string) {
	for _, n := range notes {
		d.alertf(warning, "%s", n)
	}
}
