package replay

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// A Record is what the journal keeps of one message, beside the time at which it was
// written.
type Record struct {
	Key      [sha256.Size]byte // of the plaintext
	Wire     [sha256.Size]byte // of the text as 2.6 hashes it; zero: there is none
	Sent     int64             // Unix seconds; 0: none
	Src, Dst netip.AddrPort
	Proto    uint8
}

// A Replica is the Store of a process that does not own the journal: the records in
// memory, and a function that has fresh ones written.
type Replica struct {
	set
	send  func([]Record) (wait func() error)
	fresh []Record     // added since the last Send
	wait  func() error // for the records sent; nil: none
}

// NewReplica returns an empty store. send starts to write records, and wait returns when
// they are durable.
func NewReplica(opts Options, send func([]Record) (wait func() error)) *Replica {
	return &Replica{set: set{opts: opts}, send: send}
}

// Load adds the records that a [Snapshot] sends. An error means that not all came.
func (r *Replica) Load(from io.Reader) error {
	var head [8]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	size := int64(binary.BigEndian.Uint64(head[:]))
	in := &io.LimitedReader{R: from, N: size}
	if err := newLoader(&r.set).load(context.Background(), in); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if in.N > 0 {
		return fmt.Errorf("journal: %d bytes of %d are missing: %w", in.N, size, io.ErrUnexpectedEOF)
	}
	r.clampHorizon(r.opts.Now)
	r.kept = r.table.len()
	return nil
}

// Configure replaces the options, for a reload.
func (r *Replica) Configure(opts Options) { r.opts = opts }

// Add implements [Store].
func (r *Replica) Add(p *Packet) (First, bool, error) {
	sum := sha256.Sum256(p.Plaintext)
	key := idOf(sum[:])
	first, seen, err := r.seen(key, p)
	if err != nil && r.clampHorizon(p.Time) {
		first, seen, err = r.seen(key, p)
	}
	if seen || err != nil {
		return first, false, err
	}
	r.insertFresh(key, p)
	rec := Record{Key: sum, Sent: sentSeconds(p.Sent), Src: withoutZone(p.Src), Dst: withoutZone(p.Dst), Proto: p.Proto}
	if len(p.Wire) > 0 {
		rec.Wire = sha256.Sum256(sentText(p.Wire))
	}
	r.fresh = append(r.fresh, rec)
	return First{}, true, nil
}

// Send starts to write the records that were added since the last call, for which Sync
// waits. It reports whether there are any.
func (r *Replica) Send() bool {
	if len(r.fresh) == 0 {
		return false
	}
	r.wait = r.send(r.fresh)
	r.fresh = nil
	return true
}

// Sync implements [Store]. Messages whose records could not be written are not fresh
// later: they stay in memory.
func (r *Replica) Sync() error {
	r.Send()
	if r.wait == nil {
		return nil
	}
	err := r.wait()
	r.wait = nil
	return err
}

// sentSeconds returns the time stamp of a message as a journal has it. A client may claim
// any time; one that a journal cannot express is kept like none, for ever.
func sentSeconds(t time.Time) int64 {
	if t.IsZero() || t.Unix() > maxSent {
		return 0
	}
	return max(t.Unix(), 1)
}

func withoutZone(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().WithZone(""), a.Port())
}

// sentText returns the text as a client sends it and as 2.6 accepts and hashes it, without
// the prefixes and the padding that a packet on the wire may have.
func sentText(wire []byte) []byte {
	text := bytes.TrimRight(wire, "=")
	for _, prefix := range wirePrefixes[1:] {
		if t, ok := bytes.CutPrefix(text, []byte(prefix)); ok && len(t) > 0 {
			return t
		}
	}
	return text
}
