package fleetlink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"unicode/utf8"

	"fwknopd/cmd/fwknopd/codec"
	"fwknopd/policy/conf"
)

// A claimMessage asks for a claim. ID is higher in each, from 1.
type claimMessage struct {
	ID    uint64
	Claim Claim
}

// An answerMessage answers the claim of the same ID.
type answerMessage struct {
	ID     uint64
	Answer Answer
}

// Check returns an error if no honest worker claims this.
func (c *Claim) Check() error {
	if len(c.Stanza) > MaxStanza {
		return errors.New("a stanza with too long a name")
	}
	return nil
}

// Check returns an error if no honest fleet process answers this.
func (a *Answer) Check() error {
	taken := a.By != "" || !a.At.IsZero()
	switch {
	case a.Verdict > Unclaimable:
		return fmt.Errorf("verdict %d", a.Verdict)
	case len(a.By) > MaxWhy || len(a.Why) > MaxWhy:
		return errors.New("too long a text")
	case !utf8.ValidString(a.By) || !utf8.ValidString(a.Why):
		return errors.New("a text that is not UTF-8")
	case taken && a.Verdict != Taken, a.Why != "" && (a.Verdict == First || a.Verdict == Taken):
		return errors.New("an answer that says two things")
	}
	return nil
}

// maxOpen is how many claims may wait for their answers, maxLate how many answers may be missing.
const maxOpen, maxLate = 64, 256

// Reasons of claims that get no answer.
const (
	whyEnded  = "the fleet process has ended"
	whySilent = "the fleet process does not answer"
	whyBroken = "the fleet process broke the protocol and was cut off"
	whyMany   = "too many claims wait for the fleet process"
)

// A Client asks a fleet process for claims. It does not trust it: an answer that no claim waits for,
// or that cannot be, ends the link, and a process that does not answer in time is asked nothing
// more until it says something again.
type Client struct {
	link    *Link
	sending sync.Mutex // claims are sent in the order of their numbers

	mu     sync.Mutex
	last   uint64
	open   map[uint64]chan<- Answer // claims that wait
	late   map[uint64]bool          // claims that were given up: their answers are discarded
	silent bool                     // the process has not answered in time
	ended  string                   // why there is no process any more; "": there is one
}

// NewClient returns a client over a link, which it takes over.
func NewClient(conn *net.UnixConn) *Client {
	c := &Client{link: NewLink(conn), open: make(map[uint64]chan<- Answer), late: make(map[uint64]bool)}
	go c.read()
	return c
}

// Claim implements [Claims]: it returns after [ClaimTime] at the latest, and at once while the process
// does not answer.
func (c *Client) Claim(ctx context.Context, claim Claim) Answer {
	ctx, cancel := context.WithTimeout(ctx, ClaimTime)
	defer cancel()
	answered := make(chan Answer, 1)
	claim.Sent, claim.Until = claim.Sent.Round(0).UTC(), claim.Until.Round(0).UTC()
	c.sending.Lock()
	id, why := c.begin(answered)
	if why != "" {
		c.sending.Unlock()
		return Answer{Why: why}
	}
	err := c.link.Send(kindClaim, claimMessage{id, claim})
	c.sending.Unlock()
	if err != nil {
		c.link.Close() // what was sent of it is not known
		return c.giveUp(id, answered)
	}
	select {
	case a := <-answered:
		return a
	case <-ctx.Done():
		return c.giveUp(id, answered)
	}
}

// Ended reports whether there is no process any more: another link is wanted.
func (c *Client) Ended() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended != ""
}

// Close ends the link. Claims that wait are unavailable.
func (c *Client) Close() error { return c.link.Close() }

// begin enters a claim, or returns why none can be made.
func (c *Client) begin(answered chan<- Answer) (id uint64, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ended != "":
		return 0, c.ended
	case c.silent:
		return 0, whySilent
	case len(c.open) >= maxOpen:
		return 0, whyMany
	}
	c.last++
	c.open[c.last] = answered
	return c.last, ""
}

// giveUp ends the wait for an answer, and returns one that came at the last moment: after it the
// process has nothing more to say by which it would cease to be silent.
func (c *Client) giveUp(id uint64, answered <-chan Answer) Answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, waits := c.open[id]; !waits {
		return <-answered
	}
	delete(c.open, id)
	if c.late[id], c.silent = true, true; len(c.late) > maxLate {
		c.link.Close()
	}
	return Answer{Why: whySilent}
}

// read delivers answers until the link ends.
func (c *Client) read() {
	why := whyEnded
	for {
		kind, content, err := c.link.Receive()
		if err == errTooLong {
			why = whyBroken
		}
		if err != nil {
			break
		}
		var m answerMessage
		if kind != kindAnswer || codec.Decode(content, &m) != nil || m.Answer.Check() != nil || !c.deliver(&m) {
			why = whyBroken
			break
		}
	}
	c.link.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = why
	for _, answered := range c.open {
		answered <- Answer{Why: why}
	}
	clear(c.open)
}

// deliver passes an answer on, and reports whether a claim was open for it. One that comes too late
// shows only that the process is there.
func (c *Client) deliver(m *answerMessage) bool {
	m.Answer.By, m.Answer.Why = conf.Printable(m.Answer.By), conf.Printable(m.Answer.Why)
	c.mu.Lock()
	defer c.mu.Unlock()
	answered, waits := c.open[m.ID]
	if !waits && !c.late[m.ID] {
		return false
	}
	delete(c.open, m.ID)
	delete(c.late, m.ID)
	if c.silent = false; waits {
		answered <- m.Answer
	}
	return true
}

// Serve answers the claims that come over a link until it or ctx ends, and closes it. The error is nil
// if the other end closed it, or says how that broke the protocol.
func Serve(ctx context.Context, conn *net.UnixConn, claims Claims) error {
	l, ctx, end := linkUntil(ctx, conn)
	var answering sync.WaitGroup
	defer answering.Wait()
	defer end()
	slots := make(chan struct{}, maxOpen)
	for last := uint64(0); ; {
		kind, content, err := l.Receive()
		if err != nil {
			return ended(err)
		}
		var m claimMessage
		if kind != kindClaim {
			return errKind
		}
		if err := codec.Decode(content, &m); err != nil {
			return err
		}
		if err := m.Claim.Check(); err != nil {
			return err
		}
		if m.ID <= last {
			return errors.New("a claim with a number that was used")
		}
		last = m.ID
		select {
		case slots <- struct{}{}:
		default: // an honest worker waits for answers
			return errors.New(whyMany)
		}
		answering.Go(func() {
			a := claims.Claim(ctx, m.Claim)
			<-slots
			if l.Send(kindAnswer, answerMessage{m.ID, a.bounded()}) != nil {
				l.Close() // which ends the loop
			}
		})
	}
}

// bounded returns an answer that satisfies Check.
func (a Answer) bounded() Answer {
	a.By, a.Why, a.At = cut(a.By), cut(a.Why), a.At.Round(0).UTC()
	return a
}

// cut cuts a text to MaxWhy bytes.
func cut(text string) string { return conf.Printable(text[:min(len(text), MaxWhy)]) }

// ended returns nil if err is that of a link that one of its ends has closed.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}
