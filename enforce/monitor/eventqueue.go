package monitor

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"fwknopd/enforce"
)

// maxEvents is how many events are queued for a slow handler.
const maxEvents = 8192

// An eventQueue passes events to one handler, in order and one at a time. Its goroutine
// runs only while events are queued.
type eventQueue struct {
	handler func(Event)

	mu      sync.Mutex
	waiting []Event
	dropped int
	running bool
	idle    sync.Cond
}

func newEventQueue(to func(Event)) *eventQueue {
	s := &eventQueue{handler: to}
	s.idle.L = &s.mu
	return s
}

func (s *eventQueue) add(ev Event) {
	if s.handler == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) >= maxEvents {
		s.dropped++
		return
	}
	s.waiting = append(s.waiting, ev)
	if !s.running {
		s.running = true
		go s.deliver()
	}
}

func (s *eventQueue) deliver() {
	for {
		s.mu.Lock()
		batch := s.waiting
		s.waiting = nil
		if s.dropped > 0 {
			batch = append(batch, Event{Time: batch[len(batch)-1].Time, Kind: Lost, Count: s.dropped})
			s.dropped = 0
		}
		if len(batch) == 0 {
			s.running = false
			s.idle.Broadcast()
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		for _, ev := range batch {
			s.handler(ev)
		}
	}
}

// drain waits until all events are handled.
func (s *eventQueue) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.running {
		s.idle.Wait()
	}
}

// Refusals are reported refusalBurst times in a row, then refusalRate a second: a
// compromised worker cannot fill the log.
const (
	refusalBurst = 50
	refusalRate  = 1
)

// A refusals limits the reports of refusals.
type refusals struct {
	mu         sync.Mutex
	limiter    *rate.Limiter
	unreported int // since the last report
}

// reportRefused reports a request that the policy does not allow.
func (m *Monitor) reportRefused(ev Event) {
	ev.Kind = Refused
	m.reportLimited(ev)
}

// reportLimited reports what a worker can cause at any rate. Count is the number of such
// events before it that were not reported.
func (m *Monitor) reportLimited(ev Event) {
	r, now := &m.refusals, m.clock.read()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.limiter.AllowN(now.monotonic(), 1) {
		r.unreported++
		return
	}
	ev.Time, ev.Count = now.wall, r.unreported
	r.unreported = 0
	m.events.add(ev)
}

// reportGrants adds one event for each grant, the ports of one together.
func (m *Monitor) reportGrants(at time.Time, kind Kind, parts []enforce.Grant) {
	for _, g := range joinPorts(parts) {
		m.events.add(Event{Time: at, Kind: kind, Grant: g})
	}
}

// joinPorts merges parts that differ only in their ports.
func joinPorts(parts []enforce.Grant) (grants []enforce.Grant) {
	place := make(map[string]int, len(parts))
	for _, part := range parts {
		rest := part
		rest.Ports = nil
		id := fmt.Sprint(rest.Key(), part.Expires.UnixMilli(), part.Stanza, part.User)
		i, ok := place[id]
		if !ok || len(part.Ports) == 0 {
			place[id] = len(grants)
			grants = append(grants, part)
			continue
		}
		g := grants[i]
		g.Ports = append(g.Ports[:len(g.Ports):len(g.Ports)], part.Ports...)
		grants[i] = g.Normal()
	}
	return grants
}
