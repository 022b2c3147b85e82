package fleetlink

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"fwknopd/cmd/fwknopd/codec"
	"fwknopd/policy/conf"
)

// A Purpose is what a link that the monitor hands over is for.
type Purpose uint8

const (
	ForClaims Purpose = 1 // the worker claims, see [Serve]
	ForGroup  Purpose = 2 // the worker announces and hears, see [ServeGroup]
)

// A linkMessage comes with one end of a link.
type linkMessage struct{ Purpose Purpose }

// A noticeMessage has a text for the log.
type noticeMessage struct{ Text string }

// A quorumMessage says that claims can be decided from now on, or why they cannot.
type quorumMessage struct {
	Quorum bool
	Why    string
}

// A relayMessage has an order, or what was done about one, as it is published.
type relayMessage struct {
	Name string // of the gateway that published it; of the monitor's own: ""
	Text string
}

// maxMembers is how many members a Status may have.
const maxMembers = 256

// Check returns an error if no honest fleet process says this.
func (s *Status) Check() error {
	if s.V != 1 || len(s.Members) > maxMembers {
		return errors.New("a status that cannot be")
	}
	return nil
}

// Know adds gateways to the members that were not heard of: they have been cut off since this process
// started, or before.
func (s *Status) Know(names []string) {
	for _, name := range names {
		known := slices.ContainsFunc(s.Members, func(m Member) bool { return m.Name == name })
		if !known && len(s.Members) < maxMembers {
			s.Members = append(s.Members, Member{Name: name})
		}
	}
	slices.SortFunc(s.Members, func(a, b Member) int { return cmp.Compare(a.Name, b.Name) })
}

// printable replaces what could control a terminal in all texts.
func (s *Status) printable() {
	for _, text := range []*string{&s.Name, &s.Fleet, &s.Group, &s.Why} {
		*text = conf.Printable(*text)
	}
	for i := range s.Members {
		s.Members[i].Name, s.Members[i].Address = conf.Printable(s.Members[i].Name), conf.Printable(s.Members[i].Address)
	}
}

// A Listener is told what a fleet process says to its monitor.
type Listener struct {
	Ready   func()
	Failed  func(why string)
	Quorum  func(quorum bool, why string)
	Message func(text string)
	// Order and Done get what another gateway has published under its name, unchecked, and Late
	// what the fleet has stored of that: the next one comes after [Control.Taken].
	Order func(from string, text []byte)
	Done  func(by string, text []byte)
	Late  func(LateOrder)
	// Stored gets an order of this gateway that the fleet has stored.
	Stored func(text []byte)
}

// A Control is the monitor's end of the link to a fleet process, which it does not trust.
type Control struct {
	link *Link
	late atomic.Bool // a [LateOrder] is not dealt with yet

	mu     sync.Mutex
	asking []chan<- Status // in the order of their questions
	ended  bool
}

// NewControl returns the monitor's end over a link, which it takes over. [Control.Run] has to be called.
func NewControl(conn *net.UnixConn) *Control { return &Control{link: NewLink(conn)} }

// Run tells l what the process says, until the link ends or the process breaks the protocol, which is
// the error.
func (c *Control) Run(l Listener) error {
	defer c.finish()
	for {
		kind, content, err := c.link.Receive()
		if err == nil {
			err = c.handle(kind, content, l)
		}
		if err != nil {
			return ended(err)
		}
	}
}

func (c *Control) handle(kind byte, content []byte, l Listener) error {
	var n noticeMessage
	switch kind {
	case kindReady:
		if len(content) > 0 {
			return errKind
		}
		l.Ready()
	case kindFailed, kindMessage:
		if err := codec.Decode(content, &n); err != nil {
			return err
		}
		if kind == kindFailed {
			l.Failed(cut(n.Text))
		} else {
			l.Message(cut(n.Text))
		}
	case kindQuorum:
		var q quorumMessage
		if err := codec.Decode(content, &q); err != nil {
			return err
		}
		l.Quorum(q.Quorum, cut(q.Why))
	case kindStatus:
		return c.tell(content)
	default:
		return c.handleOrders(kind, content, l)
	}
	return nil
}

// handleOrders is handle for what has to do with orders.
func (c *Control) handleOrders(kind byte, content []byte, l Listener) error {
	var m relayMessage
	switch kind {
	case kindLate:
		var late LateOrder
		if err := codec.Decode(content, &late); err != nil {
			return err
		}
		if !conf.IsFleetName(late.From) || late.Stored.IsZero() || c.late.Swap(true) {
			return errKind
		}
		l.Late(late)
		return nil
	case kindOrder, kindDone, kindStored:
		if err := codec.Decode(content, &m); err != nil {
			return err
		}
	default:
		return errKind
	}
	switch {
	case kind == kindStored:
		l.Stored([]byte(m.Text))
	case !conf.IsFleetName(m.Name):
		return errKind
	case kind == kindOrder:
		l.Order(m.Name, []byte(m.Text))
	default:
		l.Done(m.Name, []byte(m.Text))
	}
	return nil
}

// tell answers the oldest question for the status.
func (c *Control) tell(content []byte) error {
	var s Status
	in := json.NewDecoder(bytes.NewReader(content))
	in.DisallowUnknownFields()
	if err := errors.Join(in.Decode(&s), s.Check()); err != nil {
		return err
	}
	s.printable()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.asking) == 0 {
		return errors.New("a status that was not asked for")
	}
	c.asking[0] <- s
	c.asking = c.asking[1:]
	return nil
}

// finish ends all questions.
func (c *Control) finish() {
	c.link.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	for _, answer := range c.asking {
		close(answer)
	}
	c.asking = nil
}

// Configure sends the configuration, which has to be the first message.
func (c *Control) Configure(cfg *Config) error {
	text, err := json.Marshal(cfg)
	if err != nil {
		return err
	}
	return c.link.sendBytes(kindConfig, text)
}

// Open hands one end of a new link to the process and returns the other one.
func (c *Control) Open(p Purpose) (*os.File, error) {
	conn, theirs, err := Pair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	defer conn.Close()
	ours, err := conn.File()
	if err != nil {
		return nil, err
	}
	if err := c.link.sendFile(kindLink, linkMessage{p}, theirs); err != nil {
		ours.Close()
		return nil, err
	}
	return ours, nil
}

// maxAsking is how many questions for the status may wait for their answers.
const maxAsking = 16

// ErrNoProcess is the error of a question to a fleet process that has ended.
var ErrNoProcess = errors.New(whyEnded)

// Status asks the process for its status.
func (c *Control) Status(ctx context.Context) (Status, error) {
	answer := make(chan Status, 1)
	if err := c.ask(answer); err != nil {
		return Status{}, err
	}
	select {
	case s, ok := <-answer:
		if !ok {
			return s, ErrNoProcess
		}
		return s, nil
	case <-ctx.Done():
		return Status{}, fmt.Errorf("%s: %w", whySilent, ctx.Err())
	}
}

func (c *Control) ask(answer chan<- Status) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ended:
		return ErrNoProcess
	case len(c.asking) >= maxAsking:
		return errors.New(whySilent)
	}
	if err := c.link.Send(kindAsk, nil); err != nil {
		return err
	}
	c.asking = append(c.asking, answer)
	return nil
}

// Order has an order published and stored, Done what was done about one of another gateway published.
func (c *Control) Order(text []byte) error {
	return c.link.Send(kindOrder, relayMessage{Text: string(text)})
}
func (c *Control) Done(text []byte) error {
	return c.link.Send(kindDone, relayMessage{Text: string(text)})
}

// Taken says that the [LateOrder] is dealt with.
func (c *Control) Taken() error {
	c.late.Store(false)
	return c.link.Send(kindTaken, nil)
}

// Close ends the link, upon which the process ends.
func (c *Control) Close() error { return c.link.Close() }
