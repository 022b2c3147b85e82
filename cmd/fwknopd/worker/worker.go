// Package worker is the unprivileged process of the daemon: it reads packets and log
// lines, decides, and requests from the monitor what the decisions grant. It gets its
// configuration, seen digests and sockets from the monitor, and can request only what
// access.conf permits.
//
// Entry points: [Main] for the process, [Run] for a daemon that is one process.
package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/time/rate"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/cmd/fwknopd/sandbox"
	"fwknopd/enforce"
	"fwknopd/enforce/monitor"
	"fwknopd/parse"
	"fwknopd/policy"
	"fwknopd/policy/conf"
	"fwknopd/policy/replay"
)

const (
	// batchMax is how many packets are decided before the grants are submitted.
	batchMax = 256
	// workerMemory is the soft memory limit: a flood causes garbage.
	workerMemory = 256 << 20
)

// Main is the main function of the worker process. It returns the exit code.
func Main() int {
	err := runProcess()
	switch {
	case errors.Is(err, privsep.ErrFinished):
		return privsep.ExitFinished
	case errors.Is(err, privsep.ErrRestart):
		return privsep.ExitRestart
	}
	fmt.Fprintf(os.Stderr, "%v\n", err)
	return privsep.ExitError
}

// runProcess runs the worker with what this process inherited from the monitor.
func runProcess() error {
	privsep.SetProcessName() // before NoDumps, after which root owns /proc/self
	if err := errors.Join(sandbox.NoDumps(), sandbox.NoNewPrivileges(), sandbox.Limit()); err != nil {
		return err
	}
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP, syscall.SIGTERM) // handled by the monitor, which ends the worker
	debug.SetMemoryLimit(workerMemory)
	conn, err := monitor.Parent()
	if err != nil {
		return err
	}
	return run(context.Background(), conn, os.NewFile(privsep.RecordsFD, "records"), sandbox.Apply)
}

// Run runs a worker until ctx is done, conn is closed, its source fails, or all input
// has been processed ([privsep.ErrFinished]). It closes both conn and records.
func Run(ctx context.Context, conn *net.UnixConn, records io.WriteCloser) error {
	return run(ctx, conn, records, nil)
}

func run(ctx context.Context, conn *net.UnixConn, records io.WriteCloser, confine confinement) error {
	client := monitor.NewClient(conn)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		<-client.Done()
		cancel()
	}()
	out := newRecordWriter(records)
	defer out.close()
	w := &worker{client: client, out: out, claims: newClaims(client), confine: confine, remaining: -1, problems: privsep.NewBudget(rate.Every(privsep.RefusalEvery), privsep.ProblemBurst)}
	w.refusals = newRefusalLog(func(s report.Suppressed) { out.put(privsep.RecordSuppressed, s) })
	defer w.close()
	return w.serve(ctx)
}

// A worker turns packets into requests. Everything but the results of requests is
// handled on one goroutine.
type worker struct {
	client    *monitor.Client
	out       *recordWriter
	conf      *privsep.Config
	fetched   int // the generation of the configuration that was fetched last
	loaded    *config.Loaded
	engine    *policy.Engine
	store     *replay.Replica
	storePath string          // the digest file of store
	commit    *monitor.Commit // the last one
	src       *sources
	claims    *claims // of a fleet
	group     *group  // nil: none
	refusals  *refusalLog
	problems  *privsep.Budget
	unlogged  map[policy.Reason]int // decisions without a record, since the start; nil: none

	confine  confinement // nil: confined already, or never
	confined bool
	folders  []string // with confined: it may read files below them

	wait  bool // for a missing interface
	waits waits

	remaining int // packets of -C; -1: no limit
	commits   commits
	announced groupCounts
	submitted sync.WaitGroup // grants without a reply from the monitor
	unopened  atomic.Bool    // something was not opened or run that the engine has counted as a use
	batch     []pending
}

// A pending decision is logged and executed once its digest is on disk.
type pending struct {
	decision policy.Decision
	packet   packet
	announce *fleetlink.Announcement // to the group, when it is open; nil: nothing
	claimed  time.Time               // of a message that another gateway has announced
}

// errNoInput ends a worker whose input ended unexpectedly.
var errNoInput = errors.New("the input has ended")

// serve loads the configuration and processes packets, see [Run].
func (w *worker) serve(ctx context.Context) error {
	if err := w.load(ctx); err != nil {
		return err
	}
	if w.conf.Limit > 0 {
		w.remaining = w.conf.Limit
	}
	if err := w.client.Ready(ctx); err != nil {
		return err
	}
	for {
		switch err := w.run(ctx); err {
		case notice(monitor.NoticeAlive):
			w.client.Alive()
		case notice(privsep.NoticeState):
			w.out.put(privsep.RecordState, w.state())
		case notice(privsep.NoticeCount):
			w.sendCounters()
		case notice(privsep.NoticeUses):
			w.takeUses(ctx)
		case noticeAnnounced:
			w.decideAnnounced(ctx)
		case notice(privsep.NoticeReload):
			w.flush(ctx)
			if err := w.load(ctx); err != nil {
				if w.src == nil || errors.Is(err, privsep.ErrRestart) {
					return err
				}
				w.out.put(privsep.RecordTaken, report.Taken{Generation: w.fetched, Error: privsep.Sanitize(err.Error())})
			}
		default:
			return err
		}
	}
}

// A notice is what the monitor sent to end worker.run.
type notice string

// noticeAnnounced is one of our own: other gateways have announced messages.
const noticeAnnounced notice = "announced"

// Error implements error.
func (n notice) Error() string { return fmt.Sprintf("notice %q of the monitor", string(n)) }

// run reads packets until ctx is done, the input ends, or a notice arrives.
func (w *worker) run(ctx context.Context) error {
	reading, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var noticed atomic.Bool
	go w.awaitNotice(reading, cancel, &noticed, w.group)
	var ev parse.Event
	for {
		err := w.src.Next(reading, &ev)
		if err == nil {
			w.recount(ctx)
			w.step(&ev)
		}
		goesOn := (err == nil || errors.Is(err, parse.ErrSkip)) && w.remaining != 0
		if goesOn && len(w.batch) < batchMax && w.src.Buffered() && !noticed.Load() {
			continue
		}
		w.flush(ctx)
		switch {
		case !goesOn:
			return w.ending(reading, err)
		case noticed.Load(): // also in a flood, when Next does not wait
			return context.Cause(reading)
		}
	}
}

// awaitNotice cancels reading when a notice arrives, and then sets noticed.
func (w *worker) awaitNotice(reading context.Context, cancel context.CancelCauseFunc, noticed *atomic.Bool, g *group) {
	select {
	case text, ok := <-w.client.Notices():
		if ok {
			cancel(notice(text))
			noticed.Store(true)
		}
	case <-g.awake():
		if cancel(noticeAnnounced); context.Cause(reading) != error(noticeAnnounced) {
			g.signal() // for the next time
		}
		noticed.Store(true)
	case <-reading.Done():
	}
}

// ending returns why run ends: the limit of -C, or err of Next.
func (w *worker) ending(reading context.Context, err error) error {
	switch {
	case w.remaining == 0:
		w.out.putBytes(privsep.RecordLimit, nil)
		return privsep.ErrFinished
	case reading.Err() != nil:
		return context.Cause(reading)
	case errors.Is(err, io.EOF) && privsep.ReadsOnce(w.loaded):
		return privsep.ErrFinished
	case errors.Is(err, io.EOF):
		return errNoInput
	}
	return err
}

// state returns the counters.
func (w *worker) state() report.State {
	n, k := w.src.Stats().Counts(), w.engine.KnockCounts()
	return report.State{
		Records: n.Records, Events: n.Events, NotOurs: n.NotOurs, Malformed: n.Malformed, Lost: n.Lost,
		Forged: n.Forged, Copies: w.engine.Copies(), RateLimited: w.engine.RateLimited(),
		Granted: k.Granted, Refused: k.Refused, Repeats: k.Repeats, Seen: uint64(w.store.Len()),
		Sources: w.src.states(), Unlogged: report.SortReasons(w.unlogged), Claims: w.claims.state(), Group: w.announced.state(),
	}
}

// sendCounters sends the counters, if there are any yet.
func (w *worker) sendCounters() {
	if w.src != nil {
		w.out.put(privsep.RecordCounters, w.state())
	}
}

// step decides one packet. It counts for -C if the engine examined it: frames of other
// services and empty segments do not count.
func (w *worker) step(ev *parse.Event) {
	now := time.Now()
	w.src.sawEvent(now, ev.Time)
	examined := w.engine.Examined()
	d := w.engine.Decide(now, ev)
	if w.remaining > 0 && w.engine.Examined() != examined {
		w.remaining--
	}
	w.pend(now, ev, d)
}

// pend has a decision executed and logged with the next flush. It returns nil if there is nothing to do.
func (w *worker) pend(now time.Time, ev *parse.Event, d policy.Decision) *pending {
	if d.Verdict == policy.Ignore {
		return nil
	}
	if refuses(&d) && !w.refusals.take(now, &d, w.engine.Refused()+len(d.Others)) {
		w.countUnlogged(&d)
		for i := range d.Others {
			w.countUnlogged(&d.Others[i])
		}
		return nil
	}
	p := pending{decision: d, packet: packet{Packet: report.NewPacket(now, ev)}, announce: w.announcement(now, ev, &d, w.engine.Message())}
	if d.Mode == policy.ModeSPA {
		w.addMessage(&p)
	}
	w.batch = append(w.batch, p)
	return &w.batch[len(w.batch)-1]
}

// refuses reports whether no stanza grants, shadow stanzas included: any packet may have
// that result.
func refuses(d *policy.Decision) bool {
	return d.Verdict == policy.Deny && !slices.ContainsFunc(d.Others, func(o policy.Decision) bool { return o.Verdict == policy.Allow })
}

// addMessage adds what is logged of an SPA message and of other stanzas' refusals.
func (w *worker) addMessage(p *pending) {
	m := w.engine.Message() // nil if none was decrypted
	p.packet.SetMessage(&p.decision, m)
	p.packet.refusals = slices.DeleteFunc(w.engine.Refusals(), func(r policy.Refusal) bool { return r.Stanza == p.decision.Stanza })
	p.packet.refusals = p.packet.refusals[:min(len(p.packet.refusals), report.MaxRefusals)]
	if m == nil {
		return
	}
	p.packet.fields = p.decision.Verdict == policy.Allow && w.conf.Verbose > 1
	p.packet.dump = w.conf.Debug && w.loaded.Server.Dialect != conf.C26
	if p.packet.fields || p.packet.dump {
		p.packet.message, p.packet.Digest = report.DumpOf(m), report.Digest19(m)
	}
}

// flush makes the digests durable, also those of refusals that are not logged, and
// executes and logs the decisions. Grants are submitted together with the digests, for
// which the monitor waits; all else is done when they are durable.
func (w *worker) flush(ctx context.Context) {
	recorded := w.store.Send()
	commit := w.commits.begin(w.src)
	for i := range w.batch {
		w.submit(&w.batch[i].decision, commit, w.submitter(&w.batch[i], recorded))
	}
	err := w.engine.Sync()
	for i := range w.batch {
		p := &w.batch[i]
		if err != nil {
			w.unopened.Store(true)
			p.decision = p.decision.Unrecorded(err)
			continue
		}
		w.execute(ctx, &p.decision)
	}
	for i := range w.batch { // after the requests, which are more urgent
		w.logDecision(&w.batch[i])
	}
	commit.done(err != nil)
	if len(w.batch) == 0 {
		return
	}
	clear(w.batch)
	w.batch = w.batch[:0]
	w.sendPositions()
}

// submitter returns how the grants of a decision are requested: when its digest is on disk, if it has
// one. What is open then is announced.
func (w *worker) submitter(p *pending, recorded bool) func(enforce.Grant, func(error)) {
	submit, claimed := w.client.Submit, p.claimed
	switch {
	case !claimed.IsZero() && !recorded:
		return func(_ enforce.Grant, done func(error)) { done(monitor.ErrRefused) }
	case recorded:
		submit = func(g enforce.Grant, done func(error)) { w.client.SubmitAfter(w.commit, g, claimed, done) }
	}
	if p.announce == nil {
		return submit
	}
	group := w.group
	return func(g enforce.Grant, done func(error)) {
		a := p.announce // that of the message is the first
		p.announce = nil
		submit(g, func(err error) {
			if err == nil && a != nil && group != nil {
				group.announce(*a)
			}
			done(err)
		})
	}
}

func (w *worker) close() {
	w.refusals.close()
	defer w.group.close()
	defer w.claims.close()
	w.sendPositions()
	w.sendCounters()
	w.submitted.Wait() // ends with the replies, or with the connection
	if w.src != nil {
		w.src.Close()
	}
	w.client.Close()
}
