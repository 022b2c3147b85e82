package monitor

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fwknopd/enforce"
)

// extern is an external grant of stanza 12.
func extern(n int, end time.Time) enforce.Grant {
	g := ssh(n, end)
	src := g.Src.String()
	g.Stanza = 12
	g.External = &enforce.External{Open: []string{"/bin/open", src}, Close: []string{"/bin/close", src}, Timeout: time.Second}
	return g
}

// slow takes some time for each command.
type slow struct {
	*enforce.Recorder
	open, close time.Duration
	openFails   atomic.Int32
	closeFails  atomic.Int32
}

func (s *slow) Apply(ctx context.Context, g enforce.Grant) error {
	time.Sleep(s.open)
	if s.openFails.Add(-1) >= 0 {
		s.Recorder.Apply(ctx, g)
		return errors.New("half open")
	}
	return s.Recorder.Apply(ctx, g)
}

func (s *slow) Revoke(ctx context.Context, g enforce.Grant) error {
	time.Sleep(s.close)
	if s.closeFails.Add(-1) >= 0 {
		return errors.New("does not close")
	}
	return s.Recorder.Revoke(ctx, g)
}

func (s *slow) verbs() string {
	var verbs []string
	for _, line := range s.Log() {
		verb, _, _ := strings.Cut(line, " ")
		verbs = append(verbs, verb)
	}
	return strings.Join(verbs, " ")
}

func TestExternal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ext := &slow{Recorder: new(enforce.Recorder), open: time.Second, close: time.Second}
		r := newRig(t, func(c *Config) { c.External = ext })
		g := extern(1, time.Now().Add(10*time.Second))
		begin := time.Now()
		r.mustApply(t, g)
		if time.Since(begin) != time.Second {
			t.Errorf("answered after %v, not when the command had ended", time.Since(begin))
		}
		sleep(9*time.Second + 500*time.Millisecond) // the closing command runs
		again := make(chan error)
		go func() { again <- r.Apply(ctx, extern(1, time.Now().Add(10*time.Second))) }()
		if err := <-again; err != nil {
			t.Fatal(err)
		}
		if got := ext.verbs(); got != "apply revoke apply" {
			t.Errorf("ran %s", got)
		}
		sleep(time.Minute)
		if got := ext.verbs(); got != "apply revoke apply revoke" || r.Len() != 0 {
			t.Errorf("ran %s, %d left", got, r.Len())
		}
		if g, e := r.count(Granted), r.count(Expired); g != 2 || e != 2 {
			t.Errorf("%d granted, %d expired", g, e)
		}
	})
}

// TestExternalDoesNotBlock: while commands run, the firewall obeys.
func TestExternalDoesNotBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ext := &slow{Recorder: new(enforce.Recorder), open: 20 * time.Second}
		r := newRig(t, func(c *Config) { c.External = ext })
		opened := make(chan error, 2)
		for n := range 2 {
			go func() { opened <- r.Apply(ctx, extern(n, time.Now().Add(time.Minute))) }()
		}
		sleep(time.Second)
		begin := time.Now()
		r.mustApply(t, ssh(1, time.Now().Add(time.Minute)))
		if took := time.Since(begin); took != 0 {
			t.Errorf("opening a port took %v", took)
		}
		<-opened
		<-opened
		if took := time.Since(begin); took > 20*time.Second {
			t.Errorf("two commands took %v: one after the other", took)
		}
	})
}

// TestExternalFails: what a failed command may have opened is closed, until that
// succeeds.
func TestExternalFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ext := &slow{Recorder: new(enforce.Recorder)}
		ext.openFails.Store(1)
		ext.closeFails.Store(3)
		r := newRig(t, func(c *Config) { c.External = ext })
		if err := r.Apply(ctx, extern(1, time.Now().Add(time.Hour))); err == nil {
			t.Fatal("success")
		}
		sleep(time.Minute)
		open, _ := ext.List(ctx)
		if len(open) != 0 || r.Len() != 0 || r.count(Granted) != 0 {
			t.Errorf("%d open, %d kept, events %+v", len(open), r.Len(), r.all)
		}
	})
}

// TestExternalAtExit: external grants are closed by Close, because nothing closes them later.
func TestExternalAtExit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.mustApply(t, extern(1, time.Now().Add(time.Hour)))
		g := ssh(2, time.Now().Add(time.Hour))
		r.mustApply(t, g)
		if err := r.Close(ctx); err != nil {
			t.Fatal(err)
		}
		if open, _ := r.ext.List(ctx); len(open) != 0 {
			t.Errorf("%d external grants open", len(open))
		}
		if !r.isOpen(t, g) {
			t.Error("the kernel's grant was closed")
		}
	})
}

// TestExternalRevoked while its opening command still runs: closing comes after.
func TestExternalRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ext := &slow{Recorder: new(enforce.Recorder), open: 5 * time.Second}
		r := newRig(t, func(c *Config) { c.External = ext })
		g := extern(1, time.Now().Add(time.Hour))
		opened := make(chan error, 1)
		go func() { opened <- r.Apply(ctx, g) }()
		sleep(time.Second)
		if err := r.Revoke(ctx, g); err != nil {
			t.Fatal(err)
		}
		if err := <-opened; err != nil {
			t.Fatal(err)
		}
		if got := ext.verbs(); got != "apply revoke" || r.Len() != 0 {
			t.Errorf("ran %s, %d left", got, r.Len())
		}
	})
}

// Closing commands run on time behind thousands of opening commands; those that would
// wait behind too many others are refused and reported, and one whose end comes while it
// waits opens nothing.
func TestCloseBehindOpens(t *testing.T) {
	for _, c := range []struct {
		name    string
		opens   int
		each    time.Duration // how long an opening command takes
		life    time.Duration // of the grants of the flood
		refused int
		expired bool // some end while they wait
	}{
		{"a burst", 200, 200 * time.Millisecond, time.Minute, 0, false},
		{"a flood", 6000, 200 * time.Millisecond, time.Minute, 6000 - maxWaitingOpens - maxExternalCommands, false},
		{"a flood of slow commands", 6000, 20 * time.Second, time.Minute, 6000 - maxWaitingOpens - maxExternalCommands, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ext := &slow{Recorder: new(enforce.Recorder)}
				r := newRig(t, func(cfg *Config) { cfg.External = ext })
				begin := time.Now()
				first := extern(0, begin.Add(10*time.Second))
				r.mustApply(t, first)
				ext.open = c.each
				var done sync.WaitGroup
				for n := range c.opens {
					done.Add(1)
					synctest.Wait() // the commands that have a slot no longer wait
					r.open(ctx, []job{{grant: extern(n+1, begin.Add(c.life)), done: func(error) { done.Done() }}})
				}
				sleep(10*time.Second + 100*time.Millisecond)
				if log := strings.Join(ext.Log(), "\n"); !strings.Contains(log, "revoke "+first.Src.String()) {
					t.Error("not closed on time")
				}
				done.Wait()
				r.events.drain()
				refused := 0
				for _, ev := range r.of(Refused) {
					refused += 1 + ev.Count
				}
				refused += r.refusals.unreported
				if refused != c.refused || r.count(Refused) == 0 && c.refused > 0 {
					t.Errorf("%d refused, want %d", refused, c.refused)
				}
				ended := 0
				for _, ev := range r.of(Failed) {
					if errors.Is(ev.Err, enforce.ErrEnded) {
						ended++
					}
				}
				if (ended > 0) != c.expired {
					t.Errorf("%d ended while they waited", ended)
				}
				if opened := strings.Count(strings.Join(ext.Log(), "\n"), "apply "); opened != 1+c.opens-c.refused-ended {
					t.Errorf("%d opened", opened)
				}
			})
		})
	}
}
