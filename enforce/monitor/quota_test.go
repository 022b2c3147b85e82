package monitor

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fwknopd/enforce"
)

// limited is testPolicy with MAX_GRANTS in stanza 3.
func limited(n int) Policy {
	p := Policy{}
	p.Limits.Stanzas = append([]enforce.Allowance(nil), testPolicy.Limits.Stanzas...)
	p.Limits.Stanzas[0].MaxGrants = n
	return p
}

// openAll opens grants of stanza 3 in one batch and returns the errors.
func openAll(r *rig, from, n int, end time.Time) (errs []error) {
	jobs := make([]job, n)
	errs = make([]error, n)
	for i := range jobs {
		jobs[i] = job{grant: ssh(from+i, end), done: func(err error) { errs[i] = err }}
	}
	r.open(ctx, jobs)
	return errs
}

func refused(errs []error) (n int) {
	for _, err := range errs {
		if errors.Is(err, enforce.ErrTooMany) && errors.Is(err, ErrRefused) {
			n++
		}
	}
	return n
}

// A stanza has at most MAX_GRANTS open, also within one batch; what ends makes room, an
// extension takes none, and other stanzas have their own.
func TestMaxGrants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.Policy = limited(200) })
		end := time.Now().Add(time.Minute)
		if n := refused(openAll(r, 0, 200, end)); n != 0 {
			t.Errorf("%d of a burst of 200 refused", n)
		}
		if n := refused(openAll(r, 200, 300, end)); n != 300 || r.Len() != 200 {
			t.Errorf("%d refused, %d open", n, r.Len())
		}
		r.events.drain()
		if ev := r.of(Refused); len(ev) == 0 || !strings.Contains(ev[0].Err.Error(), "the stanza has 200 of 200 (MAX_GRANTS)") {
			t.Errorf("events %+v", ev)
		}
		if n := refused(openAll(r, 0, 200, end.Add(time.Second))); n != 0 {
			t.Errorf("%d extensions refused", n)
		}
		other := ssh(1000, end)
		other.Stanza = 9
		r.mustApply(t, other)
		two := ssh(0, end)
		two.Ports = append(two.Ports, enforce.Port{Proto: enforce.UDP, Number: 53})
		if err := r.Apply(ctx, two); !errors.Is(err, enforce.ErrTooMany) {
			t.Errorf("one more port: %v", err)
		}
		if err := r.Revoke(ctx, ssh(1, end)); err != nil {
			t.Fatal(err)
		}
		sleep(time.Second) // for the rate
		r.mustApply(t, two)
		sleep(2 * time.Minute)
		if r.Len() != 0 || len(r.table.stanzas) != 0 {
			t.Errorf("%d open, counted %v", r.Len(), r.table.stanzas)
		}
		if n := refused(openAll(r, 0, 200, time.Now().Add(time.Minute))); n != 0 {
			t.Errorf("%d refused after the end of the others", n)
		}
	})
}

// A grant that is requested twice in one batch is new once.
func TestMaxGrantsOfOneTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.Policy = limited(1) })
		end := time.Now().Add(time.Minute)
		var errs [3]error
		var jobs []job
		for i, g := range []enforce.Grant{ssh(1, end), ssh(1, end.Add(time.Second)), ssh(2, end)} {
			jobs = append(jobs, job{grant: g, done: func(err error) { errs[i] = err }})
		}
		r.open(ctx, jobs)
		if errs[0] != nil || errs[1] != nil || !errors.Is(errs[2], enforce.ErrTooMany) || r.Len() != 1 {
			t.Errorf("%v, %d open", errs, r.Len())
		}
	})
}

// External grants of one batch are counted once, also while others of it are admitted.
func TestMaxGrantsOfExternal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := limited(1)
		p.Limits.Stanzas[2].MaxGrants = 4
		r := newRig(t, func(c *Config) { c.Policy = p })
		end := time.Now().Add(time.Minute)
		errs := make([]error, 6)
		var jobs []job
		for n := range errs {
			jobs = append(jobs, job{grant: extern(n, end), done: func(err error) { errs[n] = err }})
		}
		r.open(ctx, jobs)
		synctest.Wait()
		if n := refused(errs); n != 2 || r.Len() != 4 {
			t.Errorf("%d of 6 refused, %d open", n, r.Len())
		}
	})
}

// A flood of short grants has a rate, although few are open at a time.
func TestRateOfNewGrants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.Policy = limited(160) })
		opened := 0
		for second := range 60 {
			opened += 50 - refused(openAll(r, 50*second, 50, time.Now().Add(500*time.Millisecond)))
			sleep(time.Second)
		}
		if opened < 160+59*9 || opened > 160+60*11 {
			t.Errorf("%d opened in a minute of 50 a second, want 160 and 10 a second", opened)
		}
	})
}

// The larger limit holds for stanzas of the same line in several files, and what was
// adopted counts.
func TestMaxGrantsOfAdopted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fw := new(enforce.Recorder)
		for n := range 5 {
			if err := fw.Apply(ctx, ssh(n, time.Now().Add(time.Minute))); err != nil {
				t.Fatal(err)
			}
		}
		p := limited(3)
		p.Limits.Stanzas = append(p.Limits.Stanzas, p.Limits.Stanzas[0])
		p.Limits.Stanzas[len(p.Limits.Stanzas)-1].MaxGrants = 6
		r := newRig(t, func(c *Config) { c.Firewall, c.Policy = fw, p })
		if n := refused(openAll(r, 10, 4, time.Now().Add(time.Minute))); n != 3 {
			t.Errorf("%d of 4 refused beside 5 of 6", n)
		}
	})
}

// A prefix counts as one grant, two sources as two.
func TestMaxGrantsOfPrefixes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := limited(3)
		p.Limits.Stanzas[0].Bits4, p.Limits.Stanzas[0].Two = 24, true
		r := newRig(t, func(c *Config) { c.Policy = p })
		wide, two := ssh(0, time.Now().Add(time.Minute)), ssh(1<<8, time.Now().Add(time.Minute))
		wide.Bits, two.Also = 24, prefixes("10.2.0.0/24")[0]
		r.mustApply(t, wide)
		r.mustApply(t, two)
		if n := r.Len(); n != 3 {
			t.Errorf("%d open, want 3", n)
		}
		again := wide
		again.Src, again.Expires = again.Src.Next(), again.Expires.Add(time.Minute)
		r.mustApply(t, again) // another address of the prefix: the same grant
		if errs := openAll(r, 7, 1, time.Now().Add(time.Minute)); refused(errs) != 1 || r.Len() != 3 {
			t.Errorf("%v, %d open", errs, r.Len())
		}
	})
}
