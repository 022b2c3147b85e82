package node

import (
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go/jetstream"

	"fwknopd/cmd/fwknopd/fleetlink"
)

// claims is whether claims can be made, and in which bucket.
type claims struct {
	tell   func(quorum bool, why string)
	failed chan struct{} // gets a value when a claim has failed

	mu  sync.Mutex
	why string // why they are unavailable; empty: they are not
	use usable

	tally [fleetlink.Unclaimable + 1]atomic.Uint64 // by Verdict
}

// A usable is a bucket that was looked at, and its terms.
type usable struct {
	bucket jetstream.Stream
	terms  *terms
}

func newClaims(tell func(bool, string)) *claims {
	if tell == nil {
		tell = func(bool, string) {}
	}
	return &claims{tell: tell, failed: make(chan struct{}, 1), why: "the fleet has not answered yet"}
}

// current returns the bucket that claims go to, or why there is none. What is returned of a
// bucket is the last that was seen.
func (c *claims) current() (usable, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.use, c.why
}

// fail has further claims refused at once, with this reason.
func (c *claims) fail(why string) {
	if c.set(why, nil) {
		c.tell(false, why)
	}
	select {
	case c.failed <- struct{}{}:
	default:
	}
}

// open has claims made in a bucket.
func (c *claims) open(use usable) {
	if c.set("", &use) {
		c.tell(true, "")
	}
}

// set reports whether the reason is another one than before.
func (c *claims) set(why string, use *usable) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if use != nil {
		c.use = *use
	}
	was := c.why
	c.why = why
	return was != why
}

// count counts an answer.
func (c *claims) count(v fleetlink.Verdict) { c.tally[v].Add(1) }
