package monitor

import (
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"
)

// shadowPolicy has one file for alice alone and one for all users; the password of a user
// is the name.
func shadowPolicy(checks *atomic.Int32) Policy {
	check := func(user, password string) (bool, error) {
		checks.Add(1)
		return password == user, nil
	}
	return Policy{Passwords: map[string]PasswordFile{"/alice": {Users: []string{"alice"}, Check: check}, "/all": {Check: check}}}
}

// Only users that a stanza names are looked up, wrong passwords are reported and limited:
// five a minute for a user and source, and some for a user whatever the worker says the
// source is. Right ones are not counted.
func TestPasswordGuesses(t *testing.T) {
	src := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}) }
	src6 := func(n int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", n+1)) }
	for _, c := range []struct {
		name, file string
		user       func(n int) string
		src        func(n int) netip.Addr
		right      bool
		want       int // of 200 that are looked up
	}{
		{"one source", "/alice", func(int) string { return "alice" }, func(int) netip.Addr { return src(1) }, false, guessesPerSource},
		{"one source in both forms", "/all", func(int) string { return "alice" }, func(n int) netip.Addr {
			if n%2 == 0 {
				return netip.AddrFrom16(src(1).As16())
			}
			return src(1)
		}, false, guessesPerSource},
		{"one IPv6 network", "/all", func(int) string { return "alice" }, src6, false, guessesPerSource},
		{"many sources", "/all", func(int) string { return "alice" }, src, false, guessesPerUser},
		{"many users", "/all", func(n int) string { return fmt.Sprint("user", n) }, func(int) netip.Addr { return src(1) }, false, guessesInAll},
		{"a user that no stanza names", "/alice", func(int) string { return "root" }, src, false, 0},
		{"a file that no stanza names", "/etc/shadow", func(int) string { return "alice" }, src, false, 0},
		{"the right password", "/alice", func(int) string { return "alice" }, func(int) netip.Addr { return src(1) }, true, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			var checks atomic.Int32
			now := time.Unix(1e9, 0)
			r := newRig(t, func(cfg *Config) {
				cfg.Policy = shadowPolicy(&checks)
				cfg.Clock = &Clock{Now: func() time.Time { return now }, Elapsed: func() time.Duration { return 0 }}
			})
			cl := pair(t, r)
			refused := 0
			for n := range 200 {
				pw := "wrong"
				if c.right {
					pw = c.user(n)
				}
				ok, err := cl.CheckPassword(ctx, c.src(n), c.file, c.user(n), pw)
				if errors.Is(err, ErrRefused) {
					refused++
				} else if err != nil {
					t.Fatal(err)
				}
				if ok != c.right {
					t.Fatalf("check %d: %v, %v", n, ok, err)
				}
			}
			if int(checks.Load()) != c.want || refused != 200-c.want {
				t.Errorf("%d looked up, %d refused, want %d looked up", checks.Load(), refused, c.want)
			}
			r.events.drain()
			r.refusals.mu.Lock()
			reported := r.refusals.unreported
			r.refusals.mu.Unlock()
			for _, ev := range r.of(WrongPassword) {
				reported += 1 + ev.Count
			}
			if want := 200; !c.right && reported != want || c.right && reported != 0 {
				t.Errorf("%d reported", reported)
			}
		})
	}
}

// After a minute there are guesses again, and what is remembered is bounded.
func TestGuessesAreForgotten(t *testing.T) {
	var g guesses
	now := time.Unix(1e9, 0)
	src := netip.MustParseAddr("192.0.2.1")
	for minute := range 3 {
		n := 0
		for range 50 {
			if _, err := g.begin("/f", "alice", src, now); err == nil {
				n++
			}
		}
		if n != guessesPerSource {
			t.Errorf("minute %d: %d guesses", minute, n)
		}
		now = now.Add(time.Minute)
	}
	for n := range 10 * maxGuessers {
		now = now.Add(time.Second)
		if _, err := g.begin("/f", fmt.Sprint("user", n), src, now); err != nil {
			t.Fatal(err)
		}
		if len(g.by) > maxGuessers+2 {
			t.Fatalf("%d remembered", len(g.by))
		}
	}
	if _, err := g.begin("/f", "alice", netip.Addr{}, now); !errors.Is(err, errProtocol) {
		t.Errorf("no source: %v", err)
	}
}
