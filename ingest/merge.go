package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"fwknopd/parse"
)

const (
	// ringSize is how many events of one source wait for the consumer.
	ringSize = 256
	// keptBuffer is the largest buffer that a slot keeps for its next event.
	keptBuffer = 4 << 10
)

// Merge returns a Source of the events of several, each read by a goroutine of its
// own, so that one that waits holds up no other. The events of each source come in
// their order. A source that is ahead of the consumer waits; nothing is dropped
// here. Records without an event are counted and not passed on.
//
// An error that ends one source is returned once, wrapped with the source's name
// if it has one; the next call goes on with the others. io.EOF comes when all have
// ended. The Problem functions of the sources are called from their goroutines.
//
// Its Stats count all sources, name the record of the event that Next returned last, and
// have a State of each source behind what Next returned. Close closes all sources. Merge
// of a single source is that source.
func Merge(sources ...Source) Source {
	if len(sources) == 1 {
		return sources[0]
	}
	m := &merged{sources: sources, wake: make(chan struct{}, 1)}
	m.counted, m.places = m.counts, m.states
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel = cancel
	for _, src := range sources {
		r := &ring{src: src, space: make(chan struct{}, 1), place: src.Stats().State()}
		m.rings = append(m.rings, r)
		m.running.Go(func() { m.read(ctx, r) })
	}
	return m
}

type merged struct {
	accounting
	sources []Source
	rings   []*ring
	cancel  context.CancelFunc
	running sync.WaitGroup

	asleep atomic.Bool   // the consumer waits, or is about to
	wake   chan struct{} // for the consumer

	next     int   // the ring to look at next
	taken    *ring // whose oldest slot the consumer has
	finished int   // sources that ended
}

// A ring hands the events of one source to the consumer. One goroutine writes,
// one reads.
type ring struct {
	src        Source
	slots      [ringSize]slot
	head, tail atomic.Uint64 // slots written, slots given back
	full       atomic.Bool   // the writer waits, or is about to
	space      chan struct{} // for the writer
	place      State         // behind the last slot that the consumer took
}

// A slot is an event with copies of what it refers to, or the end of a source.
type slot struct {
	event parse.Event
	at    Position
	place State // behind the event
	err   error
	buf   []byte
}

// read fills a ring until its source ends.
func (m *merged) read(ctx context.Context, r *ring) {
	stats := r.src.Stats()
	for {
		s := r.free(ctx)
		if s == nil {
			return
		}
		err := r.src.Next(ctx, &s.event)
		if isSkip(err) {
			continue
		}
		s.err, s.at, s.place = err, stats.Position(), stats.State()
		s.copyData()
		r.head.Add(1)
		if m.asleep.Load() {
			signal(m.wake)
		}
		if err != nil {
			return
		}
	}
}

// free returns the slot to be written next, waiting for one; nil if ctx ends.
func (r *ring) free(ctx context.Context) *slot {
	for {
		head := r.head.Load()
		if head-r.tail.Load() < ringSize {
			return &r.slots[head%ringSize]
		}
		r.full.Store(true)
		if head-r.tail.Load() == ringSize {
			select {
			case <-r.space:
			case <-ctx.Done():
				return nil
			}
		}
		r.full.Store(false)
	}
}

// signal wakes the other side; one that is not waiting finds it later.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// copyData copies what the event refers to, which is the source's.
func (s *slot) copyData() {
	if cap(s.buf) > keptBuffer {
		s.buf = nil
	}
	s.buf = s.buf[:0]
	for _, p := range []*[]byte{&s.event.Payload, &s.event.Prefix, &s.event.In} {
		s.buf = append(s.buf, *p...)
	}
	rest := s.buf
	for _, p := range []*[]byte{&s.event.Payload, &s.event.Prefix, &s.event.In} {
		if *p != nil {
			n := len(*p)
			*p, rest = rest[:n:n], rest[n:]
		}
	}
}

// Next implements [Source].
func (m *merged) Next(ctx context.Context, ev *parse.Event) error {
	m.releaseSlot()
	for {
		if s := m.take(); s != nil {
			m.taken.place = s.place
			if s.err == nil {
				*ev, m.name, m.record = s.event, s.at.Name, s.at.Record
				return nil
			}
			m.finished++
			if !errors.Is(s.err, io.EOF) {
				return m.ended(s)
			}
			m.releaseSlot()
			continue
		}
		if m.finished == len(m.sources) {
			return io.EOF
		}
		if err := m.sleep(ctx); err != nil {
			return err
		}
	}
}

func (m *merged) ended(s *slot) error {
	if s.at.Name == "" {
		return s.err
	}
	return fmt.Errorf("%s: %w", s.at.Name, s.err)
}

// take returns the oldest slot of the next ring that has one.
func (m *merged) take() *slot {
	for range m.rings {
		at := m.next
		r := m.rings[at]
		m.next = (at + 1) % len(m.rings)
		if tail := r.tail.Load(); tail != r.head.Load() {
			m.taken, m.turn = r, at
			return &r.slots[tail%ringSize]
		}
	}
	return nil
}

// releaseSlot frees the slot that the consumer had.
func (m *merged) releaseSlot() {
	if r := m.taken; r != nil {
		m.taken = nil
		r.tail.Add(1)
		if r.full.Load() {
			signal(r.space)
		}
	}
}

// sleep waits until some ring has something.
func (m *merged) sleep(ctx context.Context) error {
	m.asleep.Store(true)
	defer m.asleep.Store(false)
	for _, r := range m.rings { // one may have come before asleep was seen
		if r.tail.Load() != r.head.Load() {
			return nil
		}
	}
	select {
	case <-m.wake:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Buffered implements [Source].
func (m *merged) Buffered() bool {
	for _, r := range m.rings {
		tail := r.tail.Load()
		if r == m.taken { // not given back yet
			tail++
		}
		if tail != r.head.Load() {
			return true
		}
	}
	return false
}

func (m *merged) counts() (sum Counts) {
	for _, src := range m.sources {
		sum.Add(src.Stats().Counts())
	}
	return sum
}

// states returns the places behind what Next returned: the sources are ahead of it.
func (m *merged) states() []State {
	states := make([]State, len(m.rings))
	for i, r := range m.rings {
		states[i] = r.place
	}
	return states
}

// Close closes all sources and waits for their goroutines. A Next that waits in
// another goroutine is ended by its sources.
func (m *merged) Close() error {
	m.cancel()
	var errs []error
	for _, src := range m.sources {
		errs = append(errs, src.Close())
	}
	m.running.Wait()
	return errors.Join(errs...)
}
