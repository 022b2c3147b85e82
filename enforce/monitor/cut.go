package monitor

import (
	"cmp"
	"context"
	"fmt"
	"sync"

	"fwknopd/enforce"
)

// maxCuts is how many grants are collected at most before their connections are looked up.
const maxCuts = 4096

// A cutter ends the connections of grants that have ended (CLOSE_CONNECTIONS), in the order
// in which they did. Those that end while it is at work share the next look at the tables. Its
// goroutine runs only while some wait.
type cutter struct {
	cut func([]enforce.Grant)

	mu      sync.Mutex
	waiting []enforce.Grant
	running bool
	idle    sync.Cond
	watches map[*cutWatch]bool
}

// A cutWatch collects what became of connections.
type cutWatch struct {
	counts map[string]enforce.Connections // by the key of their grant
	err    error                          // as of Config.Cut
}

func newCutter(cut func([]enforce.Grant)) *cutter {
	c := &cutter{cut: cut, watches: make(map[*cutWatch]bool)}
	c.idle.L = &c.mu
	return c
}

func (c *cutter) add(ended []enforce.Grant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = append(c.waiting, ended...)
	if len(c.waiting) > 0 && !c.running {
		c.running = true
		go c.run()
	}
}

func (c *cutter) run() {
	for {
		c.mu.Lock()
		batch := c.waiting
		c.waiting = nil
		if len(batch) == 0 {
			c.running = false
			c.idle.Broadcast()
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		c.cut(batch)
	}
}

// WatchCuts begins to collect what becomes of the connections of grants that end. collect,
// which must be called, ends that: it waits until the monitor is done with all that have ended
// and returns the sum for those that closed has. The error is that of [Config.Cut], of any grant that
// ended meanwhile.
func (m *Monitor) WatchCuts() (collect func(closed []enforce.Grant) (enforce.Connections, error)) {
	c, w := m.cutter, &cutWatch{counts: make(map[string]enforce.Connections)}
	c.mu.Lock()
	c.watches[w] = true
	c.mu.Unlock()
	return func(closed []enforce.Grant) (sum enforce.Connections, err error) {
		c.wait()
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.watches, w)
		for _, g := range closed {
			for _, part := range g.Split() {
				sum.Add(w.counts[part.Key()])
			}
		}
		return sum, w.err
	}
}

// wait returns when the connections of all grants that were added are looked up.
func (c *cutter) wait() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.running {
		c.idle.Wait()
	}
}

// collectCut notes that the connections of an entry, which is dropped, are to end. m.mu must
// be held.
func (m *Monitor) collectCut(e *entry) {
	if e.cut {
		m.cuts = append(m.cuts, e.grant)
	}
}

// startCuts has the connections of what has ended looked up. It does not wait for that. m.mu
// must be held.
func (m *Monitor) startCuts() {
	m.cutter.add(m.cuts)
	m.cuts = nil
}

// CutRest ends the connections of the grants that were open at [Monitor.Close], for one that
// has removed them from the firewall then.
func (m *Monitor) CutRest(ctx context.Context) {
	m.mu.Lock()
	var rest []enforce.Grant
	for _, e := range m.table.entries {
		if e.cut && e.grant.External == nil {
			rest = append(rest, e.grant)
		}
	}
	m.mu.Unlock()
	if len(rest) > 0 {
		m.cut(ctx, rest, func() []enforce.Grant { return nil })
		m.events.drain()
	}
}

// cut ends the connections through grants that have ended and through none of the open ones,
// and reports what became of them.
func (m *Monitor) cut(ctx context.Context, ended []enforce.Grant, open func() []enforce.Grant) {
	counts, err := m.cfg.Cut(ctx, ended, open)
	m.cutter.fail(err)
	now := m.clock.read().wall
	if len(counts) != len(ended) {
		m.events.add(Event{Time: now, Kind: Failed, Err: fmt.Errorf("the connections of %d grants that have ended were not ended: %w", len(ended), err)})
		return
	}
	byKey := make(map[string]enforce.Connections)
	var parts []enforce.Grant
	for i, n := range counts {
		if n != (enforce.Connections{}) {
			key := ended[i].Key()
			sum := byKey[key]
			sum.Add(n)
			byKey[key] = sum
			parts = append(parts, ended[i])
			m.cutter.note(key, n)
			m.meterCut(n)
		}
	}
	for _, g := range joinPorts(parts) {
		ev := Event{Time: now, Kind: Cut, Grant: g}
		for _, part := range g.Split() {
			ev.Connections.Add(byKey[part.Key()])
			delete(byKey, part.Key()) // it may have ended twice
		}
		if ev.Connections.Open+ev.Connections.Cut > 0 {
			ev.Err = err
		}
		if ev.Connections != (enforce.Connections{}) {
			m.events.add(ev)
		}
	}
}

// note has the watches collect what became of the connections of a grant.
func (c *cutter) note(key string, n enforce.Connections) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for w := range c.watches {
		sum := w.counts[key]
		sum.Add(n)
		w.counts[key] = sum
	}
}

// fail has the watches note why some connections go on, or may.
func (c *cutter) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for w := range c.watches {
		w.err = cmp.Or(w.err, err)
	}
}
