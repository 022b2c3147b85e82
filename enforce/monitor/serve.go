package monitor

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// errProtocol is returned for a request that violates the protocol.
var errProtocol = errors.New("protocol violation")

// Serve answers the requests of one worker until it closes the connection (nil), violates
// the protocol (errProtocol) or ctx ends. It closes conn. Grants stay open.
func (m *Monitor) Serve(ctx context.Context, conn *net.UnixConn) error {
	return m.serve(ctx, conn, hooks{})
}

func (m *Monitor) serve(ctx context.Context, conn *net.UnixConn, h hooks) error {
	s := &session{
		m: m, conn: conn, hooks: h,
		jobs: make(chan job, maxJobs), replies: make(chan outgoing, maxReplies),
		asyncSlots: make(chan struct{}, maxAsync), quit: make(chan struct{}),
	}
	if s.hooks.aliveness == nil {
		s.hooks.aliveness = new(aliveness)
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	m.addSession(s)
	watching, endWatch := context.WithCancel(ctx)
	defer endWatch()
	if a := s.hooks.aliveness; a.interval > 0 {
		a.start(time.Now())
		go s.watch(watching)
	}
	var work, write sync.WaitGroup
	work.Go(func() { s.openGrants(m.firewallLife) })
	write.Go(s.write)
	err := s.read()
	endWatch()
	conn.Close()
	m.removeSession(s)
	close(s.jobs)
	work.Wait()
	close(s.quit)
	write.Wait()
	go s.discardLate()
	if errors.Is(err, errProtocol) {
		m.events.add(Event{Time: m.clock.read().wall, Kind: Violation, Err: err})
		return err
	}
	return cmp.Or(s.hooks.aliveness.err(), ctx.Err())
}

// discardLate releases the replies that were not finished when the connection ended. The
// next worker does not wait for them.
func (s *session) discardLate() {
	s.asyncRunning.Wait()
	for len(s.replies) > 0 {
		s.release(<-s.replies)
	}
}

func (m *Monitor) addSession(s *session) {
	m.endMu.Lock()
	defer m.endMu.Unlock()
	m.sessions[s] = true
	if m.ending {
		s.conn.Close()
	}
}

func (m *Monitor) removeSession(s *session) {
	m.endMu.Lock()
	defer m.endMu.Unlock()
	delete(m.sessions, s)
}

// endSessions closes all connections. Later ones are closed at once, and no more commands
// are started.
func (m *Monitor) endSessions() {
	m.endMu.Lock()
	defer m.endMu.Unlock()
	m.ending = true
	for s := range m.sessions {
		s.conn.Close()
	}
}

// Notify sends a short text to all workers, see [Client.Notices]. It does not wait for the
// firewall.
func (m *Monitor) Notify(text string) {
	m.endMu.Lock()
	defer m.endMu.Unlock()
	for s := range m.sessions {
		s.send(reply{Notice: text})
	}
}

// read handles requests until the connection ends. Descriptors that are passed with them
// are never received.
func (s *session) read() error {
	r := bufio.NewReaderSize(s.conn, 16*maxFrame)
	var buf [maxFrame]byte
	for {
		text, err := readFrame(r, &buf)
		if err == nil {
			s.hooks.aliveness.begin()
			err = s.dispatch(text)
			s.hooks.aliveness.end()
		}
		if err != nil {
			return err
		}
	}
}

// openGrants opens grants, all that are queued in one transaction. The result of an
// external one may arrive after the end of the connection.
func (s *session) openGrants(ctx context.Context) {
	var batch []job
	for j := range s.jobs {
		batch = append(batch[:0], j)
		for len(batch) < maxBatch && len(s.jobs) > 0 {
			batch = append(batch, <-s.jobs)
		}
		s.m.open(ctx, onDisk(batch))
	}
}
