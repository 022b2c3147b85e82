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

// TestAskedSince: what counts is the latest message for a grant, by its claim if it was announced.
func TestAskedSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		start := time.Now()
		time.Sleep(time.Minute)
		now := time.Now()
		end := now.Add(time.Minute)
		wants := func(what string, n int, after time.Time, want bool) {
			t.Helper()
			if got := r.AskedSince(ssh(n, end), after); got != want {
				t.Errorf("%s: %v", what, got)
			}
		}
		wants("not open", 1, start, false)
		for _, g := range []enforce.Grant{ssh(1, end), ssh(2, end), ssh(3, end)} {
			if err := announced(r, g, start.Add(time.Second)); err != nil {
				t.Fatal(err)
			}
		}
		wants("announced", 1, start, true)
		wants("claimed before", 1, start.Add(time.Second), false)
		if err := announced(r, ssh(2, end.Add(time.Minute)), now.Add(-time.Second)); err != nil {
			t.Fatal(err)
		}
		wants("extended", 2, now.Add(-2*time.Second), true)
		if err := announced(r, ssh(3, end), time.Time{}); err != nil {
			t.Fatal(err)
		}
		wants("asked for again, to the same end", 3, now.Add(-time.Second), true)
		if err := announced(r, ssh(3, end), start.Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		wants("an earlier message is heard late", 3, now.Add(-time.Second), true)
		r.mu.Lock()
		r.adopt([]enforce.Grant{ssh(4, end)}, r.lastReading)
		r.mu.Unlock()
		wants("of an earlier daemon", 4, start, false)
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
