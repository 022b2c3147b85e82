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
	maxAside   = 8    // passwords and files
	maxBatch   = 512  // grants in one transaction
)

// A task is something to do in the order of requests: open a grant, or another
// thing.
type task struct {
	job
	do func(context.Context) // nil: open job.grant
}

// An outgoing reply, maybe with a descriptor. One from aside holds a slot until it
// is written: who takes no replies has few files open on our side.
type outgoing struct {
	reply
	file  *os.File
	aside bool
}

// A session is one connection.
type session struct {
	m     *Monitor
	conn  *net.UnixConn
	role  role
	seen  map[string]bool // requests that are made once
	hooks hooks

	jobs    chan task
	replies chan outgoing
	slots   chan struct{} // bounds what runs aside
	running sync.WaitGroup
	quit    chan struct{} // all replies are queued
	deaf    chan struct{} // nobody takes replies any more
}

// hooks are told what a worker says of itself; nil ones are not.
type hooks struct {
	ready   func()
	waiting func([]string)
}

// Serve answers one worker until it hangs up (nil), breaks the protocol
// ([ErrProtocol]) or ctx ends. It closes conn. Grants outlive the worker.
func (m *Monitor) Serve(ctx context.Context, conn *net.UnixConn) error {
	return m.serve(ctx, conn, worker, hooks{})
}

// ServeControl is Serve for the administrator's commands: list, revoke and flush
// alone.
func (m *Monitor) ServeControl(ctx context.Context, conn *net.UnixConn) error {
	return m.serve(ctx, conn, administrator, hooks{})
}

func (m *Monitor) serve(ctx context.Context, conn *net.UnixConn, from role, h hooks) error {
	s := &session{
		m: m, conn: conn, role: from, seen: make(map[string]bool), hooks: h,
		jobs: make(chan task, maxJobs), replies: make(chan outgoing, maxReplies),
		slots: make(chan struct{}, maxAside), quit: make(chan struct{}), deaf: make(chan struct{}),
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	m.enter(s)
	var work, write sync.WaitGroup
	work.Go(func() { s.work(context.WithoutCancel(ctx)) })
	write.Go(s.write)
	err := s.read()
	conn.Close()
	m.leave(s)
	close(s.jobs)
	work.Wait()
	s.running.Wait()
	close(s.quit)
	write.Wait()
	if errors.Is(err, ErrProtocol) {
		m.events.add(Event{Time: m.clock.read().wall, Kind: Violation, Err: err})
		return err
	}
	return ctx.Err()
}

func (m *Monitor) enter(s *session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sessions[s] = true
	if m.closed {
		s.conn.Close()
	}
}

func (m *Monitor) leave(s *session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.sessions, s)
}

// Notify tells all workers something short, see [Client.Notices].
func (m *Monitor) Notify(text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for s := range m.sessions {
		if s.role == worker {
			s.send(reply{Notice: text})
		}
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
			err = s.take(text)
		}
		if err != nil {
			return err
		}
	}
}

// work carries tasks out in their order. Grants that wait together are opened in
// one transaction.
func (s *session) work(ctx context.Context) {
	var batch []job
	for t := range s.jobs {
		for more := true; more; {
			if t.do != nil {
				break
			}
			batch = append(batch, t.job)
			t = task{}
			if len(batch) == maxBatch {
				break
			}
			select {
			case t, more = <-s.jobs:
			default:
				more = false
			}
		}
		if len(batch) > 0 {
			s.m.open(ctx, batch)
			batch = batch[:0]
		}
		if t.do != nil {
			t.do(ctx)
		}
	}
}

// aside has f answer beside the order of requests.
func (s *session) aside(id uint64, f func() (reply, *os.File)) error {
	select {
	case s.slots <- struct{}{}:
	default:
		s.send(answerTo(id, ErrBusy))
		return nil
	}
	s.running.Go(func() {
		rep, file := f()
		s.queue(outgoing{rep, file, true})
	})
	return nil
}

// answer sends the outcome of a grant. External ones may have it when the
// connection is over.
func (s *session) answer(id uint64) func(error) {
	return func(err error) { s.send(answerTo(id, err)) }
}

// send queues a reply.
func (s *session) send(rep reply) { s.queue(outgoing{reply: rep}) }

// queue cuts a worker off that does not read replies.
func (s *session) queue(out outgoing) {
	select {
	case s.replies <- out:
	default:
		s.conn.Close()
		s.done(out)
	}
}

// done lets go of what a reply holds.
func (s *session) done(out outgoing) {
	if out.file != nil {
		out.file.Close()
	}
	if out.aside {
		<-s.slots
	}
}

// sendWait queues a reply and waits for room.
func (s *session) sendWait(rep reply) {
	select {
	case s.replies <- outgoing{reply: rep}:
	case <-s.deaf:
	}
}

// write sends what is queued, many replies at a time. After a failure it goes on
// to take replies, and to close files.
func (s *session) write() {
	defer close(s.deaf)
	var buf []byte
	failed := false
	for {
		out, ok := s.nextReply()
		if !ok {
			return
		}
		var err error
		if buf, err = appendFrame(buf, out.reply); err != nil {
			buf, _ = appendFrame(buf, answerTo(out.ID, err))
		}
		if out.file == nil && len(s.replies) > 0 && len(buf) < 16*maxFrame {
			s.done(out)
			continue
		}
		if !failed && s.put(buf, out.file) != nil {
			failed = true
			s.conn.Close()
		}
		s.done(out)
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

// put writes buf, and passes a descriptor with it.
func (s *session) put(buf []byte, f *os.File) error {
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
