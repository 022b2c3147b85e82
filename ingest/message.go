package ingest

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"fwknopd/parse"
)

const (
	// maxConnections bounds the connections that a server has open at once; more
	// are closed unread.
	maxConnections = 128
	// connectionTime is how long a connection may take to send its message.
	connectionTime = 2 * time.Second
	// quietTimeout ends a message on a connection that stays open: what follows
	// within it belongs to the message.
	quietTimeout = 50 * time.Millisecond
)

// isSocketError reports whether err is one of the socket, not of our using it.
func isSocketError(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno)
}

// A message is what a connection sent, ready to become an event.
type message struct {
	event parse.Event // without Payload
	body  []byte
	err   error // why it is malformed
}

// A messageQueue collects the messages of many connections for one Next.
type messageQueue struct {
	accounting
	in     chan message
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	active sync.WaitGroup
	slots  chan struct{} // one for each open connection
}

func newMessageQueue(name string, problem func(Problem)) *messageQueue {
	m := &messageQueue{accounting: accounting{name: name, problem: problem}, in: make(chan message), slots: make(chan struct{}, maxConnections)}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m
}

// Next implements [Source].
func (m *messageQueue) Next(ctx context.Context, ev *parse.Event) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-m.ctx.Done():
		return os.ErrClosed
	case msg := <-m.in:
		*ev = msg.event
		ev.Payload = msg.body
		m.bytes.Add(uint64(len(msg.body)))
		return m.count(msg.err)
	}
}

// put hands over a message; it reports false after Close.
func (m *messageQueue) put(msg message) bool {
	select {
	case m.in <- msg:
		return true
	case <-m.ctx.Done():
		return false
	}
}

// accept serves the connections of l, each in a goroutine, until l is closed.
func (m *messageQueue) accept(l net.Listener, serve func(net.Conn)) {
	for {
		c, err := l.Accept()
		if isClosed(err) {
			return
		}
		if err != nil { // no descriptors left, say: let some end
			m.reportProblem(err)
			time.Sleep(quietTimeout)
			continue
		}
		select {
		case m.slots <- struct{}{}:
		default:
			m.lost.Add(1)
			c.Close()
			continue
		}
		m.active.Go(func() {
			stop := context.AfterFunc(m.ctx, func() { c.Close() })
			serve(c)
			stop()
			c.Close()
			<-m.slots
		})
	}
}

func isClosed(err error) bool { return errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrClosed) }

// shut ends everything; it returns when all goroutines have.
func (m *messageQueue) shut(stop func()) {
	m.cancel()
	stop()
	m.active.Wait()
}
