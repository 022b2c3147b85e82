package monitor

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fwknopd/enforce"
)

// A tally is a Meter that keeps what it is told.
type tally struct {
	mu       sync.Mutex
	open     []time.Duration
	repaired int
	cut      enforce.Connections
}

func (c *tally) Cut(n enforce.Connections) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut.Add(n)
}

func (c *tally) Ended(open time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = append(c.open, open.Round(time.Second))
}

func (c *tally) Repaired(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.repaired += n
}

// The meter is told of each end with the whole time that the grant was open, also with an
// extension, and of repairs; not of what was open before.
func TestMeter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := new(tally)
		before := new(enforce.Recorder)
		if err := enforce.Open(ctx, before, ssh(9, time.Now().Add(5*time.Second))); err != nil {
			t.Fatal(err)
		}
		r := newRig(t, func(cfg *Config) { cfg.Meter, cfg.Firewall = c, before })
		r.fw = before
		r.mustApply(t, ssh(1, time.Now().Add(10*time.Second)))
		r.mustApply(t, ssh(2, time.Now().Add(time.Minute)))
		external := ssh(3, time.Now().Add(20*time.Second))
		external.Stanza, external.External = 12, &enforce.External{Open: []string{"/bin/open", "10.1.0.3"}, Close: []string{"/bin/close", "10.1.0.3"}, Timeout: time.Second}
		r.mustApply(t, external)
		if firewall, commands := r.OpenCounts(); firewall != 3 || commands != 1 {
			t.Errorf("%d open in the firewall, %d by commands", firewall, commands)
		}
		sleep(6 * time.Second)
		r.mustApply(t, ssh(1, time.Now().Add(10*time.Second))) // extended
		r.fw.Disturb()
		sleep(24 * time.Second)
		if err := r.Revoke(ctx, ssh(2, time.Time{})); err != nil {
			t.Error(err)
		}
		r.mustApply(t, ssh(4, time.Now().Add(time.Minute)))
		sleep(2 * time.Second)
		if err := r.Flush(ctx); err != nil {
			t.Error(err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		slices.Sort(c.open)
		if want := []time.Duration{2 * time.Second, 16 * time.Second, 20 * time.Second, 30 * time.Second}; !slices.Equal(c.open, want) || c.repaired != 2 {
			t.Errorf("open for %v, want %v; %d repairs, want 2", c.open, want, c.repaired)
		}
		if firewall, commands := r.OpenCounts(); firewall != 0 || commands != 0 {
			t.Errorf("%d still open in the firewall, %d by commands", firewall, commands)
		}
	})
}
