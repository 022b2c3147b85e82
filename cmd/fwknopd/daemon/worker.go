package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"time"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/enforce/monitor"
	"fwknopd/ingest"
	"fwknopd/parse"
	"fwknopd/policy"
	"fwknopd/policy/conf"
	"fwknopd/policy/replay"
)

// workerName is what the worker is called in lists of processes, and how it knows
// itself.
const workerName = "fwknopd: worker"

// Names of the files that the monitor opens for the worker, beside those of sources.
const (
	fileConfig  = "config"
	fileJournal = "journal"
	fileOldSums = "md5sums"
)

const (
	// askTimeout bounds a question to the monitor.
	askTimeout = 10 * time.Second
	// maxBundle bounds the configuration that is handed over.
	maxWorkerConfig = 64 << 20
	// batchMax is how many packets are decided before what was granted goes out.
	batchMax = 256
	// workerMemory is what the collector aims at: a flood makes garbage.
	workerMemory = 256 << 20
)

// IsWorker reports that this process is the unprivileged half of a daemon.
func IsWorker() bool { return len(os.Args) == 1 && os.Args[0] == workerName }

// Worker is main of the unprivileged half: it reads packets and asks the monitor to
// open what they are allowed to. It returns the exit code.
func Worker() int {
	setProcessName() // before secretive, which makes /proc/self root's
	if err := disableCoreDumps(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n", err)
		return exitError
	}
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP, syscall.SIGTERM) // they are for the monitor, who ends us
	debug.SetMemoryLimit(workerMemory)
	conn, err := monitor.Parent()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%v\n", err)
		return exitError
	}
	client := monitor.NewClient(conn)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-client.Done()
		cancel()
	}()
	out := newWorkerLog(os.NewFile(workerLogFD, "records"))
	err = work(ctx, client, out)
	out.close()
	if errors.Is(err, errFinished) {
		return exitFinished
	}
	fmt.Fprintf(os.Stderr, "%v\n", err)
	return exitError
}

// A worker turns packets into requests. All but the outcomes of requests happens on
// one goroutine.
type worker struct {
	client    *monitor.Client
	out       *workerLog
	conf      *workerConfig
	loaded    *config.Loaded
	engine    *policy.Engine
	store     replay.Store
	storePath string       // the digest file that store is
	previous  replay.Store // those before it, which are only looked at; or nil
	src       *sources
	decisions decisionLog
	problems  sharedBudget

	wait  bool // for an interface that is not there
	waits waits

	remaining int            // of -C; -1: no limit
	submitted sync.WaitGroup // grants that the monitor has not answered
	batch     []pending
}

// A pending decision waits for its record to be on disk.
type pending struct {
	decision   policy.Decision
	packet     packet
	suppressed int // refusals before it that were only counted
}

// errNoInput ends a worker whose input should have no end.
var errNoInput = errors.New("the input has ended")

// work runs until ctx ends, the source fails, or all is done ([errFinished]).
func work(ctx context.Context, client *monitor.Client, out *workerLog) error {
	w := &worker{client: client, out: out, remaining: -1, decisions: newDecisionLog()}
	w.problems.budget = newBudget(refusalRate, refusalBurst)
	defer w.close()
	if err := w.load(ctx); err != nil {
		return err
	}
	if w.conf.Limit > 0 {
		w.remaining = w.conf.Limit
	}
	if err := client.Ready(ctx); err != nil {
		return err
	}
	for {
		switch err := w.run(ctx); {
		case errors.Is(err, errState):
			w.logState()
		case !errors.Is(err, errReload):
			return err
		default:
			if err := w.flush(ctx); err != nil {
				return err
			}
			if err := w.load(ctx); err != nil {
				if w.src == nil {
					return err
				}
				out.putf(recordWarning, "the worker keeps its configuration: %v", err)
			}
		}
	}
}

// What the monitor wants ends a run.
var (
	errReload = errors.New("reload")
	errState  = errors.New("state")
)

// run reads packets until something else is to be done.
func (w *worker) run(ctx context.Context) error {
	reading, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case notice, ok := <-w.client.Notices():
			if ok {
				cancel(noticeError(notice))
			}
		case <-reading.Done():
		}
	}()
	var ev parse.Event
	for {
		err := w.src.Next(reading, &ev)
		if err == nil {
			w.step(&ev)
		}
		goesOn := (err == nil || errors.Is(err, parse.ErrSkip)) && w.remaining != 0
		if goesOn && len(w.batch) < batchMax && w.src.Pending() {
			continue
		}
		if err := w.flush(ctx); err != nil {
			return err
		}
		switch {
		case goesOn:
		case w.remaining == 0:
			w.compat26f(w.loaded, "* Incoming packet count limit of %d reached", w.conf.Limit)
			w.compat26f(w.loaded, "Packet count limit (%d) reached. Exiting...", w.conf.Limit)
			return errFinished
		case reading.Err() != nil:
			return context.Cause(reading)
		case errors.Is(err, io.EOF):
			return w.atEnd()
		default:
			return err
		}
	}
}

// atEnd says what the end of all input means.
func (w *worker) atEnd() error {
	if readsOnce(w.loaded) {
		return errFinished
	}
	return errNoInput
}

func noticeError(notice string) error {
	switch notice {
	case noticeReload:
		return errReload
	case noticeState:
		return errState
	}
	return fmt.Errorf("the monitor says %q", notice)
}

// tellState tells the counters.
func (w *worker) logState() {
	if c, ok := w.src.Source.(ingest.Counter); ok {
		n := c.Counts()
		w.out.putf(recordInfo, "state: %d records, %d events, %d not ours, %d malformed, %d lost", n.Records, n.Events, n.NotOurs, n.Malformed, n.Lost)
	}
	w.out.putf(recordInfo, "state: %d copies of packets that were recorded more than once", w.engine.Copies())
	k := w.engine.KnockCounts()
	w.out.putf(recordInfo, "state: knock sequences: %d granted, %d refused, %d repeats", k.Granted, k.Refused, k.Repeats)
}

// step decides one packet, and counts it for -C if it was one that the engine had to
// look at: neither the frames of another service nor empty segments count.
func (w *worker) step(ev *parse.Event) {
	now := time.Now()
	examined := w.engine.Examined()
	d := w.engine.Decide(now, ev)
	if w.remaining > 0 && w.engine.Examined() != examined {
		w.remaining--
	}
	if d.Verdict == policy.Ignore {
		return
	}
	p := pending{decision: d, packet: packetOf(now, ev)}
	if d.Verdict == policy.Deny && len(d.Others) == 0 {
		if p.suppressed = w.decisions.refusals.take(now, 1); p.suppressed < 0 {
			return
		}
	}
	if d.Verdict == policy.Allow && d.Mode == modeSPA && w.conf.Verbose > 1 {
		p.packet.fields = fields(w.engine.Message())
	}
	if d.Mode == modeSPA {
		if m := w.engine.Message(); m != nil {
			p.packet.signer = m.Signer
		}
		p.packet.refusals = slices.DeleteFunc(slices.Clone(w.engine.Refusals()), func(r policy.Refusal) bool { return r.Stanza == d.Stanza })
		if w.loaded.Server.Dialect != conf.C26 {
			p.packet.detail19 = newDetail19(&d, w.engine.Message())
		}
	}
	if w.conf.Debug && d.Mode == modeSPA && w.loaded.Server.Dialect != conf.C26 {
		p.packet.dump = dump19(w.engine.Message())
	}
	w.batch = append(w.batch, p)
}

// flush makes the records durable and carries out what was allowed.
func (w *worker) flush(ctx context.Context) error {
	if len(w.batch) == 0 {
		return nil
	}
	err := w.engine.Sync()
	for i := range w.batch {
		p := &w.batch[i]
		if err != nil && p.decision.Verdict == policy.Allow {
			p.decision = unrecorded(p.decision, err)
		}
		w.execute(ctx, &p.decision)
		for j := range p.decision.Others {
			if err == nil {
				w.execute(ctx, &p.decision.Others[j])
			}
		}
	}
	for i := range w.batch { // the firewall is at work by now
		w.logDecision(&w.batch[i])
	}
	clear(w.batch)
	w.batch = w.batch[:0]
	w.sendPositions()
	return w.compact(ctx)
}

// unrecorded is what becomes of an Allow whose record is not durable.
func unrecorded(d policy.Decision, err error) policy.Decision {
	return policy.Decision{Verdict: policy.Deny, Reason: policy.SPAStore, Detail: policy.Detail{Text: err.Error()},
		Mode: d.Mode, Src: d.Src, Stanza: d.Stanza, User: d.User}
}

// carryOut asks the monitor. The outcome of a grant is an event of its own.
func (w *worker) execute(ctx context.Context, d *policy.Decision) {
	switch {
	case d.Verdict != policy.Allow || d.Shadow:
	case d.Command != nil:
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		c := monitor.Command{Stanza: d.Stanza, From: d.Command.From, Text: d.Command.Text, User: d.User, Src: d.Src.String()}
		_ = w.client.Command(ctx, c) // the monitor says why not
	default:
		g := d.Grant
		w.submitted.Add(1)
		w.client.Submit(g, func(err error) {
			defer w.submitted.Done()
			if err != nil && !errors.Is(err, monitor.ErrRefused) { // the monitor says what it refuses
				w.out.putf(recordWarning, "%s is not open: %v", grantText(&g), err)
			}
		})
	}
}

func (w *worker) close() {
	w.sendPositions()
	w.submitted.Wait() // the monitor answers, or is gone, which is an answer too
	if w.src != nil {
		w.src.Close()
	}
	if j, ok := w.store.(*replay.Journal); ok {
		_ = j.Close() // what counts was synced before it was granted
	}
	w.client.Close()
}

var _ ingest.Source = (*sources)(nil)
