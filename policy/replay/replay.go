// Package replay remembers the SPA messages that were seen, so that none counts
// twice: in memory for offline use ([NewMemory]), in an append-only journal for
// the daemon ([Open]).
//
// The key of a message is the SHA-256 of its plaintext, never of the wire bytes:
// one packet has several spellings on the wire.
package replay

import (
	"crypto/sha256"
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
	Plaintext []byte // as decrypted, digest field included
	Wire      []byte // SPA text as received (after HTTP translation); the 2.6 daemon keyed on it
	Time      time.Time
	Src, Dst  netip.AddrPort
	Proto     uint8
}

// First is the record of the first sighting.
type First struct {
	Time time.Time // zero if the old cache did not say
	Src  netip.Addr
}

// A Store is the set of messages seen. Add is check-and-set in one call. With
// fresh true the message is in the set; it is durable once Sync returned nil, and
// nothing may be granted before. Any error is a refusal.
//
// Store is for one goroutine at a time.
type Store interface {
	Add(p *Packet) (first First, fresh bool, err error)
	Sync() error
}
