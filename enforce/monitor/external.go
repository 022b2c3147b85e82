package monitor

import (
	"cmp"
	"context"
	"sync"

	"fwknopd/enforce"
)

// Limits of external commands. Closing commands have slots of their own: however many
// opening commands wait, what is open is closed on time.
const (
	maxExternalCommands = 16  // of one kind that run at a time
	maxWaitingOpens     = 512 // opening commands that wait; more are refused
)

// A commandKind is which command of an external grant is run.
type commandKind int

const (
	opening commandKind = iota
	closing
	commandKinds
)

// A keyedQueue runs functions: those of one key one at a time in the order they were
// added, those of different keys concurrently.
type keyedQueue struct {
	mu      sync.Mutex
	pending map[string][]queued
	waiting [commandKinds]int // functions that have no slot yet
	running sync.WaitGroup
	slots   [commandKinds]chan struct{}
}

type queued struct {
	kind commandKind
	f    func()
}

// isFull reports whether no more opening commands are accepted, behind those that are about to be
// added.
func (q *keyedQueue) isFull(added int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting[opening]+added >= maxWaitingOpens
}

func (q *keyedQueue) add(key string, kind commandKind, f func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.pending == nil {
		q.pending = make(map[string][]queued)
		for kind := range q.slots {
			q.slots[kind] = make(chan struct{}, maxExternalCommands)
		}
	}
	before, running := q.pending[key]
	q.pending[key] = append(before, queued{kind, f})
	q.waiting[kind]++
	if !running {
		q.running.Add(1)
		go q.run(key)
	}
}

func (q *keyedQueue) run(key string) {
	defer q.running.Done()
	for {
		next, ok := q.next(key)
		if !ok {
			return
		}
		q.slots[next.kind] <- struct{}{}
		q.mu.Lock()
		q.waiting[next.kind]--
		q.mu.Unlock()
		next.f()
		<-q.slots[next.kind]
	}
}

// next removes the first function of a key; ok is false if there is none.
func (q *keyedQueue) next(key string) (next queued, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	list := q.pending[key]
	if len(list) == 0 {
		delete(q.pending, key)
		return queued{}, false
	}
	q.pending[key] = list[1:]
	return list[0], true
}

func (q *keyedQueue) wait() { q.running.Wait() }

// openExternal records an external grant, then queues its command. The order of
// decisions is the order of commands. m.mu must be held.
func (m *Monitor) openExternal(j job, now clockReading) {
	g := j.grant.Normal()
	kind := m.record(g, cmp.Or(j.claimed, now.wall), now)
	e := m.table.entries[g.Key()]
	version := e.version
	m.externalCommands.add(e.key, opening, func() {
		if !m.table.isOpen(g.Key()) { // its end came while it waited
			m.events.add(Event{Time: m.clock.read().wall, Kind: Failed, Grant: g, Err: enforce.ErrEnded})
			j.done(enforce.ErrEnded)
			return
		}
		err := m.cfg.External.Apply(m.commandLife, g) // also if the worker dies
		ev := Event{Time: m.clock.read().wall, Kind: kind, Grant: g, ByHand: j.byHand, Err: err}
		if err != nil {
			ev.Kind = Failed
			m.closeFailed(e.key, version)
		}
		m.events.add(ev)
		j.done(err)
	})
}

// closeFailed queues the closing command after a failed opening command, which may have
// opened something, unless the grant was requested again.
func (m *Monitor) closeFailed(key string, version int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.table.entries[key]; e != nil && e.version == version {
		m.endExternal(e, "", nil)
	}
}

// revokeExternal queues the closing command of g and waits for it until ctx ends.
func (m *Monitor) revokeExternal(ctx context.Context, g enforce.Grant) error {
	result := make(chan error, 1)
	if err := m.mu.LockContext(ctx); err != nil {
		return err
	}
	if e := m.table.entries[g.Key()]; e != nil {
		m.endExternal(e, Revoked, func(err error) { result <- err })
	} else {
		result <- nil
	}
	m.mu.Unlock()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// endExternal queues the closing command of e. Its success is reported as an event of the
// kind why, if that is not empty. done, if not nil, is called with the result. m.mu must
// be held.
func (m *Monitor) endExternal(e *entry, why Kind, done func(error)) {
	m.table.setEnding(e)
	m.table.remove(e)
	g, version := e.grant, e.version
	m.externalCommands.add(e.key, closing, func() {
		err := m.cfg.External.Revoke(m.commandLife, g)
		m.mu.Lock()
		defer m.mu.Unlock()
		now := m.clock.read()
		cur := m.table.entries[e.key]
		current := cur != nil && cur.version == version
		switch {
		case err == nil:
			if current {
				if why != "" {
					m.ended(cur, now.elapsed)
				}
				m.table.drop(cur)
				m.collectCut(cur)
				m.startCuts()
				m.notifyIdle()
			}
			if why != "" {
				m.events.add(Event{Time: now.wall, Kind: why, Grant: g})
			}
		case current:
			m.retry(cur, now, err)
			signal(m.wake)
		}
		if done != nil {
			done(err)
		}
	})
}
