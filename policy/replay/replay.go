// Package replay records the SPA messages that were seen, so that none is accepted
// twice: in memory for offline use ([NewMemory]), and for the daemon in an append-only
// journal. The process that owns the journal ([Open]) writes what the one that decides
// hands over: that one has a copy of the records in memory ([NewReplica]) and no access to
// the file.
//
// A message is identified by the SHA-256 of its plaintext, never of the wire bytes:
// one packet has several encodings on the wire. Caches written by fwknopd 1.9 and 2.6
// are read as they are, and messages are looked up under the digests they used.
//
// No record is dropped while its message could still be accepted. With ageing on, a
// record is dropped once its message is past the age limit. The store keeps the time
// of the newest message that may have been dropped (the horizon) and refuses older
// messages ([ErrForgotten]), even if ageing is switched off later. Without ageing clients may have
// any clock: what begins without the records of before then refuses only what was sent by our time.
package replay

import (
	"errors"
	"net/netip"
	"time"
)

// A Packet is the argument of [Store.Add]: the input of the key, of the keys used by
// 1.9 and 2.6, and what the journal records for the operator.
type Packet struct {
	Plaintext []byte    // as decrypted, digest field included; its SHA-256 is the key
	Wire      []byte    // SPA text as received (after HTTP translation); the 2.6 daemon keyed on it
	Time      time.Time // now, by the clock that freshness is checked against
	Sent      time.Time // the client's time stamp; zero if there is none: the record never expires
	ByOurTime bool      // Sent is by our clock, whatever that of the client says
	Src, Dst  netip.AddrPort
	Proto     uint8
}

// First is the record of the first sighting.
type First struct {
	Time time.Time // zero if the cache does not have it
	Src  netip.Addr
}

// ErrForgotten reports a message older than the horizon: it is not in the store, but
// its record may have been dropped.
var ErrForgotten = errors.New("message is older than the records kept")

// A Store is the set of messages seen. Add is check-and-set in one call. If fresh is
// true the message was added; it is durable once Sync has returned nil, and nothing
// may be granted before. On any error the message must be refused.
//
// Seen is the check alone; it changes nothing.
//
// A Store is not safe for concurrent use.
type Store interface {
	Add(p *Packet) (first First, fresh bool, err error)
	Seen(p *Packet) (first First, seen bool, err error)
	Sync() error
}

// Options set how long records are kept. The zero value keeps them for ever.
type Options struct {
	// Aging: the caller refuses messages older than MaxAge, so records past it may
	// be dropped.
	Aging  bool
	MaxAge time.Duration
	// Now is the time of opening, by which old records of a journal are dropped at
	// once. Zero: none are. Later the time of each Packet is used.
	Now time.Time
	// MaxSize bounds a journal in bytes; 0 is defaultMaxSize.
	MaxSize int64
	// State is the path of a file with what is known of the journal apart from it, by
	// which [Open] notices one that is not complete. "": none.
	State string
	// Lost, if not nil, is called when records may be lost, with the reason. Messages
	// sent before the horizon are refused.
	Lost func(why string, horizon time.Time)
	// Notice, if not nil, is called with one sentence for each repair and for
	// skipped lines.
	Notice func(string)
}

// grace is how much longer than the age limit a record is kept, so that setting the
// clock by less than this drops no record too early.
const grace = time.Hour

// cutoff returns the time before which records may be dropped, the zero time if none
// may.
func (o *Options) cutoff(now time.Time) time.Time {
	if !o.Aging || now.IsZero() {
		return time.Time{}
	}
	return now.Add(-o.MaxAge - grace)
}

// horizonAt returns the least horizon that refuses every message accepted until now.
// newest is the latest time stamp of those that are known of: a message may be from the
// future by MaxAge, and the clock may have been set back.
func horizonAt(now time.Time, newest int64) time.Time {
	h := now.Truncate(time.Second)
	if h.Before(now) {
		h = h.Add(time.Second) // time stamps are in seconds
	}
	if n := time.Unix(newest+1, 0); n.After(h) && newest < maxSent {
		return n
	}
	return h
}

// beginning returns the least time before which all lies that was sent by our time until now.
func beginning(now time.Time) time.Time { return time.Unix(now.Unix()+1, 0) }

// farthest returns the latest horizon that can be right at the time now.
func (o *Options) farthest(now time.Time) time.Time { return now.Add(o.MaxAge + time.Second) }
