package daemon

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"fwknopd/cmd/fwknopd/firewall"
	"fwknopd/enforce"
	"fwknopd/enforce/external"
	"fwknopd/enforce/monitor"
)

// open makes everything ready but the worker.
func (k *keeper) open(ctx context.Context) error {
	s := k.conf().Server
	if !k.o.Test {
		if err := makeDirs(k.conf().Loaded); err != nil {
			return err
		}
	}
	if err := k.takePID(); err != nil {
		return err
	}
	k.loadPositions()
	if !k.o.Test || k.conf().Values.IsSet("EVENT_LOG") {
		k.events.open(s.EventLog)
	}
	k.say(good, "starting fwknopd v%s", k.version)
	backend, err := k.openFirewall(ctx)
	if err != nil {
		return err
	}
	cfg := monitor.Config{
		Offer: k.offer(), Events: k.happened,
		Shell: firewall.Program(s.Shell), Sudo: s.SudoExe, Environment: k.environment(),
		Idle: s.CheckInterval,
	}
	if backend != nil {
		cfg.Firewall = backend
		cfg.Blocked = k.blocked
	}
	if !k.o.Test {
		ext, err := external.New(external.Config{
			Journal: filepath.Join(s.StateDir, "external.pending"), Environment: k.environment(), Ran: k.externalRan,
		})
		if err != nil {
			return fmt.Errorf("external commands: %w", err)
		}
		k.note(ext.Notes())
		cfg.External = ext
		k.closers = append(k.closers, func() { ext.Close() })
		if s.ConntrackPersist {
			established, done, err := openConntrack(s.ConntrackPorts)
			if err != nil {
				return fmt.Errorf("ENABLE_CONNTRACK_PERSIST: %w", err)
			}
			cfg.Established = established
			k.closers = append(k.closers, done)
		}
	}
	k.mon, err = monitor.New(ctx, cfg)
	return err
}

func (k *keeper) note(notes []string) {
	for _, n := range notes {
		k.alert(bad, "%s", n)
	}
}

// offer is what the worker may ask for.
func (k *keeper) offer() monitor.Offer {
	s := k.conf()
	offer := s.offer
	offer.Files = s.files(func(text string) { k.say(bad, "%s", text) })
	b := *s.bundle
	offer.Files[fileConfig] = func() (*os.File, error) {
		b := b
		k.mu.Lock()
		b.Positions = k.positions
		k.mu.Unlock()
		b.Wait = k.waitsForInterface()
		return b.file()
	}
	return offer
}

// openFirewall sets the firewall up: chains and jumps are there, what was open is
// taken over or, where FLUSH_IPT_AT_INIT says so, closed.
func (k *keeper) openFirewall(ctx context.Context) (enforce.Backend, error) {
	if k.o.Test {
		k.say(good, "--test: decisions are made and told, the firewall stays as it is")
		return new(enforce.Recorder), nil
	}
	fw, err := firewall.Open(ctx, k.conf().Loaded)
	if err != nil || fw == nil {
		return nil, err
	}
	k.fw = fw
	if err := fw.Setup(ctx); err != nil {
		return nil, fmt.Errorf("set up %s: %w", fw.Name, err)
	}
	k.say(good, "firewall: %s", fw.Name)
	k.note(fw.Notes())
	if k.conf().Server.FlushAtInit {
		if err := fw.Flush(ctx); err != nil {
			return nil, fmt.Errorf("flush %s: %w", fw.Name, err)
		}
		k.say(good, "flushed what was open (FLUSH_IPT_AT_INIT)")
	}
	switch note, err := forwarding(ctx, k.conf().Loaded); {
	case err != nil:
		k.alert(bad, "forwarding: %v", err)
	case note != "":
		k.say(good, "%s", note)
	}
	return fw.Backend, nil
}

// blocked names what drops a grant all the same.
func (k *keeper) blocked(ctx context.Context, g enforce.Grant) ([]string, error) {
	if k.fw == nil { // --test
		return nil, nil
	}
	return k.fw.Blocked(ctx, g)
}

// environment is that of programs we run.
func (k *keeper) environment() []string {
	env := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	switch locale := k.conf().Server.Locale; locale {
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
