package layers

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/nftables"
	"fwknopd/enforce/ruleset"
	"fwknopd/enforce/watch"
)

// maxAwake is how long a grant without end keeps the watch awake; each List or Compare
// begins it anew.
const maxAwake = 24 * time.Hour

// legacyInterval is how often to read the tables of the legacy variant while grants are
// open.
const legacyInterval = 600 * time.Millisecond

// legacy is the state of the watch on the variant that sends no notifications.
type legacy struct {
	text  map[nftables.XTable]string // at the last comparison
	dirty atomic.Bool                // text is out of date, as we have changed the tables since; or a layer was added
	until atomic.Int64               // the last end of a grant, nanoseconds of the epoch
	wake  chan struct{}
}

// watchUntil keeps the watch awake as long as the grants are open.
func (l *legacy) watchUntil(gs []enforce.Grant) {
	before := l.until.Load()
	last := before
	for _, g := range gs {
		end := g.Expires
		if end.IsZero() {
			end = time.Now().Add(maxAwake)
		}
		last = max(last, end.UnixNano())
	}
	if last == before {
		return
	}
	l.until.Store(last)
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// idle reports whether no grant is open any more.
func (l *legacy) idle() bool { return time.Now().UnixNano() > l.until.Load() }

// An author recognises its own changes by the netlink port that they come from.
type author interface{ Mine(port uint32) bool }

// A namer recognises its own chains by their names.
type namer interface{ IsOurs(chain string) bool }

// Watch implements [enforce.Backend]: nf_tables sends notifications, the tables of the
// legacy variant are read by the clock.
func (b *Backend) Watch(ctx context.Context) (<-chan struct{}, error) {
	var events <-chan struct{}
	if b.cfg.NFTables != nil {
		// While grants are open, any rule that is added may begin to drop them, and with a
		// guard any may let packets pass in front of it.
		concerns := func(chain string) bool { return b.isOurs(chain) || !b.legacy.idle() || len(b.cfg.Guard) > 0 }
		var err error
		if events, err = watch.NFTables(ctx, 0, b.mine, concerns); err != nil {
			return nil, err
		}
	}
	signals, err := b.watchFirewalld(ctx)
	if err != nil {
		return nil, err
	}
	if signals != nil {
		events = thin(ctx, events)
	}
	changed := make(chan struct{}, 1)
	go b.watchLoop(ctx, events, signals, changed)
	return changed, nil
}

// watchFirewalld returns the signals of firewalld; nil if it is not in use.
func (b *Backend) watchFirewalld(ctx context.Context) (<-chan struct{}, error) {
	for _, m := range b.all() {
		if m.Kind == ruleset.Firewalld {
			return m.Watch(ctx)
		}
	}
	return nil, nil
}

// thinInterval is more than the monitor takes for a program that changes the firewall again and
// again.
const thinInterval = time.Second

// thin passes events on once in thinInterval: changes that firewalld makes for us cannot be
// distinguished from those for others, which it signals itself.
func thin(ctx context.Context, events <-chan struct{}) <-chan struct{} {
	few := make(chan struct{}, 1)
	go func() {
		defer close(few)
		for range events {
			select {
			case <-ctx.Done():
				return
			case <-time.After(thinInterval):
			}
			select {
			case <-events: // meanwhile
			default:
			}
			select {
			case few <- struct{}{}:
			default:
			}
		}
	}()
	return few
}

func (b *Backend) mine(port uint32) bool {
	return slices.ContainsFunc(b.all(), func(m *member) bool {
		a, ok := m.Backend.(author)
		return ok && a.Mine(port)
	})
}

func (b *Backend) isOurs(chain string) bool {
	return slices.ContainsFunc(b.all(), func(m *member) bool {
		n, ok := m.Backend.(namer)
		return ok && n.IsOurs(chain)
	})
}

// watchLoop passes notifications of nf_tables and of firewalld (signals) on, and reads the legacy tables by the
// clock while grants are open.
func (b *Backend) watchLoop(ctx context.Context, events, signals <-chan struct{}, changed chan<- struct{}) {
	defer close(changed)
	ticker := time.NewTicker(legacyInterval)
	defer ticker.Stop()
	b.slowDown(ticker)
	for {
		select {
		case <-ctx.Done():
			return
		case _, ok := <-events:
			if !ok {
				if ctx.Err() == nil && b.cfg.NFTables != nil {
					return // no more notifications: the caller reads by the clock
				}
				events = nil
			}
		case _, ok := <-signals:
			if !ok {
				signals = nil
			}
		case <-b.legacy.wake:
			ticker.Reset(legacyInterval)
			if !b.legacyChanged(ctx) {
				continue
			}
		case <-ticker.C:
			if b.legacy.idle() {
				b.slowDown(ticker)
			}
			if !b.legacyChanged(ctx) {
				continue
			}
		}
		select {
		case changed <- struct{}{}:
		default:
		}
	}
}

// slowDown reads the tables less often.
func (b *Backend) slowDown(ticker *time.Ticker) {
	if every := b.idleInterval(); every > 0 {
		ticker.Reset(every)
	} else {
		ticker.Stop()
	}
}

// guardInterval is how often the tables are read for a guard alone, if Idle does not say.
const guardInterval = 5 * time.Second

// idleInterval is how often the tables are read while no grant is open: for rules of another daemon,
// and for a guard that a program may remove; 0: never.
func (b *Backend) idleInterval() time.Duration {
	switch {
	case !b.uses(ruleset.IPTablesLegacy):
		return 0
	case b.cfg.Idle == 0 && len(b.cfg.Guard) > 0:
		return guardInterval
	}
	return b.cfg.Idle
}
