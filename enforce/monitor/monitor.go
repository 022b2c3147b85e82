// Package monitor is the privileged half of the daemon. It owns the firewall, ends
// every grant on time, puts back what others flushed, and runs commands. The
// other half, the worker, reads packets without privileges and asks over a socket:
//
//	worker (unprivileged)                     monitor (root)
//	[Client.Submit], Command, …  ── socket ──>  [Monitor.Serve]
//	                                            one row of the request table each:
//	                                            bounded, decoded strictly, checked
//	                                            against [Offer], then carried out
//
// Whoever takes over the worker can ask for what access.conf offers anybody, and
// for nothing else. A request that no honest worker makes ends the connection.
//
// Entry points: [New] and [Monitor.Supervise] on one side, [NewClient] on the
// other.
package monitor

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

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

	Offer Offer

	// Shell and Sudo are programs for SPA commands whose stanza wants them
	// (shCmd, SUDO_EXE); "" is /bin/sh and /usr/bin/sudo.
	Shell, Sudo string
	// Environment is that of SPA commands; nil: a plain PATH and LC_ALL=C.
	Environment []string

	// Established tells for each grant whether a connection through it lives; its
	// end is then put off for some seconds, again and again
	// (ENABLE_CONNTRACK_PERSIST). nil: grants end at their time.
	Established func(ctx context.Context, gs []enforce.Grant) ([]bool, error)

	// Events gets all that happens, in order, one call at a time. While it is
	// slow, up to some thousand events wait; more are counted and dropped.
	Events func(Event)

	// Interval is how often to look after the firewall while grants are open, if
	// the firewall does not tell of changes; 0 is 800 ms.
	Interval time.Duration

	// Clock is [SystemClock] if nil.
	Clock *Clock
}

// An Offer is what a configuration lets the worker ask for. Maps are not changed
// after they were handed over.
type Offer struct {
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
	cfg Config
	mu  sync.Mutex
}

var errNotYet = errors.New("not implemented")

// New adopts what is open in the firewall and among the external grants, ends what
// is overdue, and begins to look after them.
func New(ctx context.Context, cfg Config) (*Monitor, error) { return &Monitor{cfg: cfg}, nil }

// Close stops. Grants in the firewall stay until the kernel ends them; external
// ones are closed now, since nobody will do it later. It waits for commands that
// run and for the last events, until ctx ends.
func (m *Monitor) Close(ctx context.Context) error { return nil }

// Reload puts another configuration in force. All grants stay.
func (m *Monitor) Reload(o Offer) {}

// Apply opens g if the offer allows it.
func (m *Monitor) Apply(ctx context.Context, g enforce.Grant) error { return errNotYet }

// Revoke closes g; that it is not open is success.
func (m *Monitor) Revoke(ctx context.Context, g enforce.Grant) error { return errNotYet }

// List says what is open, asking the kernel.
func (m *Monitor) List(ctx context.Context) ([]enforce.Grant, error) { return nil, errNotYet }

// Flush closes everything.
func (m *Monitor) Flush(ctx context.Context) error { return errNotYet }

// Len is how many openings the monitor looks after, counted by port.
func (m *Monitor) Len() int { return 0 }

// Wait returns when the last grant that has an end is closed.
func (m *Monitor) Wait(ctx context.Context) error { return errNotYet }
