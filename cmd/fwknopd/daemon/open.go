package daemon

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"fwknopd/cmd/fwknopd/firewall"
	"fwknopd/enforce"
	"fwknopd/enforce/external"
	"fwknopd/enforce/monitor"
)

// open makes everything ready but the worker.
func (k *keeper) open(ctx context.Context) error {
	v := k.conf().Values
	if !k.o.Test {
		if err := makeDirs(k.conf().Loaded); err != nil {
			return err
		}
	}
	if err := k.takePID(); err != nil {
		return err
	}
	k.loadPositions()
	if !k.o.Test || v.IsSet("EVENT_LOG") {
		k.events.open(v.Path("EVENT_LOG"))
	}
	k.say(good, "starting fwknopd v%s", k.version)
	backend, err := k.openFirewall(ctx)
	if err != nil {
		return err
	}
	cfg := monitor.Config{
		Offer: k.offer(), Events: k.happened,
		Shell: firewall.Program(v.Path("shCmd")), Sudo: v.Path("SUDO_EXE"), Environment: k.environment(),
		Idle: firewall.IdleCheck(v),
	}
	if backend != nil {
		cfg.Firewall = backend
		cfg.Blocked = k.blocked
	}
	if !k.o.Test {
		ext, err := external.New(external.Config{
			Journal: filepath.Join(k.conf().StateDir(), "external.pending"), Environment: k.environment(), Ran: k.externalRan,
		})
		if err != nil {
			return fmt.Errorf("external commands: %w", err)
		}
		k.note(ext.Notes())
		cfg.External = ext
		k.closers = append(k.closers, func() { ext.Close() })
		if v.Bool("ENABLE_CONNTRACK_PERSIST") {
			established, done, err := openConntrack(numbers(v.List("CONNTRACK_ESTAB_PORTS")))
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

// numbers reads ports that conf has checked.
func numbers(words []string) (ports []uint16) {
	for _, w := range words {
		if n, err := strconv.ParseUint(w, 10, 16); err == nil {
			ports = append(ports, uint16(n))
		}
	}
	return ports
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
	if v := k.conf().Values; v.IsSet("FLUSH_IPT_AT_INIT") && v.Bool("FLUSH_IPT_AT_INIT") {
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
	switch locale := k.conf().Values.String("LOCALE"); locale {
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
