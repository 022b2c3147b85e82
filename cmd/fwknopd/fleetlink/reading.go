package fleetlink

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"

	"fwknopd/cmd/fwknopd/codec"
	"fwknopd/policy/conf"
)

// ForReading is a link on which a command reads what the gateways have published, see [ServeReader].
const ForReading Purpose = 5

const (
	kindQuery = 'Q' // Query, of the command: the first message
	kindNext  = 'n' // of the command: it wants another message
	kindEnd   = 'z' // noticeMessage, to the command: there is no more, or why
)

// A Query is what a command wants to read.
type Query struct {
	Open    bool   // what is open now at each gateway; else events
	Gateway string // of this one alone; "": of all
	Since   int64  // events: how many seconds back
	Follow  bool   // events: and those to come
}

// Stored is something that a gateway has published: Events, or what is open there.
type Stored struct {
	Place
	Events
	Open string // "": Events
}

// A Reader reads what the gateways have published. An error is for the user.
type Reader interface {
	Read(ctx context.Context, q Query, tell func(Stored) error) error
}

// storedEvents is the message of Stored with events.
type storedEvents struct {
	Place  Place
	Events Events
}

// ServeReader answers the query that comes over a link, until all is told or it or ctx ends, and closes
// it. Each message waits until the other end asks for it: one that stands still keeps no other. The
// error says how the other end broke the protocol.
func ServeReader(ctx context.Context, conn *net.UnixConn, r Reader) error {
	a := answering{link: NewLink(conn), next: make(chan struct{}, 1)}
	defer a.link.Close()
	var cancel context.CancelFunc
	a.ctx, cancel = context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(a.ctx, func() { a.link.Close() })()
	var q Query
	kind, content, err := a.link.Receive()
	if err == nil && kind != kindQuery {
		err = errKind
	}
	if err == nil {
		err = codec.Decode(content, &q)
	}
	if err != nil {
		return ended(err)
	}
	go func() {
		defer cancel()
		a.listen()
	}()
	a.finish(r.Read(a.ctx, q, a.tell))
	return nil
}

// An answering is a query that is being answered.
type answering struct {
	ctx  context.Context
	link *Link
	next chan struct{} // has room for one signal: the other end wants a message
}

// listen hears what the other end wants, until it wants nothing more.
func (a *answering) listen() {
	for {
		if kind, _, err := a.link.Receive(); err != nil || kind != kindNext {
			return
		}
		select {
		case a.next <- struct{}{}:
		default: // it wants one already
		}
	}
}

// wanted waits until the other end wants a message.
func (a *answering) wanted() error {
	select {
	case <-a.next:
		return nil
	case <-a.ctx.Done():
		return a.ctx.Err()
	}
}

func (a *answering) tell(s Stored) error {
	if err := a.wanted(); err != nil {
		return err
	}
	if s.Open != "" {
		return a.link.sendOpen(s.Place, s.Open)
	}
	return a.link.Send(kindEvents, storedEvents{s.Place, s.Events})
}

// finish says that there is no more, for what reason.
func (a *answering) finish(err error) {
	var n noticeMessage
	if err != nil {
		n.Text = cut(err.Error())
	}
	if a.wanted() == nil {
		_ = a.link.Send(kindEnd, n)
	}
}

// A Reading is a command's end of a link [ForReading]. It does not trust the other end.
type Reading struct {
	link  *Link
	parts joiner
}

// Ask sends a query over a link, which it takes over.
func Ask(conn *net.UnixConn, q Query) (*Reading, error) {
	r := &Reading{link: NewLink(conn)}
	if err := r.link.Send(kindQuery, q); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Next waits for the next answer; io.EOF if there is no more. The name of the gateway is printable,
// texts of objects are not.
func (r *Reading) Next() (s Stored, err error) {
	if err := r.link.Send(kindNext, nil); err != nil {
		return s, errGone(err)
	}
	for {
		kind, content, err := r.link.Receive()
		if err != nil {
			return s, errGone(err)
		}
		s, whole, err := r.decode(kind, content)
		if s.Gateway = conf.Printable(s.Gateway); whole || err != nil {
			return s, err
		}
	}
}

// decode decodes an answer. whole is false for a part of one, which others follow.
func (r *Reading) decode(kind byte, content []byte) (s Stored, whole bool, err error) {
	switch kind {
	case kindEvents:
		var m storedEvents
		err = codec.Decode(content, &m)
		return Stored{Place: m.Place, Events: m.Events}, true, err
	case kindOpen:
		s.Place, s.Open, whole, err = r.parts.add(content)
		return s, whole, err
	case kindEnd:
		var n noticeMessage
		if err = codec.Decode(content, &n); err == nil && n.Text != "" {
			err = errors.New(cut(n.Text))
		}
		return s, true, cmp.Or(err, io.EOF)
	}
	return s, true, errKind
}

// errGone is the error of a link whose other end has gone before the end of its answer.
func errGone(err error) error {
	if ended(err) == nil {
		return ErrNoProcess
	}
	return err
}

// Close ends the link.
func (r *Reading) Close() error { return r.link.Close() }
