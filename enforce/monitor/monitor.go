// Package monitor is the privileged half of the daemon. It owns the firewall, ends
// every grant on time, puts back what others flushed, and runs commands. The
// other half, the worker, reads packets without privileges and asks over a socket:
//
//	worker (unprivileged)                     monitor (root)
//	[Client.Submit], Command, …  ── socket ──>  [Monitor.Serve]
//	                                            one entry of the request table each:
//	                                            bounded, decoded strictly, checked
//	                                            against [Policy], then carried out
//
// A worker that is taken over can ask for what access.conf offers to everyone, and for
// nothing else: it can neither list nor close what others were granted. [Monitor.List],
// [Monitor.Revoke] and [Monitor.Flush] are for the privileged process alone. A request
// that no honest worker makes ends the connection.
//
// Entry points: [New] and [Monitor.Supervise] on one side, [NewClient] on the
// other.
package monitor

import (
	"context"
	"os"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"fwknopd/enforce"
)

// A Config is what the monitor works with. Offer may change later, see
// [Monitor.Reload].
type Config struct {
	// Firewall is set up already (and flushed, where that is wanted); what is
	// open in it is adopted. nil: grants without commands are refused.
	Firewall enforce.Backend
	// External runs the commands of grants that have some; nil refuses them.
	External enforce.Enforcer

	Policy Policy

	// Shell and Sudo are programs for SPA commands whose stanza wants them
	// (shCmd, SUDO_EXE); "" is /bin/sh and /usr/bin/sudo.
	Shell, Sudo string
	// Environment is that of SPA commands; nil: a plain PATH and LC_ALL=C.
	Environment []string

	// Established tells for each grant whether a connection through it lives; its
	// end is then put off for some seconds, again and again
	// (ENABLE_CONNTRACK_PERSIST). nil: grants end at their time.
	Established func(ctx context.Context, gs []enforce.Grant) ([]bool, error)

	// Blocked names the base chains that drop what a grant is for although it is open:
	// others that we cannot open. nil: it is not asked.
	Blocked func(ctx context.Context, g enforce.Grant) ([]string, error)

	// Events gets all that happens, in order, one call at a time. While it is
	// slow, up to some thousand events wait; more are counted and dropped.
	Events func(Event)

	// Interval is how often to look after the firewall while grants are open, if
	// the firewall does not tell of changes; 0 is 600 ms.
	Interval time.Duration
	// Idle is how often to look for rules of another daemon, which end when their
	// comment says, while nothing is open and the firewall does not tell of changes
	// (RULES_CHECK_THRESHOLD); 0 is never.
	Idle time.Duration

	// Clock is [SystemClock] if nil.
	Clock *Clock
}

// An Policy is what a configuration lets the worker ask for. Maps are not changed
// after they were handed over.
type Policy struct {
	Limits enforce.Limits
	// Files opens descriptors by name. The monitor closes its own after the worker
	// has got it.
	Files map[string]func() (*os.File, error)
	// Passwords checks a password (REQUIRE_AUTH_METHOD crypt), by the name of the
	// file. Hashes never cross.
	Passwords map[string]func(user, password string) (bool, error)
}

// A Monitor keeps grants. Its methods may be called from several goroutines.
type Monitor struct {
	cfg              Config
	clock            *Clock
	events           *eventQueue
	externalCommands keyedQueue
	stop             context.CancelFunc
	steps            *os.File // behind clock.Steps, if it is ours
	wake             chan struct{}
	commands         sync.WaitGroup // commands that run
	commandSlots     chan struct{}  // bounds them

	mu          sync.Mutex
	closed      bool
	policy      Policy
	table       table
	lastReading clockReading // of the ends in table
	reconciler  reconciler
	refusals    *rate.Limiter // for their reports
	sessions    map[*session]bool
	unreported  int           // refusals
	waiters     []waiter      // for the last end
	loopDone    chan struct{} // closed when the loop has ended
}

const defaultInterval = 600 * time.Millisecond

// New adopts what is open in the firewall and among the external grants, ends what
// is overdue, and begins to look after them until [Monitor.Close].
func New(ctx context.Context, cfg Config) (*Monitor, error) {
	if cfg.Interval <= 0 {
		cfg.Interval = defaultInterval
	}
	m := &Monitor{
		cfg: cfg, clock: cfg.Clock, policy: cfg.Policy, events: newEventQueue(cfg.Events),
		wake: make(chan struct{}, 1), commandSlots: make(chan struct{}, maxCommands),
		sessions: make(map[*session]bool), loopDone: make(chan struct{}),
	}
	if m.clock == nil {
		m.clock = SystemClock()
		steps, file, err := watchSteps()
		if err != nil {
			return nil, err
		}
		m.clock.Steps, m.steps = steps, file
	}
	m.lastReading = m.clock.read()
	m.refusals = rate.NewLimiter(refusalRate, refusalBurst)
	if err := m.adoptOpen(ctx); err != nil {
		m.closeClock()
		return nil, err
	}
	ctx, m.stop = context.WithCancel(context.WithoutCancel(ctx))
	go m.loop(ctx, m.watch(ctx))
	return m, nil
}

func (m *Monitor) closeClock() {
	if m.steps != nil {
		m.steps.Close()
	}
}

// Close stops; requests afterwards fail with [ErrGone]. Grants in the firewall stay until the kernel ends them; external
// ones are closed now, since nobody will do it later. It waits for commands that
// run and for the last events, until ctx ends.
func (m *Monitor) Close(ctx context.Context) error {
	m.stop()
	<-m.loopDone
	m.closeClock()
	m.mu.Lock()
	m.closed = true
	for s := range m.sessions {
		s.conn.Close()
	}
	for _, e := range m.table.entries {
		if e.grant.External != nil && !e.ending {
			m.endExternal(e, Revoked, nil)
		}
	}
	m.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.externalCommands.wait()
		m.commands.Wait()
		m.events.drain()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Reload puts another configuration in force. All grants stay.
func (m *Monitor) Reload(p Policy) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.policy = p
}

func (m *Monitor) currentPolicy() Policy {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.policy
}

// Len is how many openings the monitor looks after, counted by port.
func (m *Monitor) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.table.entries)
}

// now reads the clock. If somebody has set it, ends move along. It needs m.mu.
func (m *Monitor) now(ctx context.Context) clockReading {
	now := m.clock.read()
	step := now.stepSince(m.lastReading)
	if step == 0 {
		return now
	}
	m.lastReading = now
	m.table.shift(now, step)
	m.events.add(Event{Time: now.wall, Kind: ClockStep, Step: step})
	if m.cfg.Firewall != nil && len(m.table.entries) > 0 {
		m.applyClockStep(ctx, now, step)
	}
	return now
}
