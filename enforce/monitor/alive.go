package monitor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// NoticeAlive asks the worker whether it is alive: its main loop has to answer with
// [Client.Alive].
const NoticeAlive = "alive"

// The body of an alive request.
const (
	stateRunning = ""        // the main loop answers
	stateLoading = "loading" // a load begins: the next answer comes at its end
)

// errSilent ends the connection of a worker that did not answer in time.
var errSilent = errors.New("the worker did not answer")

// Limits of a check, see [Supervision].
const (
	minDeadline      = 10 * time.Second
	deadlineInterval = 3 // deadline in intervals
	// defaultLoadLimit bounds a load: of the configuration, the keys and the digests.
	defaultLoadLimit = 5 * time.Minute
)

// An aliveness is whether a worker answers. It starts with a load.
type aliveness struct {
	interval, deadline, loadLimit time.Duration // interval 0: the worker is not asked
	alive                         func()        // called with each answer, and at each interval of a load; may be nil

	handling atomic.Uint64 // number of the request that the monitor is handling, and reads no answers; 0: none
	handled  uint64        // requests so far; for the goroutine that handles them

	mu      sync.Mutex
	held    uint64    // handling at the last check
	asked   time.Time // of the notice without an answer; zero: there is none
	loading time.Time // since when it loads; zero: it does not
	checked time.Time // last
	silent  error     // why the connection was closed
}

// watch asks the worker at each interval, and closes the connection of one that does not
// answer.
func (s *session) watch(ctx context.Context) {
	a := s.hooks.aliveness
	tick := time.NewTicker(a.interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			ask, err := a.check(now)
			switch {
			case err != nil:
				s.conn.Close()
				return
			case ask:
				s.send(reply{Notice: NoticeAlive})
			}
		}
	}
}

// begin notes that a request is handled, until end.
func (a *aliveness) begin() {
	a.handled++
	a.handling.Store(a.handled)
}

func (a *aliveness) end() { a.handling.Store(0) }

// start begins with a load at now.
func (a *aliveness) start(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.loading, a.checked = now, now
}

// check returns whether the worker is to be asked now, or an error if it had to answer
// before.
func (a *aliveness) check(now time.Time) (ask bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	late := now.Sub(a.checked) > 2*a.interval // this process did not run, maybe the worker neither
	// One request that takes long holds up the answers behind it; many short ones do not.
	request := a.handling.Load()
	busy := request != 0 && request == a.held
	a.checked, a.held = now, request
	switch {
	case !a.loading.IsZero():
		if now.Sub(a.loading) > a.loadLimit {
			a.silent = fmt.Errorf("%w: it loads for more than %v", errSilent, a.loadLimit)
		} else if a.alive != nil {
			a.alive()
		}
	case a.asked.IsZero():
		a.asked, ask = now, true
	case late || busy:
		a.asked = now
	case now.Sub(a.asked) > a.deadline:
		a.silent = fmt.Errorf("%w for %v", errSilent, a.deadline)
	}
	return ask, a.silent
}

// answer records what the worker answers at now.
func (a *aliveness) answer(state string, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = time.Time{}
	switch {
	case state == stateRunning:
		a.loading = time.Time{}
	case a.loading.IsZero(): // saying it again does not extend it
		a.loading = now
	}
	if a.alive != nil {
		a.alive()
	}
}

// err returns why the connection was closed, nil if the worker answered.
func (a *aliveness) err() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.silent
}

func (s *session) alive(id uint64, body []byte) error {
	var state *string
	if err := decode(body, &state); err != nil {
		return err
	}
	if state == nil || *state != stateRunning && *state != stateLoading {
		return fmt.Errorf("%w: state %.20q", errProtocol, body)
	}
	s.hooks.aliveness.answer(*state, time.Now())
	s.send(reply{ID: id})
	return nil
}

// Alive answers [NoticeAlive], and ends a load. The worker's main loop calls it.
func (c *Client) Alive() { c.send("alive", stateRunning, func(reply, *os.File, error) {}) }

// Loading reports that a load begins, during which notices are not answered. Alive ends
// it.
func (c *Client) Loading() { c.send("alive", stateLoading, func(reply, *os.File, error) {}) }
