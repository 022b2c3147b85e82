package layers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"fwknopd/enforce"
	"fwknopd/enforce/nftables"
	"fwknopd/enforce/watch"
)

// legacyInterval is how often to look at the tables of the legacy variant while grants
// are open.
const legacyInterval = 600 * time.Millisecond

// legacy is what is kept of the variant that does not tell of changes.
type legacy struct {
	text  map[nftables.XTable]string // of the last survey
	until time.Time                  // the last end of a grant
	wake  chan struct{}
}

// expect keeps the watch awake as long as the grants are open.
func (l *legacy) expect(gs []enforce.Grant) {
	before := l.until
	for _, g := range gs {
		end := g.Expires
		if end.IsZero() {
			end = time.Now().Add(24 * time.Hour)
		}
		if end.After(l.until) {
			l.until = end
		}
	}
	if l.until.After(before) {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// An author knows the changes that it makes itself, by the netlink port they come from.
type author interface{ Mine(port uint32) bool }

// Watch implements [enforce.Backend]: nf_tables tells, the legacy variant is asked.
func (b *Backend) Watch(ctx context.Context) (<-chan struct{}, error) {
	var told <-chan struct{}
	if b.cfg.NFTables != nil {
		netns, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("own network namespace: %w", err)
		}
		// Any rule that is added may begin to drop.
		told, err = watch.NFTables(ctx, netns, b.mine, func(string) bool { return true })
		if err = errors.Join(err, unix.Close(netns)); err != nil {
			return nil, err
		}
	}
	changed := make(chan struct{}, 1)
	go b.attend(ctx, told, changed)
	return changed, nil
}

func (b *Backend) mine(port uint32) bool {
	return slices.ContainsFunc(b.all(), func(m *member) bool {
		a, ok := m.Backend.(author)
		return ok && a.Mine(port)
	})
}

// attend passes on what nf_tables tells, and looks at the legacy tables by the clock
// while grants are open.
func (b *Backend) attend(ctx context.Context, told <-chan struct{}, changed chan<- struct{}) {
	defer close(changed)
	ticker := time.NewTicker(legacyInterval)
	ticker.Stop()
	defer ticker.Stop()
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
			if b.asleep() {
				ticker.Stop()
				continue
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

// asleep reports that no grant is open any more.
func (b *Backend) asleep() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Now().After(b.legacy.until)
}
