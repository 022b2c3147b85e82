package fleetlink

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"fwknopd/cmd/fwknopd/codec"
	"fwknopd/parse"
	"fwknopd/policy/conf"
)

// An Announcement is an SPA message that a gateway has honoured, for the others of its group.
type Announcement struct {
	Payload  string         // of the packet, as received; at most MaxPayload bytes
	Src, Dst netip.AddrPort // of the packet
	Proto    uint8
	At       time.Time // when it was received, by the clock of that gateway
	Digest   [32]byte  // as in [Claim]
	End      time.Time // of what it opened there
}

// MaxPayload bounds Announcement.Payload, in bytes. Longer messages are not announced.
const MaxPayload = 4096

// A Heard is an announcement of another gateway, with what the fleet stores of the message.
type Heard struct {
	Announcement
	By      string    // the gateway, by the subject that it alone may publish on
	Holder  string    // the gateway that has claimed the message; "": no claim that can be read is stored
	Claimed time.Time // when, by the clock of the fleet; zero: Holder is ""
}

// Check returns an error if no honest gateway announces this.
func (a *Announcement) Check() error {
	switch {
	case len(a.Payload) == 0 || len(a.Payload) > MaxPayload:
		return errors.New("a message of no possible length")
	case !isPlain(a.Src) || !isPlain(a.Dst):
		return errors.New("no addresses of a packet")
	case !a.End.After(a.At):
		return errors.New("a grant that ends before it begins")
	case !isWritable(a.End):
		return errors.New("a grant that ends at no time that can be written")
	}
	switch parse.Proto(a.Proto) {
	case parse.UDP, parse.TCP, parse.ICMP, parse.ICMPv6:
		return nil
	}
	return errors.New("a protocol that carries no message")
}

// isWritable reports whether JSON has a form for a time: the monitor is asked for a grant in JSON.
func isWritable(t time.Time) bool { return t.Location() == time.UTC && t.Year() <= 9999 }

func isPlain(a netip.AddrPort) bool {
	return a.Addr().IsValid() && !a.Addr().Is4In6() && a.Addr().Zone() == ""
}

// Check returns an error if no honest fleet process says this.
func (h *Heard) Check() error {
	if !conf.IsFleetName(h.By) || h.Holder != "" && !conf.IsFleetName(h.Holder) || (h.Holder == "") != h.Claimed.IsZero() || !isWritable(h.Claimed) {
		return errors.New("no gateways of a group")
	}
	return h.Announcement.Check()
}

// Announcer takes part in a group. An implementation lets several goroutines call it.
type Announcer interface {
	// Announce publishes a, also later if the fleet has no quorum now. It does not block.
	Announce(a Announcement)
	// Hear calls f with what others announce, until ctx ends or f returns an error.
	Hear(ctx context.Context, f func(Heard) error) error
}

// maxHeard is how many announcements wait for the worker, and for the fleet process.
const maxHeard = 256

// A Group is the worker's end of the link to the gateways of its group. It does not trust the fleet
// process: what cannot be ends the link, and what the worker is too slow for is dropped and counted.
type Group struct {
	link  *Link
	heard chan Heard
	out   chan Announcement
	ended chan struct{}
	lost  atomic.Uint64
}

// NewGroup returns the worker's end over a link, which it takes over.
func NewGroup(conn *net.UnixConn) *Group {
	g := &Group{link: NewLink(conn), heard: make(chan Heard, maxHeard), out: make(chan Announcement, maxHeard), ended: make(chan struct{})}
	go g.read()
	go g.write()
	return g
}

// Heard returns what others announce.
func (g *Group) Heard() <-chan Heard { return g.heard }

// Ended is closed when there is no process any more: another link is wanted.
func (g *Group) Ended() <-chan struct{} { return g.ended }

// Lost returns how many announcements of others were dropped since the last call.
func (g *Group) Lost() uint64 { return g.lost.Swap(0) }

// Announce has a message announced, and reports whether there was room for it. It does not block.
func (g *Group) Announce(a Announcement) bool {
	a.At, a.End = a.At.Round(0).UTC(), a.End.Round(0).UTC()
	select {
	case g.out <- a:
		return true
	default:
		return false
	}
}

// Close ends the link.
func (g *Group) Close() error { return g.link.Close() }

func (g *Group) read() {
	defer close(g.ended)
	defer g.link.Close()
	for {
		kind, content, err := g.link.Receive()
		var h Heard
		if err != nil || kind != kindHeard || codec.Decode(content, &h) != nil || h.Check() != nil {
			return
		}
		select {
		case g.heard <- h:
		default:
			g.lost.Add(1)
		}
	}
}

func (g *Group) write() {
	for {
		select {
		case a := <-g.out:
			if g.link.Send(kindAnnounce, a) != nil {
				g.link.Close() // which ends read
				return
			}
		case <-g.ended:
			return
		}
	}
}

// ServeGroup serves a worker's link to its group until it or ctx ends, and closes it. The error is nil
// if the other end closed it, or says how that broke the protocol.
func ServeGroup(ctx context.Context, conn *net.UnixConn, group Announcer) error {
	l, ctx, end := linkUntil(ctx, conn)
	var hearing sync.WaitGroup
	defer hearing.Wait()
	defer end()
	hearing.Go(func() {
		if group.Hear(ctx, func(h Heard) error { return l.Send(kindHeard, h) }) != nil {
			l.Close()
		}
	})
	for {
		kind, content, err := l.Receive()
		if err != nil {
			return ended(err)
		}
		var a Announcement
		if kind != kindAnnounce {
			return errKind
		}
		if err := errors.Join(codec.Decode(content, &a), a.Check()); err != nil {
			return err
		}
		group.Announce(a)
	}
}
