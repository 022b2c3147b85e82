// Package monitor is the privileged half of the daemon. It owns the firewall, ends
// every grant on time, restores rules that other programs removed, and runs commands.
// The other half, the worker, reads packets without privileges and sends requests over
// a socket:
//
//	worker (unprivileged)                     monitor (root)
//	[Client.Submit], Command, …  ── socket ──>  [Monitor.Serve]
//	                                            one entry of the request table each:
//	                                            bounded, decoded strictly, checked
//	                                            against [Policy], then carried out
//
// A compromised worker can request what access.conf allows, and nothing else: it can
// neither list nor close the grants of other clients. [Monitor.List], [Monitor.Revoke]
// and [Monitor.Flush] can only be called in the privileged process. A request that
// violates the protocol ends the connection.
//
// Entry points: [New] and [Monitor.Supervise] on one side, [NewClient] on the
// other.
package monitor

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"fwknopd/enforce"
	"fwknopd/enforce/schedule"
)

// A Config is the configuration of a [Monitor]. [Monitor.Reload] replaces Policy.
type Config struct {
	// Firewall must be set up already, and flushed if that is wanted; grants open in
	// it are adopted. nil: grants without commands are refused.
	Firewall enforce.Backend
	// External runs the commands of grants that have some; nil: those are refused.
	External enforce.Enforcer

	Policy Policy

	// Shell and Sudo are the programs for SPA commands whose stanza requires them
	// (shCmd, SUDO_EXE); "" is /bin/sh and /usr/bin/sudo.
	Shell, Sudo string
	// Environment is the environment of SPA commands; nil: a plain PATH and LC_ALL=C.
	Environment []string

	// Established returns for each grant whether a connection through it exists. The
	// end of such a grant is postponed by some seconds, repeatedly
	// (ENABLE_CONNTRACK_PERSIST). nil: no end is postponed.
	Established func(ctx context.Context, gs []enforce.Grant) ([]bool, error)

	// Cut ends the connections through grants of stanzas with CLOSE_CONNECTIONS that have
	// ended, but for those through one of the grants that open returns, which is called when
	// they are found. It returns what became of them for each of ended; an error with that is
	// why some go on, or why what some send is not rejected. nil: none are ended.
	Cut func(ctx context.Context, ended []enforce.Grant, open func() []enforce.Grant) ([]enforce.Connections, error)

	// Blocked returns the base chains of other programs that drop the packets of a
	// grant although its rules are in place. nil: this is not checked.
	Blocked func(ctx context.Context, g enforce.Grant) ([]string, error)

	// Bypasses returns a line on each rule of other programs that lets packets past a guard,
	// see Guards. nil: this is not checked.
	Bypasses func(context.Context) ([]string, error)

	// Digests appends to the journal of digests and returns when they are on disk. It may
	// be called concurrently. nil: there is no journal, digests are refused.
	Digests func([]Digest) error

	// Uses are how often stanzas with a number have granted; the monitor counts on from them.
	// SaveUses keeps the counts and returns when they are on disk; it is called before each
	// such grant is opened, one call at a time. nil: they are in memory alone.
	Uses     schedule.Counts
	SaveUses func(*schedule.Counts) error

	// Events is called with each event, in order, one call at a time. If it is slow,
	// up to maxEvents are queued; further ones are counted and dropped.
	Events func(Event)

	// Meter counts; nil: nothing does.
	Meter Meter

	// Interval is how often the firewall is reconciled while grants are open, if it
	// sends no notifications of changes; 0 is 600 ms.
	Interval time.Duration
	// Idle is how often the firewall is searched for rules of another daemon, whose end
	// is in their comment, while no grant is open and the firewall sends no
	// notifications of changes (RULES_CHECK_THRESHOLD); 0 is never.
	Idle time.Duration
	// Guards: the firewall closes ports by itself (GUARD_FORWARD), so that it is reconciled
	// while no grant is open, too.
	Guards bool

	// Clock is [systemClock] if nil.
	Clock *Clock
}

// A Policy is what the worker may request. Its maps must not be changed once it is
// passed to a [Monitor].
type Policy struct {
	Limits enforce.Limits
	// Files opens descriptors by name. The monitor closes its copy after it has been
	// passed to the worker.
	Files map[string]func() (*os.File, error)
	// Passwords are the files of passwords that the worker may have checked, by name.
	Passwords map[string]PasswordFile
	// Journal starts journalctl and returns a pipe with what it prints; nil: the worker
	// may not read the journal.
	Journal func(Journal) (*os.File, error)
	// Resolve looks up a host name in a bounded time; nil: the worker may look up none.
	Resolve func(host string) ([]netip.Addr, error)
}

// A Journal selects what journalctl prints: the last message alone, or with Follow what
// comes, from the first message on (All) or behind that with the cursor After.
type Journal struct {
	Follow bool   `json:"follow,omitempty"`
	After  string `json:"after,omitempty"`
	All    bool   `json:"all,omitempty"`
}

// A Monitor opens grants and ends them. Its methods may be called from several
// goroutines.
type Monitor struct {
	cfg              Config
	clock            *Clock
	events           *eventQueue
	externalCommands keyedQueue
	cutter           *cutter
	stop             context.CancelFunc
	firewallLife     context.Context // of changes to the firewall: ends stopGrace after ctx of New or stop
	commandLife      context.Context // of commands: ends with ctx of Close
	endCommands      context.CancelFunc
	steps            *os.File // behind clock.Steps, if opened by New
	wake             chan struct{}
	commands         sync.WaitGroup // commands that run
	commandSlots     chan struct{}  // bounds them
	refusals         refusals
	guesses          guesses

	policy atomic.Pointer[Policy]

	endMu    sync.Mutex // not held while the firewall is changed
	ending   bool       // no more commands and sessions are started
	sessions map[*session]bool

	opening sync.Mutex // held while grants are admitted and opened, the time in which uses are written included

	mu          mutex // held while the firewall is changed
	closed      bool
	table       table
	lastReading clockReading // to which the deadlines in table refer
	reconciler  reconciler
	bypasses    bypassWatch
	quota       enforce.Quota
	uses        uses
	bars        bars
	cuts        []enforce.Grant // have ended, their connections are to end
	waiters     []waiter        // for the end of the last grant
	loopDone    chan struct{}   // closed when the loop has ended
}

const defaultInterval = 600 * time.Millisecond

// stopGrace is how long a change of the firewall in progress may take when the daemon is
// to end. Then its program is killed; the kernel ends what was opened.
const stopGrace = 1500 * time.Millisecond

// commandGrace is how long commands may take to end once they are killed.
const commandGrace = 1500 * time.Millisecond

// New adopts the grants that are open in the firewall and the external ones, ends those
// that are overdue, and maintains them until [Monitor.Close]. When ctx ends, a change of
// the firewall in progress has stopGrace to finish.
func New(ctx context.Context, cfg Config) (*Monitor, error) {
	if cfg.Interval <= 0 {
		cfg.Interval = defaultInterval
	}
	m := &Monitor{
		cfg: cfg, clock: cfg.Clock, events: newEventQueue(cfg.Events), mu: newMutex(),
		wake: make(chan struct{}, 1), commandSlots: make(chan struct{}, maxCommands),
		sessions: make(map[*session]bool), loopDone: make(chan struct{}),
	}
	m.policy.Store(&cfg.Policy)
	m.uses.counts, m.uses.save = cfg.Uses.Clone(), cfg.SaveUses
	if m.clock == nil {
		m.clock = systemClock()
		steps, file, err := watchSteps()
		if err != nil {
			return nil, err
		}
		m.clock.Steps, m.steps = steps, file
	}
	m.cutter = newCutter(func(ended []enforce.Grant) { m.cut(m.commandLife, ended, m.table.open) })
	m.lastReading = m.clock.read()
	m.bars.floor = m.lastReading.wall
	m.refusals.limiter = rate.NewLimiter(refusalRate, refusalBurst)
	if err := m.adoptOpen(ctx); err != nil {
		m.closeClock()
		return nil, err
	}
	m.knowBypasses(ctx)
	m.begin(ctx)
	return m, nil
}

// begin starts the loop. ctx is that of New.
func (m *Monitor) begin(ctx context.Context) {
	lasting := context.WithoutCancel(ctx)
	m.commandLife, m.endCommands = context.WithCancel(lasting)
	firewall, endFirewall := context.WithCancel(lasting)
	m.firewallLife = firewall
	loop, stop := context.WithCancel(lasting)
	m.stop = stop
	expire := func() { time.AfterFunc(stopGrace, endFirewall) }
	context.AfterFunc(ctx, expire)
	context.AfterFunc(loop, expire)
	go m.loop(loop, m.watch(loop))
}

func (m *Monitor) closeClock() {
	if m.steps != nil {
		m.steps.Close()
	}
}

// Close stops the monitor; later requests fail with [ErrGone]. Grants in the firewall
// stay until the kernel ends them. External ones are closed now, because nothing else
// will close them before the next start. Close waits for running commands, for the end of
// connections and for the delivery of all events until ctx ends. Then it kills the commands;
// that some did not run to their end is an error.
func (m *Monitor) Close(ctx context.Context) error {
	m.stop()
	<-m.loopDone
	m.closeClock()
	m.endSessions()
	m.mu.Lock()
	m.closed = true
	for _, e := range m.table.entries {
		if e.grant.External != nil && !e.ending {
			m.endExternal(e, Revoked, nil)
		}
	}
	m.startCuts()
	m.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.externalCommands.wait()
		m.commands.Wait()
		m.cutter.wait()
		m.events.drain()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	m.endCommands()
	select {
	case <-done:
	case <-time.After(commandGrace):
	}
	if n := m.countExternal(); n > 0 {
		return fmt.Errorf("%w: %d closing commands did not run to their end; the next start runs them", ctx.Err(), n)
	}
	return ctx.Err()
}

// countExternal returns how many external grants are open.
func (m *Monitor) countExternal() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.table.entries {
		if e.grant.External != nil {
			n++
		}
	}
	return n
}

// Reload replaces the policy. Open grants are not affected.
func (m *Monitor) Reload(p Policy) { m.policy.Store(&p) }

// currentPolicy does not wait for the firewall: the worker's other requests are answered
// while that is slow.
func (m *Monitor) currentPolicy() *Policy { return m.policy.Load() }

// Len returns the number of open grants, counted by port. It does not wait for the
// firewall.
func (m *Monitor) Len() int { return m.table.len() }
