package monitor

import (
	"context"
	"sync"

	"fwknopd/enforce"
)

// maxExternalCommands is how many external commands may run at a time.
const maxExternalCommands = 16

// A keyedQueue runs functions: those of one key one at a time in the order they were
// added, those of different keys concurrently.
type keyedQueue struct {
	mu      sync.Mutex
	pending map[string][]func()
	running sync.WaitGroup
	slots   chan struct{}
}

func (q *keyedQueue) add(key string, f func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.pending == nil {
		q.pending = make(map[string][]func())
		q.slots = make(chan struct{}, maxExternalCommands)
	}
	waiting, running := q.pending[key]
	q.pending[key] = append(waiting, f)
	if !running {
		q.running.Add(1)
		go q.run(key)
	}
}

func (q *keyedQueue) run(key string) {
	defer q.running.Done()
	for {
		q.mu.Lock()
		if len(q.pending[key]) == 0 {
			delete(q.pending, key)
			q.mu.Unlock()
			return
		}
		f := q.pending[key][0]
		q.pending[key] = q.pending[key][1:]
		q.mu.Unlock()
		q.slots <- struct{}{}
		f()
		<-q.slots
	}
}

func (q *keyedQueue) wait() { q.running.Wait() }

// openExternal records an external grant, then queues its command. The order of
// decisions is the order of commands. m.mu must be held.
func (m *Monitor) openExternal(ctx context.Context, j job, now clockReading) {
	g := j.grant.Normal()
	kind := m.record(g, now)
	e := m.table.entries[g.Key()]
	version := e.version
	ctx = context.WithoutCancel(ctx) // the command continues if the worker dies
	m.externalCommands.add(e.key, func() {
		err := m.cfg.External.Apply(ctx, g)
		ev := Event{Time: m.clock.read().wall, Kind: kind, Grant: g, Err: err}
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

// revokeExternal queues the closing command of g and waits for it.
func (m *Monitor) revokeExternal(g enforce.Grant) error {
	result := make(chan error, 1)
	m.mu.Lock()
	if e := m.table.entries[g.Key()]; e != nil {
		m.endExternal(e, Revoked, func(err error) { result <- err })
	} else {
		result <- nil
	}
	m.mu.Unlock()
	return <-result
}

// endExternal queues the closing command of e. Its success is reported as an event of the
// kind why, if that is not empty. done, if not nil, is called with the result. m.mu must
// be held.
func (m *Monitor) endExternal(e *entry, why Kind, done func(error)) {
	e.ending = true
	m.table.remove(e)
	g, version := e.grant, e.version
	m.externalCommands.add(e.key, func() {
		err := m.cfg.External.Revoke(context.Background(), g)
		m.mu.Lock()
		defer m.mu.Unlock()
		now := m.clock.read()
		cur := m.table.entries[e.key]
		current := cur != nil && cur.version == version
		switch {
		case err == nil:
			if current {
				m.table.drop(cur)
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
