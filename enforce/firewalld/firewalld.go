// Package firewalld opens access with firewalld, by rich rules in its running configuration:
//
//	rule priority="-31000" family="ipv4" source address="192.0.2.7" port port="22" protocol="tcp" accept
//
// firewalld is asked over the system bus. A rule stands in each zone in which packets of the
// client can land (see [route]), and firewalld ends it by a timer of its own, in seconds. A
// rich rule has no comment: ours have a priority from a range of their own, and which stanza a
// rule is of and when it ends to the millisecond stands in a journal. A rule with such a
// priority that the journal does not know is one that has ended.
//
// While firewalld does not answer, what ends is shut all the same: a table of our own drops new
// connections of it until its rule is gone.
//
// A grant that is extended gets a rule of another priority before the old one is removed, so
// that its port is never shut.
//
// Entry points: [New], and [Running] for whether firewalld manages this host.
package firewalld

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/journal"
)

// A Config is the configuration of a [Backend].
type Config struct {
	// Address is that of the bus; "": DBUS_SYSTEM_BUS_ADDRESS, else the usual socket.
	Address string
	// Journal is the file with the ends of grants; its directory must exist.
	Journal string
	// Interfaces are those on which packets of clients arrive; none: any.
	Interfaces []string
	// Timeout is how long firewalld may take to answer one call; 0 is 30 s.
	Timeout time.Duration
}

// Errors of [New] and [Backend.Change].
var (
	errGone    = fmt.Errorf("%w: firewalld does not run, or has left the bus", enforce.ErrNoAnswer)
	errLost    = fmt.Errorf("%w: no connection to the bus", enforce.ErrNoAnswer)
	errDenied  = errors.New("the bus or firewalld refuses to be asked by this user")
	errSilent  = fmt.Errorf("%w: no word from firewalld in time", enforce.ErrNoAnswer)
	errForm    = errors.New("firewalld has no rich rule for it")
	errNoRoom  = errors.New("firewalld: too many rules for this client and port")
	errOffered = errors.New("rich rules open ports of this host and forward single ports; for the rest FIREWALL_TYPE nftables")
)

const defaultTimeout = 30 * time.Second

// A Backend is firewalld.
type Backend struct {
	cfg Config
	bus *bus

	ended ended

	mu      sync.Mutex
	journal *journal.Shared
	notes   enforce.Notes
	last    *state // as it was read last
}

var _ enforce.Backend = (*Backend)(nil)

// ends are the grants of the journal: those with rules in firewalld.
var ends = journal.Rules{
	Holds: func(g enforce.Grant) bool { return g.Validate() == nil },
	Lasts: func(g enforce.Grant) bool { return enforce.Outlives(g.Expires, time.Now().Add(-time.Hour)) },
	Lost:  "the end of a grant may be lost",
}

// New connects to the bus. It fails if firewalld does not run or may not be asked, and
// changes nothing.
func New(ctx context.Context, cfg Config) (*Backend, error) {
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	b := &Backend{cfg: cfg, bus: newBus(cfg.Address, cfg.Timeout), journal: journal.Share(cfg.Journal, ends)}
	var err error
	if b.last, err = b.read(ctx); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	b.ended.table = endedBefore()
	b.noteKept(ctx)
	return b, nil
}

// noteKept notes rules of ours that are in the permanent configuration: they come back with
// each reload, without a timer.
func (b *Backend) noteKept(ctx context.Context) {
	kept, err := b.bus.permanentZones(ctx)
	if err != nil {
		return // what is permanent matters at the next reload only
	}
	for _, zone := range kept {
		b.notes.Add("firewalld: zone %s has rules of grants in its permanent configuration (firewall-cmd --runtime-to-permanent): each reload opens them; firewall-cmd --permanent --zone=%s --list-rich-rules shows them, with priorities from %d to %d",
			zone, zone, lastPriority, firstPriority)
	}
}

// Setup implements [enforce.Backend]: firewalld has all chains itself. It fails if firewalld
// does not answer.
func (b *Backend) Setup(ctx context.Context) error {
	_, err := b.bus.defaultZone(ctx)
	return err
}

// Flush implements [enforce.Backend].
func (b *Backend) Flush(ctx context.Context) error {
	return b.locked(ctx, nil, func(s *state) error {
		var records []journal.Record
		for key := range b.journal.Grants() {
			records = append(records, journal.Record{Closed: key})
		}
		for _, zone := range s.zones {
			for _, r := range slices.Clone(s.rules[zone]) {
				if err := b.remove(ctx, s, zone, r); err != nil {
					return err
				}
			}
		}
		return b.journal.Add(records...)
	})
}

// Teardown implements [enforce.Backend]: the same as Flush.
func (b *Backend) Teardown(ctx context.Context) error { return b.Flush(ctx) }

// Prune implements [enforce.Pruner]: there is nothing but rules of grants.
func (b *Backend) Prune(context.Context) error { return nil }

// Notes implements [enforce.Backend].
func (b *Backend) Notes() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.notes)
}

// Close implements [enforce.Backend]. Rules stay until firewalld's timers end them.
func (b *Backend) Close() error { return b.bus.close() }

// locked calls f with what firewalld has, while no other process changes it. What ends while
// firewalld does not answer is shut, with what f is to revoke.
func (b *Backend) locked(ctx context.Context, revoke []enforce.Grant, f func(*state) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	unlock, err := b.lockJournal(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	var s *state
	b.ended.during(func() {
		if s, err = b.read(ctx); err == nil {
			b.last = s
			err = f(s)
		}
	}, b.journal.Grants(), revoke)
	return b.settle(s, err)
}

// lockJournal locks the journal. b.mu must be held.
func (b *Backend) lockJournal(ctx context.Context) (unlock func(), err error) {
	wait, cancel := context.WithTimeout(ctx, b.cfg.Timeout)
	defer cancel()
	_, err = b.journal.Lock(wait)
	return b.journal.Unlock, err
}
