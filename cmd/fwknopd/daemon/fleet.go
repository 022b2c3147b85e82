package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/time/rate"

	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce/monitor"
	"fwknopd/policy/conf"
)

// Pauses before a fleet process that ended is started again: the first one, and the longest, from
// which on one that runs longer begins anew.
const (
	fleetPause    = time.Second
	maxFleetPause = 30 * time.Second
)

// fleetGrace is how long a fleet process may take to leave its fleet.
const fleetGrace = time.Second

// What a fleet process may have logged: so many messages at once, then one in fleetEvery.
const (
	fleetBurst = 50
	fleetEvery = 10 * time.Second
)

// A fleet keeps a fleet process running while the configuration wants one.
type fleet struct {
	d       *daemon
	program func() (string, error) // finds it
	budget  *privsep.Budget
	changed chan struct{} // another configuration is wanted
	stopped chan struct{} // the goroutine has ended; nil: none was started
	started time.Time     // the daemon was
	orders  *fleetOrders
	mon     atomic.Pointer[monitor.Monitor] // that closes what is ordered; nil: none yet

	mu       sync.Mutex
	cfg      *fleetlink.Config // nil: none is wanted
	control  *fleetlink.Control
	pid      int // 0: none runs
	starts   int
	lastEnd  string // why one ended last
	quorum   bool
	why      string    // why there is no quorum
	since    time.Time // when that changed
	degraded bool      // it was logged that there is none
	ordered  time.Time // when the last order was stored that this gateway has heard late

	begin     chan struct{}        // is closed when there is something to publish
	changes   chan struct{}        // has room for one signal: what is open has changed
	published fleetlink.EventTally // of processes that have ended
	tally     fleetlink.EventTally // of this one
}

func newFleet(d *daemon) *fleet {
	return &fleet{
		d: d, program: fleetlink.FindProgram, budget: privsep.NewBudget(rate.Every(fleetEvery), fleetBurst), changed: make(chan struct{}, 1),
		why: whyStarting, begin: make(chan struct{}), changes: make(chan struct{}, 1),
		started: time.Now().Round(0).UTC(), orders: newFleetOrders(),
	}
}

// Why claims are not decided.
const (
	whyStarting = "the fleet process is starting"
	whyNone     = "the fleet process does not run"
)

// openFleet prepares what the fleet process needs, and starts it. The daemon does not wait for it: it
// serves without a quorum too.
func (d *daemon) openFleet(ctx context.Context) error {
	if d.o.Test {
		if c := d.conf().fleet; c != nil {
			d.fleet.why = "--test: no fleet process is started, so that nothing is claimed from the fleet and no topic is read"
			d.logf(info, "%s", d.fleet.why)
		}
		return nil
	}
	if err := d.prepareFleet(d.conf()); err != nil {
		return err
	}
	f := d.fleet
	f.loadOrdered()
	f.cfg, f.stopped = d.conf().fleet, make(chan struct{})
	ctx, cancel := context.WithCancel(ctx)
	go f.run(ctx)
	d.closers = append(d.closers, func() { cancel(); <-f.stopped })
	return nil
}

// prepareFleet finds out whether the fleet process can be started.
func (d *daemon) prepareFleet(s *setup) error {
	if s.fleet == nil || d.o.Test {
		return nil
	}
	if _, err := d.fleet.program(); err != nil {
		keyword := "FLEET"
		if !s.fleet.Claims() {
			keyword = "INGEST KAFKA"
		}
		return fmt.Errorf("%s: %w", keyword, err)
	}
	cred, err := credential(s.Loaded)
	if err != nil {
		return err
	}
	return makeFleetDir(s.fleet.Dir, cred)
}

// moveFleet has the fleet process replaced if another configuration wants that. Where it cannot be
// started, the one before stays, and the problem is returned.
func (d *daemon) moveFleet(s *setup) *conf.Problem {
	f := d.fleet
	if f.stopped == nil {
		return nil
	}
	if err := d.prepareFleet(s); err != nil {
		d.logf(warning, "%v", err)
		return &conf.Problem{Keyword: "FLEET", Text: strings.TrimPrefix(err.Error(), "FLEET: "), Severity: conf.Warning}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if reflect.DeepEqual(f.cfg, s.fleet) {
		return nil
	}
	f.cfg = s.fleet
	select {
	case f.changed <- struct{}{}:
	default:
	}
	return nil
}

// run keeps a process running until ctx ends.
func (f *fleet) run(ctx context.Context) {
	defer close(f.stopped)
	pause := fleetPause
	for ctx.Err() == nil {
		cfg := f.wanted()
		if cfg == nil {
			f.await(ctx, 0)
			continue
		}
		begin := time.Now()
		err := f.once(ctx, cfg)
		if err == nil { // as it is wanted
			pause = fleetPause
			continue
		}
		if time.Since(begin) > maxFleetPause {
			pause = fleetPause
		}
		f.ended(err, pause)
		f.await(ctx, pause)
		pause = min(2*pause, maxFleetPause)
	}
}

// status returns how the fleet does; nil if none is wanted.
func (f *fleet) status(s *conf.Server) *report.FleetStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cfg == nil || !f.cfg.Claims() {
		return nil
	}
	status := &report.FleetStatus{Name: f.cfg.Name, Group: f.cfg.Group, PID: f.pid, Restarts: max(f.starts-1, 0), LastEnd: f.lastEnd, Quorum: f.quorum, Why: f.why,
		Since: f.since.UTC().Truncate(time.Millisecond), Local: s.FleetOnPartition == conf.PartitionLocal}
	if f.cfg.Events {
		status.Events = new(report.FleetEvents(f.counts()))
	}
	return status
}

// state reports whether a fleet is wanted, and whether it has a quorum.
func (f *fleet) state() (wanted, quorum bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cfg != nil && f.cfg.Claims(), f.quorum
}

func (f *fleet) wanted() *fleetlink.Config {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cfg
}

// await waits for a time, 0 for ever, for another configuration, or for the end of ctx.
func (f *fleet) await(ctx context.Context, d time.Duration) {
	var over <-chan time.Time
	if d > 0 {
		over = time.After(d)
	}
	select {
	case <-ctx.Done():
	case <-f.changed:
	case <-over:
	}
}

// once starts a process and serves it until it ends, which is the error, or is to end: nil.
func (f *fleet) once(ctx context.Context, cfg *fleetlink.Config) error {
	p, stderr, err := f.start()
	if err != nil {
		return err
	}
	c := fleetlink.NewControl(p.Conn)
	served := make(chan error, 1)
	serving, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { served <- c.Run(f.listener(serving, c)) }()
	died := make(chan error, 1)
	go func() { died <- p.Wait() }()
	f.begun(c, p.Pid)
	defer f.gone()
	told := *cfg
	told.Since, told.Ordered = f.started, f.lastOrdered()
	if err = c.Configure(&told); err != nil {
		_ = p.Kill() // it may have ended
	}
	if cfg.Events {
		defer f.publish(ctx, c)()
	}
	select {
	case status := <-died:
		return cmp.Or(err, newWorkerExit(status, stderr.String()))
	case err = <-served:
		if err != nil {
			err = fmt.Errorf("it broke the protocol and was ended: %w", err)
			_ = p.Kill()
		}
	case <-f.changed:
		f.end(c, p, died)
		return nil
	case <-ctx.Done():
		f.end(c, p, died)
		return nil
	}
	return cmp.Or(err, newWorkerExit(f.end(c, p, died), stderr.String()))
}

// end ends a process and returns its status.
func (f *fleet) end(c *fleetlink.Control, p *monitor.Worker, died <-chan error) error {
	c.Close()
	select {
	case status := <-died:
		return status
	case <-time.After(fleetGrace):
		_ = p.Kill() // it may have ended
		return <-died
	}
}

// start starts the program.
func (f *fleet) start() (*monitor.Worker, *headBuffer, error) {
	program, err := f.program()
	if err != nil {
		return nil, nil, err
	}
	cred, err := credential(f.d.conf().Loaded)
	if err != nil {
		return nil, nil, err
	}
	cred.Groups = nil // those of followed files
	ours, theirs, err := fleetlink.Pair()
	if err != nil {
		return nil, nil, err
	}
	stderr := &headBuffer{}
	p, err := monitor.SpawnWith(&exec.Cmd{
		Path: program, Args: []string{fleetlink.Program, fleetlink.Serving}, Dir: "/", Env: workerEnvironment(),
		Stderr: stderr, WaitDelay: time.Second, SysProcAttr: &syscall.SysProcAttr{Credential: cred},
	}, ours, theirs)
	return p, stderr, err
}

// listener returns what is done about what the process says, whose word it is.
func (f *fleet) listener(ctx context.Context, c *fleetlink.Control) fleetlink.Listener {
	return fleetlink.Listener{
		Ready:   func() { f.logf(info, "the fleet process is ready") },
		Failed:  func(why string) { f.logf(warning, "the fleet process fails: %s", why) },
		Quorum:  f.setQuorum,
		Order:   f.heardOrder,
		Done:    f.heardDone,
		Late:    func(o fleetlink.LateOrder) { go f.heardLate(ctx, c, o) },
		Stored:  f.orders.noteStored,
		Message: func(text string) { f.logf(info, "fleet: %s", text) },
	}
}

// logf logs what a fleet process causes, within its budget.
func (f *fleet) logf(s severity, format string, args ...any) {
	lost := f.budget.Take(time.Now(), 1)
	if lost > 0 {
		f.d.logf(warning, "%s of the fleet process left out: it logs too much", conf.Count(lost, "message"))
	}
	if lost >= 0 {
		f.d.logf(s, format, args...)
	}
}

// setQuorum notes and logs whether claims are decided.
func (f *fleet) setQuorum(quorum bool, why string) {
	f.mu.Lock()
	same, before := f.quorum == quorum, f.since
	if f.quorum, f.why = quorum, why; quorum {
		f.why = ""
	}
	if !same || before.IsZero() {
		f.since = time.Now()
	}
	first := !f.degraded
	f.degraded = !quorum
	f.mu.Unlock()
	switch {
	case quorum && !first:
		f.logf(info, "the fleet has a quorum again, after %v without", time.Since(before).Round(time.Second))
	case quorum && !same:
		f.logf(info, "the fleet has a quorum")
	case !quorum && first:
		what := "messages are refused (FLEET_ON_PARTITION refuse)"
		if f.d.conf().Server.FleetOnPartition == conf.PartitionLocal {
			what = "this gateway decides by itself (FLEET_ON_PARTITION local)"
		}
		f.logf(warning, "the fleet has no quorum: %s; %s", cmp.Or(why, "it does not say why"), what)
	}
}

func (f *fleet) begun(c *fleetlink.Control, pid int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.control, f.pid = c, pid
	f.starts++
}

// gone notes that there is no process.
func (f *fleet) gone() {
	f.mu.Lock()
	f.control.Close()
	f.control, f.pid, f.why = nil, 0, whyNone
	f.mu.Unlock()
	if c := f.wanted(); c != nil && c.Claims() {
		f.setQuorum(false, whyNone)
	}
}

// ended logs why a process ended, and keeps it.
func (f *fleet) ended(err error, pause time.Duration) {
	why := privsep.Sanitize(err.Error())
	f.mu.Lock()
	f.lastEnd = why
	f.mu.Unlock()
	f.logf(warning, "the fleet process ended, it is started again in %v: %s", pause, why)
}

// open hands a link to the process, and returns the other end for the worker.
func (f *fleet) open(p fleetlink.Purpose) (*os.File, error) {
	f.mu.Lock()
	c, why := f.control, f.why
	f.mu.Unlock()
	if c == nil {
		return nil, errors.New(cmp.Or(why, whyStarting))
	}
	return c.Open(p)
}

// fleetStatus asks the fleet process for its status, within [countTimeout].
func (d *daemon) fleetStatus(ctx context.Context) (fleetlink.Status, error) {
	f := d.fleet
	if c := f.wanted(); c == nil || !c.Claims() {
		return fleetlink.Status{}, errors.New("FLEET is not set: this gateway is alone")
	}
	f.mu.Lock()
	c, why, ended := f.control, f.why, f.lastEnd
	f.mu.Unlock()
	var s fleetlink.Status
	err := errors.New(cmp.Or(why, whyStarting))
	if c != nil {
		ctx, cancel := context.WithTimeout(ctx, countTimeout)
		defer cancel()
		s, err = c.Status(ctx)
	}
	if err != nil && ended != "" {
		err = fmt.Errorf("%w; the last one ended: %s", err, ended)
	}
	return s, err
}
