package monitor

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fwknopd/enforce"
)

// TestRepairs: what others flush is back at once, as it was.
func TestRepairs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		for n := range 3 {
			r.mustApply(t, ssh(n, time.Now().Add(time.Minute)))
		}
		for range 3 {
			sleep(time.Second)
			r.fw.Disturb()
			sleep(100 * time.Millisecond)
			if open, _ := r.fw.List(ctx); len(open) != 3 {
				t.Fatalf("%d open after a flush, want 3", len(open))
			}
		}
		sleep(time.Minute)
		if open, _ := r.fw.List(ctx); len(open) != 0 || r.count(Repaired) != 9 || r.count(Contested) != 0 {
			t.Errorf("%d open at the end, %d repairs, %d contests", len(open), r.count(Repaired), r.count(Contested))
		}
	})
}

// TestContest: who flushes all the time gets repairs at a bounded rate, and the
// administrator one note.
func TestContest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		g := ssh(1, time.Now().Add(time.Minute))
		r.mustApply(t, g)
		for range 1000 { // ten seconds of flushing
			r.fw.Disturb()
			sleep(10 * time.Millisecond)
		}
		if n := r.count(Repaired); n < 20 || n > 30 {
			t.Errorf("%d repairs in 10 s", n)
		}
		if n := r.count(Contested); n != 1 {
			t.Errorf("%d notes, want 1", n)
		}
		sleep(time.Second)
		if !r.isOpen(t, g) {
			t.Error("not open when it is over")
		}
	})
}

// unwatched is a firewall that sends no notifications of changes.
type unwatched struct {
	*enforce.Recorder
	looks atomic.Int32
}

func (d *unwatched) Watch(context.Context) (<-chan struct{}, error) { return nil, nil }

func (d *unwatched) Compare(ctx context.Context, want []enforce.Grant) (enforce.Difference, error) {
	d.looks.Add(1)
	return d.Recorder.Compare(ctx, want)
}

// TestReconcilesAtInterval: without notifications a flush is repaired within a second,
// and the firewall is not reconciled while no grant is open.
func TestReconcilesAtInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fw := &unwatched{Recorder: new(enforce.Recorder)}
		r := newRig(t, func(c *Config) { c.Firewall = fw })
		sleep(time.Hour)
		if n := fw.looks.Load(); n != 0 {
			t.Errorf("%d looks while nothing was open", n)
		}
		g := ssh(1, time.Now().Add(10*time.Minute))
		r.mustApply(t, g)
		for range 100 {
			sleep(1234 * time.Millisecond)
			fw.Flush(ctx)
			sleep(time.Second)
			if open, _ := fw.List(ctx); len(open) != 1 {
				t.Fatal("not repaired within a second")
			}
		}
		sleep(10 * time.Minute)
		fw.looks.Store(0)
		sleep(time.Hour)
		if n := fw.looks.Load(); n != 0 || r.count(Contested) != 0 {
			t.Errorf("%d looks afterwards, %d contests", n, r.count(Contested))
		}
	})
}

// TestGuards: with a guard the firewall is reconciled while nothing is open: after a
// notification, or without those as often as Idle says.
func TestGuards(t *testing.T) {
	for _, tells := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			fw := &unwatched{Recorder: new(enforce.Recorder)}
			newRig(t, func(c *Config) {
				c.Firewall, c.Idle, c.Guards = fw, 5*time.Second, true
				if tells {
					c.Firewall = telling{fw}
				}
			})
			sleep(time.Minute)
			if n := fw.looks.Load(); tells && n != 0 || !tells && (n < 11 || n > 13) {
				t.Errorf("tells %v: %d looks in a quiet minute", tells, n)
			}
			fw.looks.Store(0)
			fw.Disturb()
			sleep(6 * time.Second)
			if fw.looks.Load() == 0 {
				t.Errorf("tells %v: no look after a change", tells)
			}
		})
	}
}

// telling is an unwatched firewall that sends notifications all the same.
type telling struct{ *unwatched }

func (d telling) Watch(ctx context.Context) (<-chan struct{}, error) { return d.Recorder.Watch(ctx) }

// TestAdoptsForeign: a grant that another program opened in our chains ends in time, too.
func TestAdoptsForeign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.mustApply(t, ssh(1, time.Now().Add(time.Hour)))
		r.fw.Disturb()
		r.fw.Apply(ctx, ssh(2, time.Now().Add(time.Minute)))
		sleep(time.Second)
		if n := r.count(Adopted); n != 1 {
			t.Errorf("%d adopted", n)
		}
		sleep(time.Minute)
		if open, _ := r.fw.List(ctx); len(open) != 1 {
			t.Errorf("%d open, want 1", len(open))
		}
	})
}

// foreign is a rule of another program, a copy of copies with the same text.
func foreign(n, copies int, end time.Time) enforce.Grant {
	g := ssh(n, end)
	g.Stanza, g.User = 0, ""
	g.Foreign = fmt.Sprintf("-A FWKNOP_INPUT -s %s (%d)", g.Src, copies)
	return g
}

// TestForeign: a rule of another daemon is ended when it says, also one whose time is
// long over and one that comes while nothing is open; one that does not say is left
// alone, and none is put back. A grant of ours beside it has its own end.
func TestForeign(t *testing.T) {
	for _, tells := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			fw := &unwatched{Recorder: new(enforce.Recorder)}
			r := newRig(t, func(c *Config) {
				if c.Firewall = fw.Recorder; !tells {
					c.Firewall, c.Idle = fw, 5*time.Second
				}
			})
			count := func(want int, when string) {
				t.Helper()
				if open, _ := fw.List(ctx); len(open) != want {
					t.Errorf("tells %v: %s: %d open, want %d: %v", tells, when, len(open), want, open)
				}
			}
			sleep(time.Hour)
			fw.Disturb()
			enforce.Open(ctx, fw, foreign(1, 1, time.Unix(1234, 0)), foreign(2, 1, time.Time{}), foreign(2, 2, time.Time{}),
				foreign(3, 1, time.Now().Add(time.Minute)), foreign(3, 2, time.Now().Add(time.Minute)), foreign(4, 1, time.Now().Add(2*time.Minute)))
			sleep(6 * time.Second)
			count(5, "the overdue one goes at the next look")
			r.mustApply(t, ssh(3, time.Now().Add(30*time.Second)))
			count(6, "beside ours")
			sleep(31 * time.Second)
			count(5, "ours has ended")
			sleep(30 * time.Second)
			count(3, "two copies have ended")
			fw.Disturb()
			sleep(2 * time.Second)
			count(0, "nothing is put back")
			if r.Len() != 0 || r.count(Adopted) != 3 || r.count(Repaired) != 0 {
				t.Errorf("%d kept, %d adopted, %d repaired", r.Len(), r.count(Adopted), r.count(Repaired))
			}
		})
	}
}

// TestForeignByTheWallClock: the comment of another daemon means the wall clock, also
// when that is set.
func TestForeignByTheWallClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fw := new(enforce.Recorder)
		fw.Apply(ctx, foreign(1, 1, time.Now().Add(time.Hour)))
		r := newRig(t, func(c *Config) { c.Firewall = fw })
		r.set(59 * time.Minute)
		sleep(59 * time.Second)
		if r.Len() != 1 {
			t.Fatal("closed early")
		}
		sleep(time.Second)
		if open, _ := fw.List(ctx); len(open) != 0 {
			t.Errorf("open after its time: %v", open)
		}
	})
}

// TestPostpones: a grant lives as long as a connection through it, with its end
// put off before the kernel comes to it.
func TestPostpones(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var alive atomic.Bool
		r := newRig(t, func(c *Config) {
			c.Established = func(_ context.Context, gs []enforce.Grant) ([]bool, error) {
				return []bool{alive.Load()}, nil
			}
		})
		g := ssh(1, time.Now().Add(30*time.Second))
		r.mustApply(t, g)
		alive.Store(true)
		for range 600 {
			sleep(time.Second)
			open, _ := r.fw.List(ctx)
			if len(open) != 1 || !open[0].Expires.After(time.Now()) {
				t.Fatalf("the kernel has %+v", open)
			}
		}
		alive.Store(false)
		sleep(extension + time.Second)
		if r.isOpen(t, g) || r.count(Postponed) != 1 || r.count(Expired) != 1 {
			t.Errorf("open: %v, events %+v", r.isOpen(t, g), r.all)
		}
		alive.Store(true)
		r.mustApply(t, ssh(2, time.Now().Add(time.Minute)))
		sleep(maxPostpone + 2*time.Minute)
		if r.Len() != 0 {
			t.Error("postponed without bound")
		}
	})
}
