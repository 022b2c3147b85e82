package monitor

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fwknopd/enforce"
)

// sleep lets time pass and waits until everything that is due is done.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		two := ssh(1, time.Now().Add(30*time.Second))
		two.Ports = append(two.Ports, enforce.Port{Proto: enforce.UDP, Number: 53})
		r.mustApply(t, two)
		sleep(30*time.Second - time.Millisecond)
		if !r.isOpen(t, two) {
			t.Fatal("closed early")
		}
		sleep(time.Millisecond)
		if r.isOpen(t, two) || r.Len() != 0 {
			t.Fatal("open after its time")
		}
		ended := r.of(Expired)
		if len(ended) != 1 || ended[0].Grant.Key() != two.Key() || ended[0].Grant.User != "alice" || ended[0].Grant.Stanza != 3 {
			t.Errorf("events %+v, want one for both ports", ended)
		}
	})
}

// TestExtends: a repeat moves the end, never to an earlier time.
func TestExtends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		start := time.Now()
		for _, life := range []time.Duration{30 * time.Second, time.Minute, 10 * time.Second} {
			r.mustApply(t, ssh(1, start.Add(life)))
		}
		synctest.Wait()
		if g, e, k := r.count(Granted), r.count(Extended), r.count(Kept); r.Len() != 1 || g != 1 || e != 1 || k != 1 {
			t.Errorf("%d openings, %d granted, %d extended, %d kept", r.Len(), g, e, k)
		}
		sleep(time.Minute - time.Millisecond)
		if !r.isOpen(t, ssh(1, start)) {
			t.Error("closed early")
		}
		sleep(time.Millisecond)
		if r.isOpen(t, ssh(1, start)) {
			t.Error("open after its time")
		}
	})
}

// TestManyEndOnTime: 5,000 grants of mixed lengths end within a second of their
// time each, also behind longer ones.
func TestManyEndOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		start := time.Now()
		ends := make(map[string]time.Time)
		for n := range 5000 {
			g := ssh(n, start.Add(time.Second+time.Duration(rand.IntN(3_000_000))*time.Millisecond))
			ends[g.Src.String()] = g.Expires
			r.mustApply(t, g)
		}
		for r.Len() > 0 {
			sleep(10 * time.Second)
		}
		gone := r.of(Expired)
		if len(gone) != len(ends) {
			t.Fatalf("%d ended, want %d", len(gone), len(ends))
		}
		for _, ev := range gone {
			if late := ev.Time.Sub(ends[ev.Grant.Src.String()]); late < 0 || late > time.Second {
				t.Errorf("%s ended %v after its time", ev.Grant.Src, late)
			}
		}
	})
}

func TestPermanent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		g := ssh(1, time.Time{})
		g.Stanza = 9
		r.mustApply(t, g)
		sleep(1000 * time.Hour)
		if !r.isOpen(t, g) {
			t.Error("closed")
		}
		if err := r.Wait(ctx); err != nil {
			t.Errorf("Wait for a grant without end: %v", err)
		}
		r.fw.Disturb()
		sleep(time.Second)
		if !r.isOpen(t, g) {
			t.Error("not repaired")
		}
	})
}

// stubborn is a firewall that does not close.
type stubborn struct {
	*enforce.Recorder
	fails int32
	tried atomic.Int32
}

func (s *stubborn) Change(ctx context.Context, open, revoke []enforce.Grant) (opened, revoked []error) {
	if len(revoke) > 0 && s.tried.Add(1) <= s.fails {
		revoked = slices.Repeat([]error{errors.New("locked")}, len(revoke))
		opened, _ = s.Recorder.Change(ctx, open, nil)
		return opened, revoked
	}
	return s.Recorder.Change(ctx, open, revoke)
}

// TestRetries: what cannot be closed is tried again with growing pauses, never
// forgotten, and not put back by a repair.
func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fw := &stubborn{Recorder: new(enforce.Recorder), fails: 12}
		r := newRig(t, func(c *Config) { c.Firewall = fw })
		g := ssh(1, time.Now().Add(time.Minute))
		r.mustApply(t, g)
		sleep(70 * time.Second)
		fw.Disturb()
		sleep(time.Second)
		if n := fw.tried.Load(); n < 4 || n > 8 {
			t.Errorf("%d tries in 11 s", n)
		}
		if open, _ := fw.List(ctx); len(open) != 0 {
			t.Error("an overdue grant was put back")
		}
		sleep(5 * time.Minute)
		if r.Len() != 0 || r.count(Expired) != 1 || r.count(Failed) != 1 {
			t.Errorf("%d left, events %+v", r.Len(), r.all)
		}
	})
}

// TestClockStep: a grant lasts as long as it was given, whatever the wall clock
// says.
func TestClockStep(t *testing.T) {
	for _, step := range []time.Duration{-time.Hour, time.Hour, -2 * time.Second, 10 * 365 * 24 * time.Hour, -10 * 365 * 24 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			g := ssh(1, r.now().Add(time.Minute))
			r.mustApply(t, g)
			sleep(30 * time.Second)
			r.set(step)
			open, _ := r.fw.List(ctx)
			if len(open) != 1 || step < 0 && !open[0].Expires.Equal(g.Expires.Add(step)) {
				t.Errorf("step %v: the firewall has %+v", step, open)
			}
			later := ssh(2, r.now().Add(time.Minute))
			r.mustApply(t, later)
			sleep(30*time.Second - time.Millisecond)
			if !r.isOpen(t, g) {
				t.Errorf("step %v: closed early", step)
			}
			sleep(time.Millisecond)
			if r.isOpen(t, g) || !r.isOpen(t, later) {
				t.Errorf("step %v: not closed on time", step)
			}
			sleep(30 * time.Second)
			if r.isOpen(t, later) {
				t.Errorf("step %v: the later one is not closed on time", step)
			}
			if n := r.count(ClockStep); n != 1 {
				t.Errorf("step %v: %d events", step, n)
			}
		})
	}
}

// TestSmallDrift is no step.
func TestSmallDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.mustApply(t, ssh(1, r.now().Add(time.Minute)))
		r.set(300 * time.Millisecond)
		if n := r.count(ClockStep); n != 0 {
			t.Errorf("%d events", n)
		}
	})
}

// TestAdopts: a new monitor knows what the kernel and the journal say.
func TestAdopts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fw, ext := new(enforce.Recorder), new(enforce.Recorder)
		command := ssh(3, time.Now().Add(time.Minute))
		command.Ports, command.External = nil, &enforce.External{Open: []string{"/bin/open"}}
		overdue := command
		overdue.Src, overdue.Expires = ssh(4, time.Time{}).Src, time.Now().Add(-time.Hour)
		fw.Apply(ctx, ssh(1, time.Now().Add(time.Minute)))
		fw.Apply(ctx, ssh(2, time.Now().Add(-time.Second)))
		enforce.Open(ctx, ext, command, overdue)
		r := newRig(t, func(c *Config) { c.Firewall, c.External = fw, ext })
		synctest.Wait()
		if n := r.count(Adopted); n != 2 || r.Len() != 2 {
			t.Errorf("%d adopted, %d kept, want 2", n, r.Len())
		}
		left := func() int {
			a, _ := fw.List(ctx)
			b, _ := ext.List(ctx)
			return len(a) + len(b)
		}
		if n := left(); n != 2 {
			t.Errorf("%d open, want 2: the overdue go at once", n)
		}
		sleep(time.Minute - time.Millisecond)
		if n := left(); n != 2 {
			t.Errorf("%d open, want 2", n)
		}
		sleep(time.Millisecond)
		if n := left(); n != 0 {
			t.Errorf("%d open at the end, want 0", n)
		}
	})
}

// TestReload: grants stay when the configuration no longer allows them.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		g := ssh(1, time.Now().Add(time.Minute))
		r.mustApply(t, g)
		r.Reload(Policy{})
		if err := r.Apply(ctx, ssh(2, time.Now().Add(time.Minute))); !errors.Is(err, ErrRefused) || !errors.Is(err, enforce.ErrStanza) {
			t.Errorf("Apply after Reload: %v", err)
		}
		r.fw.Disturb()
		sleep(time.Second)
		if !r.isOpen(t, g) {
			t.Error("lost")
		}
	})
}

func TestFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.mustApply(t, ssh(1, time.Now().Add(time.Minute)))
		r.mustApply(t, extern(2, time.Now().Add(time.Minute)))
		if err := r.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		open, _ := r.List(ctx)
		if len(open) != 0 || r.Len() != 0 || r.count(Revoked) != 2 {
			t.Errorf("%d open, %d kept, %d events", len(open), r.Len(), r.count(Revoked))
		}
	})
}

// TestWait returns with the last end.
func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.mustApply(t, ssh(1, time.Now().Add(time.Minute)))
		r.mustApply(t, extern(2, time.Now().Add(2*time.Minute)))
		begin := time.Now()
		if err := r.Wait(ctx); err != nil || time.Since(begin) != 2*time.Minute {
			t.Errorf("Wait: %v after %v", err, time.Since(begin))
		}
		r.mustApply(t, ssh(1, time.Now().Add(time.Minute)))
		soon, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := r.Wait(soon); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait: %v", err)
		}
	})
}

// TestWaitExternal returns with the last command, while rules are still open.
func TestWaitExternal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.mustApply(t, ssh(1, time.Now().Add(time.Hour)))
		begin := time.Now()
		if err := r.WaitExternal(ctx); err != nil || time.Since(begin) != 0 {
			t.Errorf("without commands: %v after %v", err, time.Since(begin))
		}
		r.mustApply(t, extern(2, time.Now().Add(time.Minute)))
		r.mustApply(t, extern(3, time.Now().Add(2*time.Minute)))
		if err := r.WaitExternal(ctx); err != nil || time.Since(begin) != 2*time.Minute {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

// TestIdleSleeps: without grants the loop does not turn.
func TestIdleSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns atomic.Int32
		r := newRig(t)
		r.Close(ctx)
		clock := r.clock()
		read := clock.Elapsed
		clock.Elapsed = func() time.Duration { turns.Add(1); return read() }
		r = newRig(t, func(c *Config) { c.Clock = clock })
		sleep(time.Minute)
		r.mustApply(t, ssh(1, time.Now().Add(time.Minute)))
		sleep(time.Hour)
		turns.Store(0)
		sleep(1000 * time.Hour)
		if n := turns.Load(); n != 0 {
			t.Errorf("the clock was read %d times", n)
		}
	})
}
