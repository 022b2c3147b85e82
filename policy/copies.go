package policy

import (
	"fmt"
	"hash/maphash"
	"net/netip"
	"time"

	"fwknopd/parse"
)

// A capture on several interfaces records a packet once for each that it passes: a
// bridge and its port, a bond and its members, a VLAN and what it lies on. Only the
// first record is judged; the others are copies, not replays.
const (
	// copyWindow is how long after a packet its copies are recognised.
	copyWindow = time.Second
	// copyPlaces bounds how many packets are remembered, a power of two. A copy comes
	// within microseconds; one that comes after so many other packets is judged.
	copyPlaces = 1 << 8
)

// CheckCopy is the name of the failed [Check] of a packet that was recorded before.
const CheckCopy = "copy"

// A sighted packet is one that was judged. A copy has the same source, protocol, IP
// identification and payload.
type sighted struct {
	payload  uint64 // hash of it
	at       int64  // Unix nanoseconds
	src, dst netip.AddrPort
	in       uint64 // hash of the interface's name, 0 if there is none
	record   int64
	id       uint16
	proto    parse.Proto
	ttl      uint8
	opened   bool // a stanza opened it
}

// copies remembers the packets that were judged last. The zero value is ready.
//
// Knocks have a rule of their own, see package knock: log lines have no payload to
// compare, and a SYN that is sent again counts as a copy there.
type copies struct {
	seed   maphash.Seed
	places []sighted // by hash of the payload
	count  uint64
}

// sight makes what identifies ev; it reports false where copies cannot be told from
// packets sent again: sockets deliver each packet once, and a record without a time
// or without an IP header says too little.
func (c *copies) sight(p *sighted, ev *parse.Event) bool {
	if ev.Origin != parse.OriginFrame || ev.TTL == 0 || ev.Time.IsZero() {
		return false
	}
	if c.places == nil {
		c.places, c.seed = make([]sighted, copyPlaces), maphash.MakeSeed()
	}
	p.payload, p.at = maphash.Bytes(c.seed, ev.Payload), ev.Time.UnixNano()
	p.src, p.dst, p.proto, p.id, p.ttl = ev.Src, ev.Dst, ev.Proto, ev.ID, ev.TTL
	if p.in = 0; len(ev.In) > 0 {
		p.in = maphash.Bytes(c.seed, ev.In)
	}
	return true
}

func (c *copies) place(p *sighted) *sighted { return &c.places[p.payload%copyPlaces] }

// first returns the packet that p is a copy of, nil if it is none.
func (c *copies) first(p *sighted) *sighted {
	if q := c.place(p); q.at != 0 && p.copyOf(q) {
		return q
	}
	return nil
}

// note remembers a packet that was judged.
func (c *copies) note(p *sighted) { *c.place(p) = *p }

// copyOf reports that p is a copy of q. Where there is no identification (IPv6) the
// number of hops has to agree, but for that of this host as a router. A packet that
// no stanza opened is judged again for another interface or destination, which
// stanzas may ask for. One with another source is never a copy: a replay from
// another address has to be reported.
func (p *sighted) copyOf(q *sighted) bool {
	if p.payload != q.payload || p.id != q.id || p.proto != q.proto || p.src != q.src {
		return false
	}
	if time.Duration(p.at-q.at).Abs() > copyWindow {
		return false
	}
	if p.id == 0 && (p.dst != q.dst || max(p.ttl, q.ttl)-min(p.ttl, q.ttl) > 1) {
		return false
	}
	return q.opened || p.dst == q.dst && p.in == q.in
}

// copied reports that ev is a copy of a packet that was judged, and otherwise makes
// it the one that the next Decide may find copies of.
func (e *Engine) copied(ev *parse.Event, trace *Trace) bool {
	p := &e.request.sighted
	if e.request.identified = e.copies.sight(p, ev); !e.request.identified {
		return false
	}
	first := e.copies.first(p)
	if first == nil {
		return false
	}
	if trace != nil {
		gap := time.Duration(p.at - first.at)
		text := fmt.Sprintf("a copy of the same packet, recorded %v before", gap)
		if first.record > 0 {
			text = fmt.Sprintf("a copy of record %d, which is %v older", first.record, gap)
		}
		return !trace.stage(CheckCopy, false, text)
	}
	e.copies.count++
	return true
}

// judged remembers the packet of the request.
func (e *Engine) judged() {
	if !e.request.identified {
		return
	}
	p := &e.request.sighted
	p.opened = e.request.opened
	if e.opts.Record != nil {
		p.record = e.opts.Record()
	}
	e.copies.note(p)
}

// Copies is how many packets were passed over as recorded more than once.
func (e *Engine) Copies() uint64 { return e.copies.count }
