package daemon

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/firewall"
	"fwknopd/cmd/fwknopd/pidfile"
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
	ledger  ledger         // of rules, as 2.6 counts them
	lives   map[string]int // lifetimes in seconds, as 1.9 tells them

	mu        sync.Mutex
	setup     *setup
	worker    *workerProcess // nil while there is none
	positions []byte         // where the worker is in the files it follows
	waitsFor  string         // what the worker waits for
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
	k := &keeper{o: o, setup: s, version: version, started: time.Now(), ledger: make(ledger), lives: make(map[string]int), speaker: newSpeaker(s.Loaded, terminal, useSyslog, version)}
	k.speaker.verbose, k.speaker.journal = s.bundle.Verbose, isJournal(os.Stderr)
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
	// SIGPIPE is caught, and otherwise not heeded: whoever read our messages may go.
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGPIPE)
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
	switch {
	case errors.Is(err, monitor.ErrGaveUp):
		_ = k.mon.Wait(ctx) // what is open still ends on time
	case errors.Is(err, errDone):
		k.linger(ctx)
	}
	cause := context.Cause(ctx)
	k.end(nil)
	var sig signalled
	switch {
	case errors.As(cause, &sig):
		k.mark("Got %s. Exiting...", signalName(sig.Signal))
		return nil
	case errors.Is(err, errDone):
		return nil
	case errors.Is(cause, errInterfaceDown):
		return cause
	}
	return err
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
		if err := k.fw.Leave(ctx, k.conf().Server); err != nil {
			k.say(bad, "flush %s: %v", k.fw.Name, err)
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
