package monitor

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// ErrProtocol is a request that no honest worker makes.
var ErrProtocol = errors.New("protocol violation")

// ErrBusy is the answer when too much is under way already. From the other side of
// the socket it is only its text.
var ErrBusy = errors.New("too many requests at a time")

// What one connection may have under way.
const (
	maxJobs    = 4096 // then the socket fills
	maxReplies = 8192 // then the worker is deaf
	maxAsync   = 8    // passwords and files
	maxBatch   = 512  // grants in one transaction
)

// An outgoing reply, maybe with a descriptor. One from aside holds a slot until it
// is written: who takes no replies has few files open on our side.
type outgoing struct {
	reply
	file  *os.File
	async bool
}

// A session is one connection.
type session struct {
	m       *Monitor
	conn    *net.UnixConn
	hooks   hooks
	isReady bool // it has said so

	jobs         chan job
	replies      chan outgoing
	asyncSlots   chan struct{} // bounds what runs aside
	asyncRunning sync.WaitGroup
	quit         chan struct{} // all replies are queued
}

// hooks are told what a worker says of itself; nil ones are not.
type hooks struct {
	ready   func()
	waiting func([]string)
}

// Serve answers one worker until it hangs up (nil), breaks the protocol
// ([ErrProtocol]) or ctx ends. It closes conn. Grants outlive the worker.
func (m *Monitor) Serve(ctx context.Context, conn *net.UnixConn) error {
	return m.serve(ctx, conn, hooks{})
}

func (m *Monitor) serve(ctx context.Context, conn *net.UnixConn, h hooks) error {
	s := &session{
		m: m, conn: conn, hooks: h,
		jobs: make(chan job, maxJobs), replies: make(chan outgoing, maxReplies),
		asyncSlots: make(chan struct{}, maxAsync), quit: make(chan struct{}),
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	m.addSession(s)
	var work, write sync.WaitGroup
	work.Go(func() { s.openGrants(context.WithoutCancel(ctx)) })
	write.Go(s.write)
	err := s.read()
	conn.Close()
	m.removeSession(s)
	close(s.jobs)
	work.Wait()
	s.asyncRunning.Wait()
	close(s.quit)
	write.Wait()
	if errors.Is(err, ErrProtocol) {
		m.events.add(Event{Time: m.clock.read().wall, Kind: Violation, Err: err})
		return err
	}
	return ctx.Err()
}

func (m *Monitor) addSession(s *session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sessions[s] = true
	if m.closed {
		s.conn.Close()
	}
}

func (m *Monitor) removeSession(s *session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.sessions, s)
}

// Notify tells all workers something short, see [Client.Notices].
func (m *Monitor) Notify(text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for s := range m.sessions {
		s.send(reply{Notice: text})
	}
}

// read takes requests until the connection ends. Descriptors that come with them
// are never received.
func (s *session) read() error {
	r := bufio.NewReaderSize(s.conn, 16*maxFrame)
	var buf [maxFrame]byte
	for {
		text, err := readFrame(r, &buf)
		if err == nil {
			err = s.dispatch(text)
		}
		if err != nil {
			return err
		}
	}
}

// openGrants opens grants, those that wait together in one transaction. The outcome of an
// external one may come when the connection is over.
func (s *session) openGrants(ctx context.Context) {
	var batch []job
	for j := range s.jobs {
		batch = append(batch[:0], j)
		for len(batch) < maxBatch && len(s.jobs) > 0 {
			batch = append(batch, <-s.jobs)
		}
		s.m.open(ctx, batch)
	}
}

// async has f answer beside the order of requests.
func (s *session) async(id uint64, f func() (reply, *os.File)) error {
	select {
	case s.asyncSlots <- struct{}{}:
	default:
		s.send(replyTo(id, ErrBusy))
		return nil
	}
	s.asyncRunning.Go(func() {
		rep, file := f()
		s.queue(outgoing{rep, file, true})
	})
	return nil
}

// send queues a reply.
func (s *session) send(rep reply) { s.queue(outgoing{reply: rep}) }

// queue cuts a worker off that does not read replies.
func (s *session) queue(out outgoing) {
	select {
	case s.replies <- out:
	default:
		s.conn.Close()
		s.release(out)
	}
}

// release lets go of what a reply holds.
func (s *session) release(out outgoing) {
	if out.file != nil {
		out.file.Close()
	}
	if out.async {
		<-s.asyncSlots
	}
}

// write sends what is queued, many replies at a time. After a failure it goes on
// to take replies, and to close files.
func (s *session) write() {
	var buf []byte
	failed := false
	for {
		out, ok := s.nextReply()
		if !ok {
			return
		}
		var err error
		if buf, err = appendFrame(buf, out.reply); err != nil {
			buf, _ = appendFrame(buf, replyTo(out.ID, err))
		}
		if out.file == nil && len(s.replies) > 0 && len(buf) < 16*maxFrame {
			s.release(out)
			continue
		}
		if !failed && s.writeMessage(buf, out.file) != nil {
			failed = true
			s.conn.Close()
		}
		s.release(out)
		buf = buf[:0]
	}
}

// nextReply waits for a reply; ok is false when there will be none.
func (s *session) nextReply() (out outgoing, ok bool) {
	select {
	case out = <-s.replies:
		return out, true
	default:
	}
	select {
	case out = <-s.replies:
		return out, true
	case <-s.quit:
	}
	select { // queued before quit
	case out = <-s.replies:
		return out, true
	default:
		return out, false
	}
}

// writeMessage writes buf, and passes a descriptor with it.
func (s *session) writeMessage(buf []byte, f *os.File) error {
	if f == nil {
		_, err := s.conn.Write(buf)
		return err
	}
	raw, err := f.SyscallConn() // Fd would make sockets blocking
	if err != nil {
		return err
	}
	var sent int
	ctl := raw.Control(func(fd uintptr) {
		sent, _, err = s.conn.WriteMsgUnix(buf, unix.UnixRights(int(fd)), nil)
	})
	if err = errors.Join(ctl, err); err != nil {
		return err
	}
	if sent < len(buf) {
		_, err = s.conn.Write(buf[sent:])
	}
	return err
}
