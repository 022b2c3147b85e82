package monitor

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"fwknopd/enforce"
)

// announced opens a grant to a message that another gateway claimed at a time.
func announced(r *rig, g enforce.Grant, claimed time.Time) (err error) {
	r.open(ctx, []job{{grant: g, claimed: claimed, done: func(e error) { err = e }}})
	return err
}

// TestRevokedStaysClosed: a revocation bars what was claimed before, and nothing else.
func TestRevokedStaysClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		start := time.Now()
		time.Sleep(time.Minute)
		now := time.Now()
		end := now.Add(time.Minute)
		if err := announced(r, ssh(1, end), now); err != nil {
			t.Fatal(err)
		}
		if err := announced(r, ssh(2, end), start.Add(-time.Second)); !errors.Is(err, errRevoked) {
			t.Errorf("claimed before the daemon started: %v", err)
		}
		r.Bar(func(g enforce.Grant) bool { return g.Src == ssh(3, end).Src }, now, end)
		for name, c := range map[string]struct {
			n       int
			claimed time.Time
			barred  bool
		}{
			"before":         {3, now.Add(-time.Second), true},
			"at that time":   {3, now, true},
			"after":          {3, now.Add(time.Second), false},
			"another client": {4, now.Add(-time.Second), false},
			"not announced":  {3, time.Time{}, false},
		} {
			if err := announced(r, ssh(c.n, end), c.claimed); errors.Is(err, errRevoked) != c.barred || !c.barred && err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// TestManyRevocations: those that are too many to be remembered bar more, not less.
func TestManyRevocations(t *testing.T) {
	var b bars
	start := time.Now()
	for i := range maxBars + 1 {
		b.add(bar{func(enforce.Grant) bool { return false }, start.Add(time.Duration(i) * time.Second), start.Add(time.Hour)}, start)
	}
	if len(b.list) != maxBars || b.check(enforce.Grant{}, start.Add(-1)) == nil || b.check(enforce.Grant{}, start.Add(time.Second)) != nil {
		t.Errorf("%d, floor %v", len(b.list), b.floor)
	}
	b.add(bar{func(enforce.Grant) bool { return true }, start, start.Add(3 * time.Hour)}, start.Add(2*time.Hour))
	if len(b.list) != 1 {
		t.Errorf("%d are in force", len(b.list))
	}
}

// TestAnnouncedRunsNothing: no command is run for an announced message, whatever the worker says.
func TestAnnouncedRunsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		g := ssh(1, time.Now().Add(time.Minute))
		g.External = &enforce.External{Open: []string{"true"}}
		if err := r.checkAnnounced(&job{grant: g, claimed: time.Now()}); err == nil {
			t.Error("a command is run")
		}
	})
}
