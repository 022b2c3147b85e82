package monitor

import (
	"errors"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// errBusy is the reply when too many requests are in progress. A [Client] receives only
// its text.
var errBusy = errors.New("too many requests at a time")

// Limits of one connection.
const (
	maxJobs    = 4096 // more: the socket is not read
	maxReplies = 8192 // more: the connection is closed
	maxAsync   = 8    // passwords, files and host names
	maxBatch   = 512  // grants in one transaction
)

// An outgoing is a reply, possibly with a descriptor. One from async holds a slot until
// it is written, which bounds the files that are open for a worker that reads no replies.
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
	isReady bool // the ready request was received

	recorded []Digest // of a digests request with more to come
	commit   *commit  // the last one; nil: none

	jobs         chan job
	replies      chan outgoing
	asyncSlots   chan struct{} // bounds async
	asyncRunning sync.WaitGroup
	quit         chan struct{} // all replies are queued
}

// hooks are called for what a worker reports about itself; each may be nil.
type hooks struct {
	ready     func()
	waiting   func([]string)
	aliveness *aliveness
}

// async runs f concurrently with later requests and queues its reply.
func (s *session) async(id uint64, f func() (reply, *os.File)) error {
	select {
	case s.asyncSlots <- struct{}{}:
	default:
		s.send(replyTo(id, errBusy))
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

// queue closes the connection if the worker does not read replies.
func (s *session) queue(out outgoing) {
	select {
	case s.replies <- out:
	default:
		s.conn.Close()
		s.release(out)
	}
}

// release frees the descriptor and the slot that a reply holds.
func (s *session) release(out outgoing) {
	if out.file != nil {
		out.file.Close()
	}
	if out.async {
		<-s.asyncSlots
	}
}

// write sends queued replies, many in one call. After a failure it keeps removing
// replies from the queue to release what they hold.
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

// nextReply waits for a reply; ok is false when no more will come.
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

// writeMessage writes buf and passes the descriptor f with it, if f is not nil.
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
