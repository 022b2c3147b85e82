package main

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A server drops or refuses what comes before it opens, and answers after a round trip.
type server struct {
	opens, trip time.Duration
	refuses     bool
	begin       time.Time

	mu          sync.Mutex
	tries, ends int
	conns       []net.Conn
}

func (s *server) count(n *int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*n++
}

func (s *server) dial(ctx context.Context) (net.Conn, error) {
	s.count(&s.tries)
	defer s.count(&s.ends)
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	answer := time.NewTimer(s.trip)
	dropped := time.Since(s.begin) < s.opens
	if dropped && !s.refuses {
		answer.Stop()
	}
	select {
	case <-ctx.Done():
		return nil, &net.OpError{Op: "dial", Err: context.DeadlineExceeded}
	case <-answer.C:
	}
	if dropped {
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	}
	conn, _ := net.Pipe()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns = append(s.conns, conn)
	return conn, nil
}

// TestTry: an opening is noticed soon after, near or far, and without many tries.
func TestTry(t *testing.T) {
	for _, opens := range []time.Duration{0, 3, 12, 100, 400, 995, 1000, 1500, 4000} {
		for _, trip := range []time.Duration{0, 1, 250, 1500} {
			for _, refuses := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					s := &server{opens: opens * time.Millisecond, trip: trip * time.Millisecond, refuses: refuses, begin: time.Now()}
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					o := try(ctx, s.dial)
					took := time.Since(s.begin)
					most := s.opens + max(leastGap, min(s.opens/4, mostGap)) + s.trip
					if o.conn == nil || took < s.opens+s.trip || took > most || o.first != (opens == 0 && s.trip < resent) {
						t.Errorf("opens after %v, round trip %v: noticed after %v, first %v", s.opens, s.trip, took, o.first)
					}
					synctest.Wait()
					if limit := 30 + int(took/mostGap); s.tries > limit {
						t.Errorf("opens after %v: %d tries", s.opens, s.tries)
					}
					if s.ends != s.tries {
						t.Errorf("%d of %d tries go on", s.tries-s.ends, s.tries)
					}
					o.conn.Close()
					for _, conn := range s.conns {
						if conn.SetDeadline(time.Time{}) == nil {
							t.Error("a connection that is not used was left open")
						}
					}
				})
			}
		}
	}
}

// TestTryInVain: the outcome has the last answer, if there was one.
func TestTryInVain(t *testing.T) {
	for _, refuses := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := &server{opens: time.Hour, trip: time.Millisecond, refuses: refuses, begin: time.Now()}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			o := try(ctx, s.dial)
			if took := time.Since(s.begin); o.conn != nil || took != 5*time.Second || errors.Is(o.err, syscall.ECONNREFUSED) != refuses || (o.err == nil) == refuses {
				t.Errorf("after %v: %+v", took, o)
			}
			if synctest.Wait(); s.tries > 80 || s.ends != s.tries {
				t.Errorf("%d tries", s.tries)
			}
		})
	}
}
