package monitor

import (
	"context"
	"sync"

	"fwknopd/enforce"
)

// maxLanes is how many external commands run at a time.
const maxLanes = 16

// lanes run functions: those of one key one after the other in the order they
// came, those of different keys beside each other.
type lanes struct {
	mu    sync.Mutex
	queue map[string][]func()
	all   sync.WaitGroup
	slots chan struct{}
}

func (l *lanes) add(key string, f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.queue == nil {
		l.queue = make(map[string][]func())
		l.slots = make(chan struct{}, maxLanes)
	}
	waiting, running := l.queue[key]
	l.queue[key] = append(waiting, f)
	if !running {
		l.all.Add(1)
		go l.run(key)
	}
}

func (l *lanes) run(key string) {
	defer l.all.Done()
	for {
		l.mu.Lock()
		if len(l.queue[key]) == 0 {
			delete(l.queue, key)
			l.mu.Unlock()
			return
		}
		f := l.queue[key][0]
		l.queue[key] = l.queue[key][1:]
		l.mu.Unlock()
		l.slots <- struct{}{}
		f()
		<-l.slots
	}
}

func (l *lanes) wait() { l.all.Wait() }

// openExternal notes the end of an external grant, then has its command run. The
// order of decisions is the order of commands. It needs m.mu.
func (m *Monitor) openExternal(ctx context.Context, j job, now stand) {
	g := j.grant.Normal()
	kind := m.keep(g, now)
	e := m.table.entries[g.Key()]
	version := e.version
	ctx = context.WithoutCancel(ctx) // the worker may die, the command goes on
	m.lanes.add(e.key, func() {
		err := m.cfg.External.Apply(ctx, g)
		ev := Event{Time: m.clock.read().wall, Kind: kind, Grant: g, Err: err}
		if err != nil {
			ev.Kind = Failed
			m.undo(e.key, version)
		}
		m.events.add(ev)
		j.done(err)
	})
}

// undo has what a failed command may have opened closed again, unless somebody has
// asked for it anew.
func (m *Monitor) undo(key string, version int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.table.entries[key]; e != nil && e.version == version {
		m.endExternal(e, "", nil)
	}
}

// revokeExternal has the closing command of g run, and waits for it.
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

// endExternal has the closing command of e run. The event is of the kind why, if
// that is not empty; done, if not nil, is told. It needs m.mu.
func (m *Monitor) endExternal(e *entry, why Kind, done func(error)) {
	e.ending = true
	m.table.remove(e)
	g, version := e.grant, e.version
	m.lanes.add(e.key, func() {
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
				m.tellEmpty()
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
