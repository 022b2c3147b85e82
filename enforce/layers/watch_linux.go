package layers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"fwknopd/enforce"
	"fwknopd/enforce/nftables"
	"fwknopd/enforce/ruleset"
	"fwknopd/enforce/watch"
)

// maxAwake is how long a grant without end keeps the watch awake; each look begins it
// anew.
const maxAwake = 24 * time.Hour

// legacyInterval is how often to look at the tables of the legacy variant while grants
// are open.
const legacyInterval = 600 * time.Millisecond

// legacy is what is kept of the variant that does not tell of changes.
type legacy struct {
	text  map[nftables.XTable]string // before the last repair
	dirty atomic.Bool                // we have changed the tables since, so that text says nothing
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

// idle reports that no grant is open any more.
func (l *legacy) idle() bool { return time.Now().UnixNano() > l.until.Load() }

// An author knows the changes that it makes itself, by the netlink port they come from.
type author interface{ Mine(port uint32) bool }

// A namer knows the names of its chains.
type namer interface{ IsOurs(chain string) bool }

// Watch implements [enforce.Backend]: nf_tables tells, the legacy variant is asked.
func (b *Backend) Watch(ctx context.Context) (<-chan struct{}, error) {
	var told <-chan struct{}
	if b.cfg.NFTables != nil {
		netns, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("own network namespace: %w", err)
		}
		// While grants are open, any rule that is added may begin to drop them.
		told, err = watch.NFTables(ctx, netns, b.mine, func(chain string) bool { return b.isOurs(chain) || !b.legacy.idle() })
		if err = errors.Join(err, unix.Close(netns)); err != nil {
			return nil, err
		}
	}
	changed := make(chan struct{}, 1)
	go b.watchLoop(ctx, told, changed)
	return changed, nil
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

// watchLoop passes on what nf_tables tells, and looks at the legacy tables by the clock
// while grants are open.
func (b *Backend) watchLoop(ctx context.Context, told <-chan struct{}, changed chan<- struct{}) {
	defer close(changed)
	ticker := time.NewTicker(legacyInterval)
	defer ticker.Stop()
	b.slowDown(ticker)
	for {
		select {
		case <-ctx.Done():
			return
		case _, ok := <-told:
			if !ok {
				if ctx.Err() == nil && b.cfg.NFTables != nil {
					return // the kernel tells no more: the caller looks by the clock
				}
				told = nil
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

// slowDown looks less often, and only for rules of another daemon.
func (b *Backend) slowDown(ticker *time.Ticker) {
	if b.cfg.Idle > 0 && b.uses(ruleset.IPTablesLegacy) {
		ticker.Reset(b.cfg.Idle)
		return
	}
	ticker.Stop()
}
