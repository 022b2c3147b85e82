package monitor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// Supervision configures [Monitor.Supervise].
type Supervision struct {
	Start    func() (*Worker, error)
	Interval time.Duration // KNOPWATCHD_CHECK_INTERVAL; 0 is 5 s
	Retries  int           // KNOPWATCHD_MAX_RETRIES: restarts in a row of workers that were never ready; 0 is 20
	Ready    func()        // called whenever a worker reports that it is ready; may be nil
	// Waiting, if not nil, is called with what a worker waits for, see [Client.Waiting].
	Waiting func([]string)
	// Check is how often the worker is asked whether it is alive; 0 is Interval. One that
	// does not answer within Deadline is killed; 0 is 10 s or three times Check, whichever
	// is longer. During a load, as at its start, it has LoadLimit; 0 is five minutes.
	Check, Deadline, LoadLimit time.Duration
	// Alive is called with each answer, and at each check during a load; may be nil.
	Alive func()
	// Ended, if not nil, is called with the error of each worker that ended, before it is
	// restarted. If it returns an error, Supervise returns that error.
	Ended func(error) error
}

const (
	defaultCheck   = 5 * time.Second
	defaultRetries = 20
	killGrace      = 5 * time.Second // for a worker to end after its socket has closed
	endGrace       = time.Second     // the same when the daemon is to end
)

// ErrGaveUp ends [Monitor.Supervise] after too many restarts.
var ErrGaveUp = errors.New("gave up restarting the worker")

// Errors of a worker whose end has no other error.
var (
	errNoReason   = errors.New("it ended without a reason")
	errNotExiting = errors.New("it hung up and did not end")
)

// Supervise keeps a worker running and serves it until ctx ends; then it ends the
// worker. A worker that dies is restarted at once, one that dies again before it was
// alive after Interval. It counts as alive when it reports that it is ready, or has run
// for Interval. After Retries restarts Supervise returns [ErrGaveUp]; grants still end in
// time, see [Monitor.Wait].
//
// A worker that was ready and dies soon after, for example by a packet that crashes it, is
// restarted without limit, after a delay that grows up to Interval.
//
// The end of a worker, for whatever reason, ends Supervise only if s.Ended returns an
// error.
func (m *Monitor) Supervise(ctx context.Context, s Supervision) error {
	if s.Interval <= 0 {
		s.Interval = defaultCheck
	}
	if s.Retries <= 0 {
		s.Retries = defaultRetries
	}
	s.setCheck()
	for restarts, short := 0, 0; ; restarts++ {
		wait := time.Duration(0)
		switch {
		case restarts > 1:
			wait = s.Interval
		case short > 1:
			wait = min(backoff(short-2), s.Interval)
		}
		if !pause(ctx, wait) {
			return ctx.Err()
		}
		begin := time.Now()
		seen, err := m.superviseOnce(ctx, s, restarts)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if s.Ended != nil {
			if final := s.Ended(err); final != nil {
				return final
			}
		}
		m.events.add(Event{Time: m.clock.read().wall, Kind: WorkerDied, Err: err})
		if short++; time.Since(begin) >= s.Interval {
			restarts, short = 0, 0
		}
		if seen {
			restarts = 0
		}
		if restarts >= s.Retries {
			m.events.add(Event{Time: m.clock.read().wall, Kind: WorkerGaveUp, Count: restarts, Err: err})
			return fmt.Errorf("%w after %d restarts: %w", ErrGaveUp, restarts, err)
		}
	}
}

// setCheck sets what is left out of the check.
func (s *Supervision) setCheck() {
	if s.Check <= 0 {
		s.Check = s.Interval
	}
	if s.Deadline <= 0 {
		s.Deadline = max(minDeadline, deadlineInterval*s.Check)
	}
	if s.LoadLimit <= 0 {
		s.LoadLimit = defaultLoadLimit
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	if d == 0 {
		return ctx.Err() == nil
	}
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// superviseOnce starts a worker and serves it until it ends. seen reports whether it was
// ready; err is why it ended.
func (m *Monitor) superviseOnce(ctx context.Context, s Supervision, restarts int) (seen bool, err error) {
	w, err := s.Start()
	if err != nil {
		return false, err
	}
	m.events.add(Event{Time: m.clock.read().wall, Kind: WorkerStarted, Count: restarts})
	ready := make(chan struct{}, 1)
	served := make(chan error, 1)
	go func() {
		served <- m.serve(ctx, w.Conn, hooks{ready: func() {
			signal(ready)
			if s.Ready != nil {
				s.Ready()
			}
		}, waiting: s.Waiting, aliveness: &aliveness{
			interval: s.Check, deadline: s.Deadline, loadLimit: s.LoadLimit, alive: s.Alive,
		}})
	}()
	died := make(chan error, 1)
	go func() { died <- w.Wait() }()
	err = m.reap(ctx, w, served, died)
	return len(ready) > 0, err
}

// reap waits until both the process and the socket have ended. A worker that violated the
// protocol or did not answer is killed at once; one that closed the socket is given
// killGrace to end, or endGrace if the daemon is to end.
func (m *Monitor) reap(ctx context.Context, w *Worker, served, died <-chan error) error {
	select {
	case err := <-died:
		w.Conn.Close()
		<-served
		return cmp.Or(err, errNoReason)
	case err := <-served:
		if errors.Is(err, errProtocol) || errors.Is(err, errSilent) {
			w.Kill()
			<-died
			return err
		}
		grace := killGrace
		if ctx.Err() != nil {
			grace = endGrace
		}
		select {
		case exit := <-died:
			return cmp.Or(exit, err, errNoReason)
		case <-time.After(grace):
			w.Kill()
			<-died
			return cmp.Or(err, errNotExiting)
		}
	}
}
