package monitor

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fwknopd/enforce"
)

// TestBlocked: chains that drop a grant are reported with it; those that begin to drop it
// later are reported once, after two checks in a row found them.
func TestBlocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fw := new(enforce.Recorder)
		var by []string
		r := newRig(t, func(c *Config) {
			c.Firewall = fw
			c.Blocked = func(context.Context, enforce.Grant) ([]string, error) { return by, nil }
		})
		by = []string{"table inet x chain y"}
		r.mustApply(t, ssh(1, time.Now().Add(time.Hour)))
		by = nil
		r.mustApply(t, ssh(2, time.Now().Add(time.Hour)))
		look := func(now ...string) {
			by = now
			fw.Disturb()
			sleep(2 * time.Second)
		}
		look("table inet x chain y")
		look("table inet x chain y")
		if got := r.count(Blocked); got != 1 {
			t.Errorf("told %d times, want once: the first was told when it was opened", got)
		}
		look()
		look("table inet x chain z")
		if got := r.count(Blocked); got != 3 {
			t.Errorf("told %d times, want another for each", got)
		}
		granted := 0
		for _, ev := range r.all {
			if ev.Kind == Granted && slices.Equal(ev.Blocked, []string{"table inet x chain y"}) {
				granted++
			}
		}
		if granted != 1 {
			t.Errorf("%d grants were told as blocked, want the first", granted)
		}
	})
}

// TestBlockedNotKnown: if the check for chains that drop a grant fails, that is reported
// beside the grant.
func TestBlockedNotKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *Config) {
			c.Firewall = new(enforce.Recorder)
			c.Blocked = func(context.Context, enforce.Grant) ([]string, error) { return nil, errors.New("netlink says no") }
		})
		r.mustApply(t, ssh(1, time.Now().Add(time.Hour)))
		sleep(time.Second)
		if r.count(Granted) != 1 || r.count(Failed) != 1 {
			t.Fatalf("%d grants and %d failures told, want one of each", r.count(Granted), r.count(Failed))
		}
		for _, ev := range r.all {
			if ev.Kind == Failed && (!strings.Contains(ev.Err.Error(), "is not known: netlink says no") || ev.Grant.Src != ssh(1, time.Time{}).Src) {
				t.Errorf("told %v of %v", ev.Err, ev.Grant.Src)
			}
		}
	})
}

// TestBlockedForAMoment: while another program loads its rules, ours are missing.
func TestBlockedForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fw := new(enforce.Recorder)
		looks := 0
		r := newRig(t, func(c *Config) {
			c.Firewall = fw
			c.Blocked = func(context.Context, enforce.Grant) ([]string, error) {
				if looks++; looks == 2 { // the first is that of the grant
					return []string{"table inet x chain y"}, nil
				}
				return nil, nil
			}
		})
		r.mustApply(t, ssh(1, time.Now().Add(time.Hour)))
		fw.Disturb()
		sleep(5 * time.Second)
		if looks < 3 || r.count(Blocked) != 0 {
			t.Errorf("%d looks, told %d times", looks, r.count(Blocked))
		}
	})
}
