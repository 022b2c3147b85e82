package policy

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"net/netip"
	"time"

	"fwknopd/parse"
)

// A capture on several interfaces records a packet once for each that it passes: a
// bridge and its port, a bond and its members, a VLAN and its parent. Only the first
// record is decided; the others are copies, not replays.
const (
	// copyWindow is how long after a packet its copies are recognised.
	copyWindow = time.Second
	// copySlots is the number of packets kept, a power of two. Copies arrive within
	// microseconds; one that arrives after too many other packets is decided again.
	copySlots = 1 << 8
)

// copies has the packets that were decided last. The zero value is ready.
//
// Package knock has its own rule: log lines have no payload to compare, and a
// retransmitted SYN counts as a copy there.
type copies struct {
	seed  maphash.Seed
	slots []packetID // by slotOf
	count uint64
}

// A packetID identifies a packet that was decided. A copy has the same source, protocol,
// IP identification and payload.
type packetID struct {
	payload  uint64 // hash of it
	slot     uint8
	at       int64 // Unix nanoseconds
	src, dst netip.AddrPort
	in       uint64 // hash of the interface's name, 0 if there is none
	record   int64
	id       uint16
	proto    parse.Proto
	ttl      uint8
	opened   bool // a stanza opened it
}

// CheckCopy is the name of the failed [Check] of a copy.
const CheckCopy = "copy"

// isCopy reports whether ev is a copy of a packet that was decided.
func (e *Engine) isCopy(ev *parse.Event, trace *Trace) bool {
	p := &e.request.packet
	if e.request.identified = e.copies.identify(p, ev); !e.request.identified {
		return false
	}
	first := e.copies.find(p)
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

// recordPacket stores the packet of the request.
func (e *Engine) recordPacket() {
	if !e.request.identified {
		return
	}
	p := &e.request.packet
	p.opened = e.request.opened
	if e.opts.Record != nil {
		p.record = e.opts.Record()
	}
	e.copies.record(p)
}

// Copies returns the number of packets ignored as copies.
func (e *Engine) Copies() uint64 { return e.copies.count }

// identify sets p to the packetID of ev. It returns false if copies of ev cannot be told
// from packets sent again: sockets deliver each packet once, and a record may lack the
// time or the IP header.
func (c *copies) identify(p *packetID, ev *parse.Event) bool {
	if ev.Origin != parse.OriginFrame || ev.TTL == 0 || ev.Time.IsZero() {
		return false
	}
	if c.slots == nil {
		c.slots, c.seed = make([]packetID, copySlots), maphash.MakeSeed()
	}
	p.payload, p.slot, p.at = maphash.Bytes(c.seed, ev.Payload), slotOf(ev), ev.Time.UnixNano()
	p.src, p.dst, p.proto, p.id, p.ttl = ev.Src, ev.Dst, ev.Proto, ev.ID, ev.TTL
	if p.in = 0; len(ev.In) > 0 {
		p.in = maphash.Bytes(c.seed, ev.In)
	}
	return true
}

// find returns the packet of which p is a copy, nil if there is none.
func (c *copies) find(p *packetID) *packetID {
	if q := c.slot(p); q.at != 0 && p.isCopyOf(q) {
		return q
	}
	return nil
}

// record stores a packet that was decided.
func (c *copies) record(p *packetID) { *c.slot(p) = *p }

func (c *copies) slot(p *packetID) *packetID { return &c.slots[p.slot] }

// slotOf returns the place of a packet. It must not depend on the seed: which packets are
// forgotten is the same in each replay. Messages are random in their middle.
func slotOf(ev *parse.Event) uint8 {
	h := uint64(ev.ID)
	if middle := ev.Payload[len(ev.Payload)/2:]; len(middle) >= 8 {
		h ^= binary.LittleEndian.Uint64(middle)
	}
	return uint8(h * 0x9e3779b97f4a7c15 >> 56) // copySlots of them
}

// isCopyOf reports whether p is a copy of q. Without an identification (IPv6) the hop
// limits must be equal or differ by one (this host as a router). A packet that no stanza
// opened is decided again for another interface or destination, which stanzas may
// require. One with another source is never a copy: a replay from another address must
// be reported.
func (p *packetID) isCopyOf(q *packetID) bool {
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
