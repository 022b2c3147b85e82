package monitor

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fwknopd/enforce"
)

// A cutLog is Cut of a Config: each grant that has ended has one connection, which takes a
// moment to end.
type cutLog struct {
	mu    sync.Mutex
	looks [][]string // keys of what had ended, by look
	kept  []string   // keys of what was open at the last look
	err   error
	hang  bool
}

const cutTakes = 300 * time.Millisecond

func (c *cutLog) cut(ctx context.Context, ended []enforce.Grant, open func() []enforce.Grant) ([]enforce.Connections, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looks, c.kept = append(c.looks, keysOf(ended)), keysOf(open())
	if c.hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	time.Sleep(cutTakes)
	counts := make([]enforce.Connections, len(ended))
	for i := range counts {
		counts[i].Ended = 1
		if c.err != nil {
			counts[i] = enforce.Connections{Open: 1}
		}
	}
	return counts, c.err
}

func keysOf(gs []enforce.Grant) (keys []string) {
	for _, g := range gs {
		keys = append(keys, g.Key())
	}
	slices.Sort(keys)
	return keys
}

// newCutRig is newRig with CLOSE_CONNECTIONS in stanza 3.
func newCutRig(t *testing.T, change ...func(*Config)) (*rig, *cutLog) {
	c := new(cutLog)
	return newRig(t, append([]func(*Config){func(cfg *Config) {
		cfg.Cut = c.cut
		cfg.Policy.Limits.CloseConnections = map[int]bool{3: true}
	}}, change...)...), c
}

// want compares the looks.
func (c *cutLog) want(t *testing.T, looks ...[]enforce.Grant) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.looks) != len(looks) {
		t.Fatalf("looks %q, want %d", c.looks, len(looks))
	}
	for i, gs := range looks {
		if !slices.Equal(c.looks[i], keysOf(gs)) {
			t.Errorf("look %d at %q, want %q", i, c.looks[i], keysOf(gs))
		}
	}
}

// Connections end with a grant, whatever ends it, and are reported after that; not with the
// end that an extension moves, nor with a grant of another stanza.
func TestCutAtEnd(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(r *rig, g enforce.Grant) error
	}{
		{"expired", func(*rig, enforce.Grant) error { time.Sleep(time.Minute); return nil }},
		{"revoked", func(r *rig, g enforce.Grant) error { return r.Revoke(ctx, g) }},
		{"flushed", func(r *rig, _ enforce.Grant) error { return r.Flush(ctx) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				meter := new(tally)
				r, log := newCutRig(t, func(cfg *Config) { cfg.Meter = meter })
				start := time.Now()
				g := ssh(1, start.Add(20*time.Second))
				g.Ports = append(g.Ports, enforce.Port{Proto: enforce.UDP, Number: 53})
				other := ssh(2, start.Add(20*time.Second))
				other.Stanza = 9
				r.mustApply(t, g)
				r.mustApply(t, other)
				g.Expires = start.Add(40 * time.Second)
				r.mustApply(t, g)
				sleep(30 * time.Second)
				log.want(t)
				if err := c.end(r, g); err != nil {
					t.Fatal(err)
				}
				sleep(time.Second)
				log.want(t, g.Split())
				cuts := r.of(Cut)
				if len(cuts) != 1 || cuts[0].Grant.Key() != g.Normal().Key() || cuts[0].Connections.Ended != 2 || cuts[0].Err != nil || meter.cut.Ended != 2 {
					t.Errorf("events %+v, counted %+v", cuts, meter.cut)
				}
				if all := r.all; all[len(all)-1].Kind != Cut {
					t.Errorf("the last event is %+v", all[len(all)-1])
				}
			})
		})
	}
}

// The stanza is looked up when a grant is opened, in the monitor's own policy: a reload that
// removes the stanza, or moves its line, does not change what happens at the end.
func TestCutAfterReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, log := newCutRig(t)
		g := ssh(1, time.Now().Add(10*time.Second))
		r.mustApply(t, g)
		p := testPolicy
		p.Limits.CloseConnections = map[int]bool{9: true}
		r.Reload(p)
		later := ssh(2, time.Now().Add(10*time.Second))
		r.mustApply(t, later)
		sleep(11 * time.Second)
		log.want(t, []enforce.Grant{g})
	})
}

// Grants that a daemon takes over, and those that commands opened, end the same.
func TestCutAdoptedAndExternal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before, end := new(enforce.Recorder), time.Now().Add(5*time.Second)
		adopted := ssh(7, end)
		if err := enforce.Open(ctx, before, adopted); err != nil {
			t.Fatal(err)
		}
		r, log := newCutRig(t, func(cfg *Config) { cfg.Firewall = before })
		r.fw = before
		sleep(6 * time.Second)
		log.want(t, []enforce.Grant{adopted})
		g := extern(1, time.Now().Add(5*time.Second))
		r.Monitor.policy.Load().Limits.CloseConnections[g.Stanza] = true
		r.mustApply(t, g)
		sleep(6 * time.Second)
		log.want(t, []enforce.Grant{adopted}, []enforce.Grant{g})
	})
}

// A thousand grants that end at once share one look; the monitor opens others meanwhile, and a
// client that is let in again is among the open ones.
func TestCutManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, log := newCutRig(t)
		end := time.Now().Add(10 * time.Second)
		var all []enforce.Grant
		for n := range 1000 {
			all = append(all, ssh(n, end))
		}
		for _, g := range all {
			r.mustApply(t, g)
		}
		sleep(10 * time.Second)
		begun := time.Now()
		again := ssh(1, time.Now().Add(time.Hour))
		r.mustApply(t, again)
		if took := time.Since(begun); took > 0 {
			t.Errorf("a grant waited %v for the end of connections", took)
		}
		if err := r.Revoke(ctx, again); err != nil {
			t.Fatal(err)
		}
		r.mustApply(t, again)
		sleep(time.Second)
		log.want(t, all, []enforce.Grant{again})
		if !slices.Equal(log.kept, []string{again.Key()}) {
			t.Errorf("open at the second look: %q", log.kept)
		}
		if n := r.count(Cut); n != 1001 {
			t.Errorf("%d events", n)
		}
	})
}

// What could not be ended, or not be looked up, is reported.
func TestCutFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, log := newCutRig(t)
		log.err = errors.New("goes on")
		r.mustApply(t, ssh(1, time.Now().Add(time.Second)))
		sleep(2 * time.Second)
		if cuts := r.of(Cut); len(cuts) != 1 || cuts[0].Connections.Open != 1 || cuts[0].Err != log.err {
			t.Errorf("events %+v", cuts)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		r := newRig(t, func(cfg *Config) {
			cfg.Policy.Limits.CloseConnections = map[int]bool{3: true}
			cfg.Cut = func(context.Context, []enforce.Grant, func() []enforce.Grant) ([]enforce.Connections, error) {
				return nil, broken
			}
		})
		r.mustApply(t, ssh(1, time.Now().Add(time.Second)))
		sleep(2 * time.Second)
		if failed := r.of(Failed); len(failed) != 1 || !errors.Is(failed[0].Err, broken) {
			t.Errorf("events %+v", failed)
		}
	})
}

// ENABLE_CONNTRACK_PERSIST does not keep such a grant open.
func TestCutIsNotPostponed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, log := newCutRig(t, func(cfg *Config) {
			cfg.Established = func(_ context.Context, gs []enforce.Grant) ([]bool, error) {
				return slices.Repeat([]bool{true}, len(gs)), nil
			}
		})
		g := ssh(1, time.Now().Add(10*time.Second))
		r.mustApply(t, g)
		sleep(11 * time.Second)
		log.want(t, []enforce.Grant{g})
	})
}

// Close waits for what is being ended; a look that hangs is given up with its context.
func TestCutAtClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := newCutRig(t)
		g := ssh(1, time.Now().Add(time.Hour))
		r.mustApply(t, g)
		r.mustApply(t, ssh(2, time.Now().Add(time.Hour)))
		if err := r.Revoke(ctx, g); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(ctx); err != nil || r.count(Cut) != 1 {
			t.Errorf("%v, %d events", err, r.count(Cut))
		}
		r.CutRest(ctx)
		if r.count(Cut) != 2 {
			t.Errorf("after the firewall was cleared: %d events", r.count(Cut))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r, log := newCutRig(t)
		log.hang = true
		g := ssh(1, time.Now().Add(time.Hour))
		r.mustApply(t, g)
		if err := r.Revoke(ctx, g); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		ending, cancel := context.WithTimeout(ctx, 2500*time.Millisecond)
		defer cancel()
		if err := r.Close(ending); err == nil {
			t.Error("no error")
		}
		if took := time.Since(begun); took > 4*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// What is revoked by hand comes with the counts of its connections.
func TestWatchCuts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := newCutRig(t)
		a, b := ssh(1, time.Now().Add(time.Hour)), ssh(2, time.Now().Add(time.Hour))
		r.mustApply(t, a)
		r.mustApply(t, b)
		collect := r.WatchCuts()
		if err := errors.Join(r.Revoke(ctx, a), r.Revoke(ctx, b)); err != nil {
			t.Fatal(err)
		}
		if n, err := collect([]enforce.Grant{a}); n != (enforce.Connections{Ended: 1}) || err != nil {
			t.Errorf("%+v, %v", n, err)
		}
		if len(r.cutter.watches) > 0 {
			t.Error("it still collects")
		}
	})
}
