package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce/monitor"
	"fwknopd/policy"
)

// relinkPause is how long after a link was asked for in vain the next one is.
const relinkPause = time.Second

// claims has messages claimed by the fleet process, over a link that it gets from the monitor when the
// first claim needs one, and again after the process has ended. It counts the answers.
type claims struct {
	client *monitor.Client

	link   *fleetlink.Client // nil: none
	failed time.Time         // when the monitor had none to give
	why    string

	mu     sync.Mutex
	counts report.Claims
}

func newClaims(client *monitor.Client) *claims { return &claims{client: client} }

// claim is the Claim of [policy.Options].
func (c *claims) claim(what policy.Claim) policy.ClaimAnswer {
	begin := time.Now()
	a := c.ask(fleetlink.Claim{Digest: what.Digest, Sent: what.Sent, Until: what.Until, Stanza: what.Stanza[:min(len(what.Stanza), fleetlink.MaxStanza)]})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts.Count(time.Since(begin), a.First, a.Taken)
	return a
}

// ask asks the fleet process; ctx of a claim is its own time.
func (c *claims) ask(what fleetlink.Claim) policy.ClaimAnswer {
	link, err := c.linked()
	if err != nil {
		return policy.ClaimAnswer{Why: privsep.Sanitize(err.Error())}
	}
	switch a := link.Claim(context.Background(), what); a.Verdict {
	case fleetlink.First:
		return policy.ClaimAnswer{First: true}
	case fleetlink.Taken:
		return policy.ClaimAnswer{Taken: true, By: a.By, At: a.At}
	default:
		return policy.ClaimAnswer{Never: a.Verdict == fleetlink.Unclaimable, Why: a.Why}
	}
}

// linked returns the link, a new one if there is none.
func (c *claims) linked() (*fleetlink.Client, error) {
	if c.link != nil && !c.link.Ended() {
		return c.link, nil
	}
	c.close()
	if time.Since(c.failed) < relinkPause {
		return nil, errors.New(c.why)
	}
	ctx, cancel := context.WithTimeout(context.Background(), fleetlink.ClaimTime)
	defer cancel()
	f, err := c.client.Open(ctx, privsep.FileFleet)
	if err == nil {
		conn, wrong := fleetlink.Conn(f)
		if err = wrong; err == nil {
			c.link = fleetlink.NewClient(conn)
			return c.link, nil
		}
	}
	c.failed, c.why = time.Now(), err.Error()
	return nil, err
}

// state returns the counts.
func (c *claims) state() report.Claims {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts.Clone()
}

func (c *claims) close() {
	if c.link != nil {
		c.link.Close()
	}
	c.link = nil
}
