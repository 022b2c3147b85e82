package scrape

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// What connections may take of the process.
const (
	maxClients = 16 // at a time
	// clientRate and clientBurst bound the connections a second: others wait in the kernel.
	clientRate  = 500
	clientBurst = 100

	headTimeout   = 3 * time.Second  // for the head of the request
	answerTimeout = 10 * time.Second // for the request with its answer
	lingerTimeout = 250 * time.Millisecond
	maxHead       = 8 << 10
	maxLinger     = 64 << 10 // bytes behind the request that are read and dropped
)

// acceptPause keeps the loop from spinning when Accept fails, for example for lack of
// descriptors.
const acceptPause = 100 * time.Millisecond

// A server answers the connections of one listener.
type server struct {
	page  func(context.Context) []byte
	slots chan struct{}

	mu      sync.Mutex
	waiting []net.Conn // have sent no request yet, the oldest first
}

// Serve answers requests until Close, with what page returns. page may be called
// concurrently, and should look at its context.
func (l *Listener) Serve(page func(context.Context) []byte) {
	ctx, cancel := context.WithCancel(context.Background())
	l.stop, l.done = cancel, make(chan struct{})
	s := &server{page: page, slots: make(chan struct{}, maxClients)}
	go func() {
		defer close(l.done)
		s.accept(ctx, l.Listener)
	}()
}

func (s *server) accept(ctx context.Context, l net.Listener) {
	limit := rate.NewLimiter(clientRate, clientBurst)
	var serving sync.WaitGroup
	defer serving.Wait()
	for limit.Wait(ctx) == nil {
		conn, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			pause(ctx)
			continue
		}
		if !s.admit(ctx, conn) {
			conn.Close()
			return
		}
		serving.Go(func() {
			defer context.AfterFunc(ctx, func() { conn.Close() })()
			s.serve(ctx, conn)
			<-s.slots
		})
	}
}

func pause(ctx context.Context) {
	select {
	case <-time.After(acceptPause):
	case <-ctx.Done():
	}
}

// admit waits for a slot. It takes that of the connection that has waited longest without a
// request, if there is one. It returns false if ctx ends first.
func (s *server) admit(ctx context.Context, conn net.Conn) bool {
	select {
	case s.slots <- struct{}{}:
	default:
		s.evict()
		select {
		case s.slots <- struct{}{}:
		case <-ctx.Done():
			return false
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = append(s.waiting, conn)
	return true
}

// evict closes the connection that has waited longest.
func (s *server) evict() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) > 0 {
		s.waiting[0].Close()
		s.waiting = s.waiting[1:]
	}
}

// asked takes a connection from those that wait. It reports whether it was one of them.
func (s *server) asked(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.waiting, conn)
	if i < 0 {
		return false
	}
	s.waiting = slices.Delete(s.waiting, i, i+1)
	return true
}

// serve answers one request and closes the connection.
func (s *server) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	now := time.Now()
	_ = conn.SetReadDeadline(now.Add(headTimeout)) // fails for a closed connection, as all else then
	_ = conn.SetWriteDeadline(now.Add(answerTimeout))
	line, err := readHead(conn)
	if !s.asked(conn) || err != nil && !errors.Is(err, errTooLong) {
		return
	}
	ctx, cancel := context.WithDeadline(ctx, now.Add(answerTimeout))
	defer cancel()
	if _, err := conn.Write(s.answer(ctx, line, err)); err != nil {
		return
	}
	linger(conn)
}

// linger waits a little for the other side to close: what has come and is not read would
// make the kernel drop the answer.
func linger(conn net.Conn) {
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || conn.SetReadDeadline(time.Now().Add(lingerTimeout)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, conn, maxLinger)
}
