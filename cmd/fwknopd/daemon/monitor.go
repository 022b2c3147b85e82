package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/control"
	"fwknopd/cmd/fwknopd/firewall"
	"fwknopd/cmd/fwknopd/metrics"
	"fwknopd/cmd/fwknopd/pidfile"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce/command"
	"fwknopd/enforce/monitor"
	"fwknopd/ingest"
)

// closeTimeout bounds the end of a daemon that has nothing left to do: external
// commands, last events.
const closeTimeout = 15 * time.Second

// After a signal to end, what runs is ended in steps: closing commands are killed after
// commandsUntil, the firewall is left as it is after firewallUntil, and after endUntil the
// process ends, whatever hangs.
const (
	commandsUntil = 2500 * time.Millisecond
	firewallUntil = 4200 * time.Millisecond
	endUntil      = 4700 * time.Millisecond
)

// A daemon is the monitor process: a [monitor.Monitor] with its firewall, logs and
// workers.
type daemon struct {
	*logger
	o       *cli.Options
	started time.Time
	version string
	work    Worker

	fw          *firewall.Firewall // nil: none (external_cmd)
	mon         *monitor.Monitor
	events      eventLog
	digests     *digests
	fleet       *fleet
	pid         *pidfile.File // nil: none
	cmdlineFile string        // FWKNOP_CMDLINE_FILE, "" if there is none
	closers     []func()      // called at the end in reverse order
	end         context.CancelCauseFunc
	files       *fileWatch
	workerLogs  sync.WaitGroup            // readers of the workers' logs
	ready       atomic.Bool               // a worker has been ready
	signalled   atomic.Pointer[time.Time] // when a signal to end came; nil: none
	compat      report.Compat
	records     *recordBudget
	reported    *workerReports
	reloads     chan chan<- report.Reload // requests to read the configuration again
	health      health
	metrics     *metrics.Set
	scrapes     metricsListener
	counted     freshness
	ahead       ahead
	bareMonitor string // why this process is not confined, "" if it is or SANDBOX is off

	mu         sync.Mutex
	setup      *setup
	worker     *monitor.Worker    // nil while there is none
	positions  []byte             // where the worker is in the files it follows
	waitReason string             // what the worker waits for
	loaded     time.Time          // when the configuration in force was read
	lastReload *report.Reload     // nil: none
	journalctl *ingest.Journalctl // nil until the worker has asked for the journal
}

// errDone ends a daemon that has nothing left to do: its input has ended, or the number
// of packets of -C has been reached.
var errDone = errors.New("done")

// A signalError is the cause of an end by a signal, which Run does not treat as an
// error.
type signalError struct{ os.Signal }

func (s signalError) Error() string { return s.String() }

func (s signalError) name() string { return unix.SignalName(s.Signal.(syscall.Signal)) }

func newDaemon(o *cli.Options, s *setup, version string, stderr io.Writer) *daemon {
	var terminal io.Writer
	if !inBackground() {
		terminal = stderr
	}
	useSyslog := !o.Debug && (!o.Foreground && !o.Test || o.SyslogEnable || managed())
	d := &daemon{o: o, setup: s, version: version, started: time.Now(), loaded: time.Now(), records: newRecordBudget(), metrics: metrics.NewSet(), reported: newWorkerReports(), reloads: make(chan chan<- report.Reload), logger: newLogger(s.Loaded, terminal, useSyslog, version)}
	d.logger.verbose, d.logger.journal = s.workerConfig.Verbose, isJournal(os.Stderr)
	d.events.logf, d.fleet = d.logf, newFleet(d)
	d.nameSources()
	return d
}

// run runs the daemon until it ends. It returns nil if a signal ended it.
func (d *daemon) run(ctx context.Context) error {
	ctx, d.end = context.WithCancelCause(ctx)
	defer d.end(nil)
	signals, ends := make(chan os.Signal, 8), make(chan os.Signal, 2)
	// SIGPIPE is caught and ignored: the reader of standard error may have ended.
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGPIPE)
	defer signal.Stop(signals)
	signal.Notify(ends, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(ends)
	go d.endOnSignal(ends)
	if err := d.open(ctx); err != nil {
		return d.abandonStart(ctx, err)
	}
	defer d.close()
	defer d.serveControl()()
	close(d.fleet.begin)
	d.serveMetrics()
	d.startChecks(ctx)
	watch, err := d.watchFiles()
	if err != nil {
		d.logf(warning, "changes of the configuration are not seen: %v", err)
	} else {
		defer watch.Close()
	}
	life := make(chan error, 1)
	go func() { life <- d.supervise(ctx) }()
	go d.handleSignals(ctx, signals, watch)
	err = <-life
	switch {
	case errors.Is(err, monitor.ErrGaveUp):
		_ = d.mon.Wait(ctx) // open grants still expire on time
	case errors.Is(err, errDone):
		go every(ctx, checkInterval(d.conf().Server.RestartPause), feedWatchdog) // the worker has ended as it should
		d.waitForExpiry(ctx)
	}
	cause := context.Cause(ctx)
	d.end(nil)
	return d.endError(err, cause)
}

// serveControl opens the control socket, on which other processes list, close and open
// grants, reload the configuration, ask for the status and watch the events.
func (d *daemon) serveControl() (stop func()) {
	if d.o.Test {
		return func() {}
	}
	stop, err := control.Serve(control.SocketPath(d.conf().Server.PIDFile), d.mon, control.Host{
		State: func() control.State {
			return control.State{Waiting: d.waiting(), Unconfined: d.unconfined(), Access: d.conf().Access}
		},
		Line:   func(stanza string) (int, error) { return d.conf().Access.Line(stanza) },
		Add:    d.openByHand,
		Reload: d.reloadOnRequest, Status: d.status, Uses: d.usesOnRequest,
		Fleet: d.fleetStatus, FleetRevoke: d.fleet.revokeEverywhere, FleetLink: d.fleetLink,
		Feed: &d.events.feed, Guard: d.conf().Server.GuardForward, Rejecter: d.fw.Rejecter,
	})
	if err != nil {
		d.alertf(warning, "%v: grants can be closed by their end alone", err)
		return func() {}
	}
	return stop
}

// abandonStart undoes what open did before it failed with err, and returns the error of the daemon.
func (d *daemon) abandonStart(ctx context.Context, err error) error {
	d.dropAhead()
	d.closeMetrics()
	d.removePIDFile()
	if sig, ok := errors.AsType[signalError](context.Cause(ctx)); ok {
		return fmt.Errorf("got %s at the start: %w", sig.name(), err)
	}
	return err
}

// endError returns the error of a daemon whose workers ended with err, and whose context with cause.
func (d *daemon) endError(err, cause error) error {
	var sig signalError
	switch {
	case errors.As(cause, &sig):
		d.compatf("Got %s. Exiting...", sig.name())
		return nil
	case errors.Is(err, errDone):
		return nil
	case errors.Is(cause, errInterfaceDown):
		return cause
	}
	return err
}

// handleSignals handles signals and changed files until ctx is done.
func (d *daemon) handleSignals(ctx context.Context, signals <-chan os.Signal, watch *fileWatch) {
	changed := watch.changes()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			d.reload(true)
		case done := <-d.reloads:
			done <- d.reload(false)
		case sig := <-signals:
			switch sig {
			case syscall.SIGHUP:
				d.reload(false)
			case syscall.SIGUSR1:
				d.logState()
			}
		}
	}
}

// endOnSignal ends the daemon at the first signal, with endUntil as the limit, and the
// process at once at the second.
func (d *daemon) endOnSignal(ends <-chan os.Signal) {
	sig := <-ends
	now := time.Now()
	d.signalled.Store(&now)
	d.end(signalError{sig})
	why := ""
	select {
	case sig = <-ends:
		why = unix.SignalName(sig.(syscall.Signal)) + " again"
	case <-time.After(endUntil):
		why = "something hangs"
	}
	logged := make(chan struct{})
	go func() { // the log may be what hangs
		defer close(logged)
		d.logf(warning, "fwknopd ends at once, %s: what is open ends by the kernel's clock, closing commands run at the next start", why)
	}()
	select {
	case <-logged:
	case <-time.After(lastMessage):
	}
	command.KillAll()
	os.Exit(exitError)
}

// lastMessage is how long the last message may take.
const lastMessage = 200 * time.Millisecond

// close ends the monitor, and flushes the firewall as FLUSH_IPT_AT_EXIT requires.
func (d *daemon) close() {
	notifyStopping()
	d.dropAhead()
	commands, cancel := d.closing(commandsUntil)
	defer cancel()
	d.closeMetrics()
	if err := d.mon.Close(commands); err != nil {
		d.logf(warning, "close: %v", err)
	}
	ctx, cancel := d.closing(firewallUntil)
	defer cancel()
	for _, f := range slices.Backward(d.closers) {
		f()
	}
	if ctl := d.journalctl; ctl != nil {
		ctl.Close()
	}
	if d.fw != nil {
		closed, err := d.fw.ApplyExitPolicy(ctx, d.conf().Server)
		if err != nil {
			d.logf(warning, "flush %s: %v", d.fw.Name, err)
		}
		if closed {
			d.mon.CutRest(ctx)
		}
		d.fw.Close()
	}
	d.workerLogs.Wait()
	d.savePositions()
	d.removePIDFile()
	d.logf(info, "fwknopd ends")
	d.events.open("", nil)
	d.logger.close()
}

// closing returns a context that ends after a part of the time to the end: until after a
// signal, else closeTimeout.
func (d *daemon) closing(until time.Duration) (context.Context, context.CancelFunc) {
	if at := d.signalled.Load(); at != nil {
		return context.WithDeadline(context.Background(), at.Add(until))
	}
	return context.WithTimeout(context.Background(), closeTimeout)
}

// logState handles SIGUSR1.
func (d *daemon) logState() {
	d.mu.Lock()
	pid := 0
	if d.worker != nil {
		pid = d.worker.Pid
	}
	d.mu.Unlock()
	d.logf(info, "state: monitor %d, worker %d, up %v, %d openings", os.Getpid(), pid, time.Since(d.started).Round(time.Second), d.mon.Len())
	d.mon.Notify(privsep.NoticeState)
}
