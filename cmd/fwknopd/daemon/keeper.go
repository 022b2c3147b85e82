package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/firewall"
	"fwknopd/cmd/fwknopd/pidfile"
	"fwknopd/enforce"
	"fwknopd/enforce/conntrack"
	"fwknopd/enforce/external"
	"fwknopd/enforce/monitor"
)

const (
	// closeTimeout bounds what is done at the end: external commands, last events.
	closeTimeout = 15 * time.Second
	// noticeReload tells the worker to fetch its configuration again.
	noticeReload = "reload"
	// noticeState asks it for its counters.
	noticeState = "state"
)

// A keeper is the monitor process: everything around [monitor.Monitor].
type keeper struct {
	*speaker
	o       *cli.Options
	started time.Time
	version string

	fw      *firewall.Firewall // nil: none (external_cmd)
	mon     *monitor.Monitor
	events  eventLog
	pid     *pidfile.File // nil: none
	record  string        // FWKNOP_CMDLINE_FILE, "" if there is none
	closers []func()      // for the end, last one first
	end     context.CancelCauseFunc
	files   *fileWatch
	relays  sync.WaitGroup // of what workers say
	begun   atomic.Bool    // a worker has been at work

	mu        sync.Mutex
	setup     *setup
	worker    *workerProcess // nil while there is none
	positions []byte         // where the worker is in the files it follows
}

// errDone ends a daemon that has nothing left to do: its input ended, -C packets
// have come.
var errDone = errors.New("done")

// A signalled daemon ends without an error.
type signalled struct{ os.Signal }

func (s signalled) Error() string { return s.String() }

func newKeeper(o *cli.Options, s *setup, version string, stderr io.Writer) *keeper {
	var terminal io.Writer
	if !inBackground() {
		terminal = stderr
	}
	useSyslog := !o.Debug && (!o.Foreground && !o.Test || o.SyslogEnable || managed())
	k := &keeper{o: o, setup: s, version: version, started: time.Now(), speaker: newSpeaker(s.Loaded, terminal, useSyslog, version)}
	k.speaker.verbose = s.bundle.Verbose
	k.events.say = k.say
	return k
}

// conf is the configuration in force.
func (k *keeper) conf() *setup {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.setup
}

// run is the life of the daemon. It returns nil if it was told to end.
func (k *keeper) run(ctx context.Context) error {
	ctx, k.end = context.WithCancelCause(ctx)
	defer k.end(nil)
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1, syscall.SIGUSR2)
	defer signal.Stop(signals)
	if err := k.open(ctx); err != nil {
		k.dropPID()
		return err
	}
	defer k.close()
	defer k.serveControl()()
	k.watchOver(ctx)
	watch, err := k.watchFiles()
	if err != nil {
		k.say(bad, "changes of the configuration are not seen: %v", err)
	} else {
		defer watch.Close()
	}
	life := make(chan error, 1)
	go func() { life <- k.supervise(ctx) }()
	go k.attend(ctx, signals, watch)
	err = <-life
	if errors.Is(err, monitor.ErrGaveUp) {
		_ = k.mon.Wait(ctx) // what is open still ends on time
	}
	cause := context.Cause(ctx)
	k.end(nil)
	var sig signalled
	switch {
	case errors.As(cause, &sig):
		k.mark("Got %s. Exiting...", signalName(sig.Signal))
		return nil
	case errors.Is(cause, errDone):
		return nil
	case errors.Is(cause, errInterfaceDown) || errors.As(cause, new(*startError)):
		return cause
	}
	return err
}

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
	}
	if backend != nil {
		cfg.Firewall = backend
	}
	if !k.o.Test {
		ext, err := external.New(external.Config{
			Journal: filepath.Join(v.Path("FWKNOP_LIB_DIR"), "external.pending"), Environment: k.environment(), Ran: k.externalRan,
		})
		if err != nil {
			return fmt.Errorf("external commands: %w", err)
		}
		k.note(ext.Notes())
		cfg.External = ext
		k.closers = append(k.closers, func() { ext.Close() })
		if v.Bool("ENABLE_CONNTRACK_PERSIST") {
			table, err := conntrack.Open(numbers(v.List("CONNTRACK_ESTAB_PORTS")))
			if err != nil {
				return fmt.Errorf("ENABLE_CONNTRACK_PERSIST: %w", err)
			}
			cfg.Established = table.Established
			k.closers = append(k.closers, func() { table.Close() })
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
	k.note(append(fw.Why, fw.Notes()...))
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

// attend answers signals and changed files until the end.
func (k *keeper) attend(ctx context.Context, signals <-chan os.Signal, watch *fileWatch) {
	changed := watch.changes()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			k.reload(true)
		case sig := <-signals:
			switch sig {
			case syscall.SIGHUP:
				k.reload(false)
			case syscall.SIGUSR1:
				k.tellState()
			case syscall.SIGTERM, syscall.SIGINT:
				k.end(signalled{sig})
				return
			}
		}
	}
}

func signalName(sig os.Signal) string {
	if sig == syscall.SIGINT {
		return "SIGINT"
	}
	return "SIGTERM"
}

// close leaves the firewall as FLUSH_IPT_AT_EXIT wants it.
func (k *keeper) close() {
	stopping()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := k.mon.Close(ctx); err != nil {
		k.say(bad, "close: %v", err)
	}
	for _, f := range slices.Backward(k.closers) {
		f()
	}
	if k.fw != nil {
		if k.conf().Values.Bool("FLUSH_IPT_AT_EXIT") {
			if err := k.fw.Teardown(ctx); err != nil {
				k.say(bad, "flush %s: %v", k.fw.Name, err)
			}
		}
		k.fw.Close()
	}
	k.relays.Wait()
	k.savePositions()
	k.dropPID()
	k.say(good, "fwknopd ends")
	k.events.open("")
	k.speaker.close()
}

// tellState answers SIGUSR1.
func (k *keeper) tellState() {
	k.mu.Lock()
	pid := 0
	if k.worker != nil {
		pid = k.worker.pid
	}
	k.mu.Unlock()
	k.say(good, "state: monitor %d, worker %d, up %v, %d openings", os.Getpid(), pid, time.Since(k.started).Round(time.Second), k.mon.Len())
	k.mon.Notify(noticeState)
}
