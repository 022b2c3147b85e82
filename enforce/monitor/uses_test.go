package monitor

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/schedule"
)

// A ledger keeps what the monitor saves.
type ledger struct {
	mu     sync.Mutex
	counts schedule.Counts
	saves  int
	err    error
	before func() // called in each save
}

func (l *ledger) save(c *schedule.Counts) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.before != nil {
		l.before()
	}
	if l.err != nil {
		return l.err
	}
	l.counts, l.saves = c.Clone(), l.saves+1
	return nil
}

func (l *ledger) total(name string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts.Uses[name].Total
}

// counted is testPolicy with ACCESS_USES in each stanza, and stanza 20, which runs commands.
func counted(t testing.TB, uses string) Policy {
	t.Helper()
	u, err := schedule.ParseUses(uses)
	if err != nil {
		t.Fatal(err)
	}
	p := Policy{}
	p.Limits.Stanzas = append([]enforce.Allowance(nil), testPolicy.Limits.Stanzas...)
	p.Limits.Stanzas = append(p.Limits.Stanzas, enforce.Allowance{Stanza: 20, Source: anywhere, Commands: &enforce.CommandLimit{Regexp: regexp.MustCompile(`^true$`)}})
	for i := range p.Limits.Stanzas {
		a := &p.Limits.Stanzas[i]
		a.Uses, a.Name = u, fmt.Sprintf("s%d", a.Stanza)
	}
	return p
}

// TestUsesAreOnDiskFirst: a use is saved before the firewall is asked, and a grant whose use
// cannot be saved is not opened.
func TestUsesAreOnDiskFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{}
		r := newRig(t, func(c *Config) { c.Policy, c.SaveUses = counted(t, "3"), l.save })
		l.before = func() {
			if n := len(r.fw.Log()); n != 0 {
				t.Errorf("%d changes of the firewall before the use was saved", n)
			}
		}
		end := time.Now().Add(time.Minute)
		if errs := openAll(r, 0, 1, end); errs[0] != nil || l.total("s3") != 1 {
			t.Errorf("%v, %d saved", errs[0], l.total("s3"))
		}
		l.before, l.err = nil, errors.New("no space left on device")
		if err := openAll(r, 1, 1, end)[0]; !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "no space left") || r.Len() != 1 {
			t.Errorf("not saved: %v, %d open", err, r.Len())
		}
		l.err = nil
		for i, want := range []bool{true, true, false} {
			if err := openAll(r, 2+i, 1, end)[0]; (err == nil) != want {
				t.Errorf("use %d: %v", 2+i, err)
			}
		}
	})
}

// TestUsesOfOneBatch: the limit holds within a batch, a grant of several ports is one use, an
// extension is another, and what is refused otherwise is none.
func TestUsesOfOneBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{}
		r := newRig(t, func(c *Config) { c.Policy, c.SaveUses = counted(t, "5"), l.save })
		end := time.Now().Add(time.Minute)
		two := ssh(0, end)
		two.Ports = append(two.Ports, enforce.Port{Proto: enforce.UDP, Number: 53})
		wrong := ssh(0, end)
		wrong.Ports = []enforce.Port{{Proto: enforce.TCP, Number: 23}}
		var errs []error
		var jobs []job
		for _, g := range []enforce.Grant{two, wrong, ssh(0, end.Add(time.Second)), ssh(1, end), ssh(2, end), ssh(3, end), ssh(4, end), ssh(5, end)} {
			jobs = append(jobs, job{grant: g, done: func(err error) { errs = append(errs, err) }})
		}
		r.open(ctx, jobs)
		used, refusedUses := 0, 0
		for _, err := range errs {
			switch {
			case err == nil:
				used++
			case errors.Is(err, errUsed) && errors.Is(err, ErrRefused):
				refusedUses++
			}
		}
		if len(errs) != len(jobs) || used != 5 || refusedUses != 2 || l.total("s3") != 5 {
			t.Errorf("%d granted, %d refused, %d counted: %v", used, refusedUses, l.total("s3"), errs)
		}
		if l.saves != 1 {
			t.Errorf("%d writes for one batch", l.saves)
		}
		r.mustApply(t, ssh(9, end)) // by hand, which is no use
		external := extern(1, end)
		for i := range 6 {
			external.Expires = external.Expires.Add(time.Second)
			var err error
			r.open(ctx, []job{{grant: external, done: func(e error) { err = e }}})
			synctest.Wait()
			if (err == nil) != (i < 5) {
				t.Errorf("external %d: %v", i, err)
			}
		}
	})
}

// TestUsesAreWrittenBesideTheLock: while a use is written, grants are closed and listed, the port is
// not open yet, and what no longer holds when it is written is not opened.
func TestUsesAreWrittenBesideTheLock(t *testing.T) {
	for _, c := range []struct {
		name      string
		meanwhile func(*testing.T, *rig)
		opens     bool
	}{
		{"nothing else", func(*testing.T, *rig) {}, true},
		{"the stanza is removed", func(_ *testing.T, r *rig) { r.Reload(Policy{}) }, false},
		{"all is loaded again", func(t *testing.T, r *rig) { r.Reload(counted(t, "3")) }, true},
		{"the stanza has fewer uses", func(t *testing.T, r *rig) { r.Reload(counted(t, "2")) }, false},
		{"the stanza has uses by day", func(t *testing.T, r *rig) { r.Reload(counted(t, "3/day")) }, false},
		{"another stanza begins in the line", func(t *testing.T, r *rig) {
			p := counted(t, "3")
			for i := range p.Limits.Stanzas {
				p.Limits.Stanzas[i].Name += "other"
			}
			r.Reload(p)
		}, false},
		{"the stanza has any number", func(_ *testing.T, r *rig) { r.Reload(testPolicy) }, true},
		{"the grant has ended", func(*testing.T, *rig) { sleep(2 * time.Minute) }, false},
		{"all is closed", func(t *testing.T, r *rig) {
			if err := r.Flush(ctx); err != nil {
				t.Error(err)
			}
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &ledger{}
				r := newRig(t, func(cfg *Config) { cfg.Policy, cfg.SaveUses = counted(t, "3"), l.save })
				end := time.Now().Add(time.Minute)
				r.mustApply(t, ssh(9, end)) // by hand
				written := make(chan struct{})
				l.before = func() { <-written }
				result := make(chan error, 1)
				go func() { result <- openAll(r, 0, 1, end)[0] }()
				synctest.Wait()
				if err := r.Revoke(ctx, ssh(9, end)); err != nil || r.Len() != 0 {
					t.Errorf("revoked while the disk is busy: %v, %d open", err, r.Len())
				}
				c.meanwhile(t, r)
				close(written)
				if err := <-result; (err == nil) != c.opens || (r.Len() == 1) != c.opens {
					t.Errorf("opened: %v, %d open", err, r.Len())
				}
				if l.total("s3") != 1 {
					t.Errorf("%d uses", l.total("s3"))
				}
			})
		})
	}
}

// TestCommandsWaitForTheirUse: while the use of a command is written, it is not run, and it is not
// run if its stanza does not allow it any more.
func TestCommandsWaitForTheirUse(t *testing.T) {
	for _, c := range []struct {
		name      string
		meanwhile func(*testing.T, *rig)
		runs      bool
	}{
		{"nothing else", func(*testing.T, *rig) {}, true},
		{"all is loaded again", func(t *testing.T, r *rig) { r.Reload(counted(t, "3")) }, true},
		{"the stanza is removed", func(_ *testing.T, r *rig) { r.Reload(Policy{}) }, false},
		{"the stanza has fewer uses", func(t *testing.T, r *rig) { r.Reload(counted(t, "2")) }, false},
		{"the stanza takes other commands", func(t *testing.T, r *rig) {
			p := counted(t, "3")
			p.Limits.Stanzas[len(p.Limits.Stanzas)-1].Commands = &enforce.CommandLimit{Regexp: regexp.MustCompile(`^false$`)}
			r.Reload(p)
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := &ledger{}
			r := newRig(t, func(cfg *Config) { cfg.Policy, cfg.SaveUses = counted(t, "3"), l.save })
			begun, written := make(chan struct{}), make(chan struct{})
			l.before = func() { close(begun); <-written }
			result := make(chan error, 1)
			go func() { result <- r.command(Command{Stanza: 20, Text: "true"}) }()
			<-begun
			c.meanwhile(t, r)
			close(written)
			if err := <-result; (err == nil) != c.runs || !c.runs && !errors.Is(err, ErrRefused) {
				t.Errorf("run: %v", err)
			}
			if l.total("s20") != 1 || len(r.commandSlots) > 0 && !c.runs {
				t.Errorf("%d uses, %d slots taken", l.total("s20"), len(r.commandSlots))
			}
		})
	}
}

// TestLastUseOfSeveral: of requests at the same time one has the last use, whichever way they come.
func TestLastUseOfSeveral(t *testing.T) {
	l := &ledger{}
	u := uses{save: l.save}
	limit := counted(t, "5").Limits.Stanzas[0].Uses
	var had atomic.Int32
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := u.take("s3", limit, time.Now()); err == nil {
				had.Add(1)
			}
		})
	}
	all.Wait()
	if had.Load() != 5 || l.total("s3") != 5 {
		t.Errorf("%d had a use, %d are written", had.Load(), l.total("s3"))
	}
}

// TestUsesGoOn: the counts go on after a restart, over a change of the number, from the next
// day on, and from zero after a reset.
func TestUsesGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{}
		r := newRig(t, func(c *Config) { c.Policy, c.SaveUses = counted(t, "2/day UTC"), l.save })
		opens := func(r *rig, n int) bool { return openAll(r, n, 1, time.Now().Add(time.Minute))[0] == nil }
		if !opens(r, 0) || !opens(r, 1) || opens(r, 2) {
			t.Error("not 2 of a day")
		}
		if err := r.Close(ctx); err != nil {
			t.Fatal(err)
		}
		text, err := l.counts.Format()
		if err != nil {
			t.Fatal(err)
		}
		saved, err := schedule.ParseCounts(text)
		if err != nil {
			t.Fatal(err)
		}
		r = newRig(t, func(c *Config) { c.Policy, c.SaveUses, c.Uses = counted(t, "2/day UTC"), l.save, saved })
		if opens(r, 3) {
			t.Error("a restart gives uses back")
		}
		r.Reload(counted(t, "3/day UTC"))
		if !opens(r, 4) || opens(r, 5) {
			t.Error("not the third after a reload")
		}
		sleep(24 * time.Hour)
		if !opens(r, 6) {
			t.Error("none on the next day")
		}
		r.Reload(counted(t, "4"))
		if opens(r, 7) {
			t.Error("a fifth in all")
		}
		r.Reload(Policy{}) // the stanza is removed, and written anew with its NAME
		r.Reload(counted(t, "4"))
		if opens(r, 7) {
			t.Error("a stanza that is written anew has fresh uses")
		}
		if err := r.ResetUses("s3"); err != nil || !opens(r, 8) || r.Uses().Uses["s3"].Total != 1 {
			t.Errorf("after a reset: %v, %+v", err, r.Uses())
		}
	})
}

func TestUsesInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{}
		r := newRig(t, func(c *Config) {
			c.Policy, c.SaveUses, c.Uses = counted(t, "5"), l.save, schedule.Counts{Doubt: "uses.state: damaged"}
		})
		end := time.Now().Add(time.Minute)
		if err := openAll(r, 0, 1, end)[0]; !errors.Is(err, errUsed) || !strings.Contains(err.Error(), "damaged") || l.saves != 0 {
			t.Errorf("in doubt: %v, %d saves", err, l.saves)
		}
		if err := r.ResetUses("s3"); err != nil {
			t.Fatal(err)
		}
		if err := openAll(r, 0, 1, end)[0]; err != nil || l.counts.Doubt == "" {
			t.Errorf("after a reset: %v, doubt %q", err, l.counts.Doubt)
		}
		other := ssh(1, end)
		other.Stanza = 9
		var err error
		r.open(ctx, []job{{grant: other, done: func(e error) { err = e }}})
		if !errors.Is(err, errUsed) {
			t.Errorf("another stanza after the reset: %v", err)
		}
	})
}

// TestHostileWorkerGetsNoMoreUses: whatever a worker asks for, by grants, after digests or by
// commands, it gets no more than the number; a new one goes on where it was.
func TestHostileWorkerGetsNoMoreUses(t *testing.T) {
	l := &ledger{}
	digests := func([]Digest) error { return nil }
	r := newRig(t, func(c *Config) { c.Policy, c.SaveUses, c.Digests = counted(t, "3"), l.save, digests })
	end := time.Now().Add(time.Minute)
	granted, ran := 0, 0
	for worker := range 3 {
		c := pair(t, r)
		commit := c.Record(ctx, []Digest{{Key: [32]byte{1, byte(worker)}}})
		for i := range 4 {
			if apply(c, ssh(worker, end.Add(time.Duration(4*worker+i)*time.Second))) == nil {
				granted++
			}
			after := make(chan error, 1)
			c.SubmitAfter(commit, ssh(100+4*worker+i, end), time.Time{}, func(err error) { after <- err })
			if <-after == nil {
				granted++
			}
			if c.Command(ctx, Command{Stanza: 20, Text: "true"}) == nil {
				ran++
			}
		}
		c.Close()
	}
	if granted != 3 || ran != 3 || l.total("s3") != 3 || l.total("s20") != 3 {
		t.Errorf("%d granted and %d run, counted %+v", granted, ran, l.counts)
	}
}

// TestHostileWorkerOutsideWindow: the monitor checks the window by its own clock.
func TestHostileWorkerOutsideWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // begins on a Saturday, 1 January 2000 at 00:00 UTC
		w, err := schedule.ParseWindow("Sat 00:00-01:00 UTC")
		if err != nil {
			t.Fatal(err)
		}
		p := counted(t, "100")
		for i := range p.Limits.Stanzas {
			p.Limits.Stanzas[i].Windows = schedule.Windows{w}
		}
		r := newRig(t, func(c *Config) { c.Policy = p })
		hour := time.Now().Truncate(time.Hour).Add(time.Hour)
		if errs := openAll(r, 0, 1, hour); errs[0] != nil {
			t.Errorf("within: %v", errs[0])
		}
		if errs := openAll(r, 1, 1, hour.Add(time.Second)); !errors.Is(errs[0], enforce.ErrWindow) {
			t.Errorf("beyond its end: %v", errs[0])
		}
		sleep(time.Hour)
		if errs := openAll(r, 2, 1, time.Now().Add(time.Second)); !errors.Is(errs[0], enforce.ErrWindow) {
			t.Errorf("behind it: %v", errs[0])
		}
		if err := r.command(Command{Stanza: 20, Text: "true"}); !errors.Is(err, enforce.ErrWindow) {
			t.Errorf("a command: %v", err)
		}
		if r.Len() != 0 || r.Uses().Uses["s3"].Total != 1 {
			t.Errorf("%d open, uses %+v", r.Len(), r.Uses())
		}
	})
}
