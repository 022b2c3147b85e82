package monitor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"fwknopd/enforce"
)

// TestBypassed: rules that begin to let packets past the guard are reported once, after two checks
// in a row found them; those of the start are known, and one that comes again is reported again.
func TestBypassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fw := new(enforce.Recorder)
		now, broken := []string{"rule 1 of the start"}, error(nil)
		looks := 0
		r := newRig(t, func(c *Config) {
			c.Firewall, c.Guards = fw, true
			c.Bypasses = func(context.Context) ([]string, error) { looks++; return now, broken }
		})
		for _, step := range []struct {
			name             string
			now              []string
			broken           error
			bypassed, failed int // events so far
		}{
			{"nothing new", []string{"rule 1 of the start"}, nil, 0, 0},
			{"a rule", []string{"rule 1 of the start", "rule 2"}, nil, 1, 0},
			{"the same", []string{"rule 2", "rule 1 of the start"}, nil, 1, 0},
			{"gone", nil, nil, 1, 0},
			{"both again", []string{"rule 1 of the start", "rule 2"}, nil, 3, 0},
			{"not known", nil, errors.New("broken"), 3, 1},
			{"still not known", nil, errors.New("broken"), 3, 1},
			{"known again", []string{"rule 1 of the start", "rule 2"}, nil, 3, 1},
			{"not known again", nil, errors.New("broken"), 3, 2},
		} {
			before := looks
			now, broken = step.now, step.broken
			fw.Disturb()
			sleep(5 * time.Second)
			if looks == before {
				t.Errorf("%s: no look", step.name)
			}
			if got, failed := r.count(Bypassed), r.count(Failed); got != step.bypassed || failed != step.failed {
				t.Errorf("%s: %d bypasses and %d failures reported, want %d and %d", step.name, got, failed, step.bypassed, step.failed)
			}
		}
	})
}

// TestBypassedForAMoment: while another program loads its rules, the guard may be missing.
func TestBypassedForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fw := new(enforce.Recorder)
		looks := 0
		r := newRig(t, func(c *Config) {
			c.Firewall, c.Guards = fw, true
			c.Bypasses = func(context.Context) ([]string, error) {
				if looks++; looks == 2 { // the first is that of the start
					return []string{"rule 1"}, nil
				}
				return nil, nil
			}
		})
		fw.Disturb()
		sleep(5 * time.Second)
		if looks < 3 || r.count(Bypassed) != 0 {
			t.Errorf("%d looks, reported %d times", looks, r.count(Bypassed))
		}
	})
}
