// Package replay remembers the SPA messages that were seen, so that none counts
// twice: in memory for offline use ([NewMemory]), in an append-only journal for
// the daemon ([Open]).
//
// The key of a message is the SHA-256 of its plaintext, never of the wire bytes:
// one packet has several spellings on the wire. Caches that the older daemons
// wrote are read as they are, and looked up under the digests those daemons used.
//
// Nothing is forgotten while it could still be accepted. With ageing on, a record
// is dropped once its message is past the age limit; what was dropped leaves a
// horizon behind, and a message from before the horizon is refused ([ErrForgotten])
// even if ageing is switched off later.
package replay

import (
	"crypto/sha256"
	"errors"
	"net/netip"
	"time"
)

// A Key names a message.
type Key [sha256.Size]byte

// KeyOf returns the key of a decrypted message, digest field included.
func KeyOf(plaintext []byte) Key { return sha256.Sum256(plaintext) }

// A Packet is what [Store.Add] is told: enough to key the message, to look it up
// in caches written by the older daemons, and to tell an operator about it later.
type Packet struct {
	Plaintext []byte    // as decrypted, digest field included
	Wire      []byte    // SPA text as received (after HTTP translation); the 2.6 daemon keyed on it
	Time      time.Time // now, by the clock that judges freshness
	Sent      time.Time // the client's time stamp; zero if there is none: remembered for ever
	Src, Dst  netip.AddrPort
	Proto     uint8
}

// First is the record of the first sighting.
type First struct {
	Time time.Time // zero if the old cache did not say
	Src  netip.Addr
}

// ErrForgotten reports a message that is older than records which were dropped:
// it is not known, but nothing proves that it is fresh.
var ErrForgotten = errors.New("message is older than the records kept")

// A Store is the set of messages seen. Add is check-and-set in one call. With
// fresh true the message is in the set; it is durable once Sync returned nil, and
// nothing may be granted before. Any error is a refusal.
//
// Seen is the check alone; it changes nothing.
//
// Store is for one goroutine at a time.
type Store interface {
	Add(p *Packet) (first First, fresh bool, err error)
	Seen(p *Packet) (first First, seen bool, err error)
	Sync() error
}

// Options say how long records are kept. The zero value keeps them for ever.
type Options struct {
	// Aging says that messages older than MaxAge are refused anyway, so that
	// records past it may be dropped.
	Aging  bool
	MaxAge time.Duration
	// Now is the time of opening, for the first look at the ages in a journal.
	// Zero: nothing is dropped then. Later the time of each Packet counts.
	Now time.Time
	// Notice, if not nil, is told what was repaired or skipped: one short
	// sentence each.
	Notice func(string)
}

// grace is how much longer than the age limit a record is kept: a clock that was
// wrong by less than this, and is set right, forgets nothing.
const grace = time.Hour

// cutoff is the time before which records may go; the zero time if none may.
func (o *Options) cutoff(now time.Time) time.Time {
	if !o.Aging || now.IsZero() {
		return time.Time{}
	}
	return now.Add(-o.MaxAge - grace)
}
