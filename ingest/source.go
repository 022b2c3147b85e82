// Package ingest reads events from logs and captures, once or as they grow, from the
// journal, from network interfaces and from sockets. Each of these is a [Source]. A
// followed path is one endless stream through rotation, truncation and half-written
// records. The package takes no decisions on events.
//
// Every record is accounted for: read = events + not ours + malformed ([Counts]).
//
// Once, from beginning to end: [Read], or [Split] for several readers side by side.
// Without end: [FollowLog], [FollowPcap], [FollowFIFO], [FollowJournal], [FollowNFLOG],
// [Capture] for an interface, [ListenUDP], [ListenTCP], [ListenUnix]. Several at
// once: [Merge].
package ingest

import (
	"context"
	"fmt"

	"fwknopd/parse"
)

// A Source yields events, one per call.
//
// Next fills ev, which the caller owns and reuses; what ev refers to is valid
// until the next call. An error that wraps parse.ErrSkip means this record held
// no event: read on. io.EOF means finished, which only a source that is read once
// returns. Any other error is final. A source whose context is done returns
// its error.
//
// A Source is for one goroutine, except that Close may be called from another
// to end a Next that waits.
type Source interface {
	Next(ctx context.Context, ev *parse.Event) error
	Close() error
}

// Counts are the totals of one source: Records = Events + NotOurs + Malformed.
type Counts struct {
	Records   uint64 // lines or frames taken from the input
	Events    uint64
	NotOurs   uint64 // sound, but no packet record: another program's line, an ARP frame
	Malformed uint64 // claims to be a packet record and breaks its own format
	Bytes     uint64 // as read, before decompression
	Cut       uint64 // frames of which a capture holds only a part (tcpdump -s), among the records
	Untimed   uint64 // events without a time that can be read
	Lost      uint64 // records the kernel or a rotation dropped before we could read them
}

// Add sums c and d.
func (c *Counts) Add(d Counts) {
	c.Records += d.Records
	c.Events += d.Events
	c.NotOurs += d.NotOurs
	c.Malformed += d.Malformed
	c.Bytes += d.Bytes
	c.Cut += d.Cut
	c.Untimed += d.Untimed
	c.Lost += d.Lost
}

// A Position names a record for messages: the input as the user called it and the
// record's number in it, from 1. For a log that is the line number.
type Position struct {
	Name   string
	Record int64
}

// A Problem is something wrong with one record or with an input's end. Reading
// went on unless Next returned a final error.
type Problem struct {
	Position
	Err error
}

// String returns the place and the error.
func (p Problem) String() string { return fmt.Sprintf("%s:%d: %v", p.Name, p.Record, p.Err) }

// Counter is a Source that counts its records. All of this package's sources do. Counts
// may be called from any goroutine.
type Counter interface {
	Counts() Counts // of this source so far
}

// A Resumer is a Source that another one can go on from. State returns the place of
// the first record that Next has not returned; like Next it is for one goroutine.
type Resumer interface {
	State() State
}

// A Placer is a Source of several. Places returns the State of each, in their order:
// the zero State for those that are no [Resumer]. Like Next it is for one goroutine.
type Placer interface {
	Places() []State
}

// Positioner is a Source that can name the record that Next looked at last. Like
// Next it is for one goroutine.
type Positioner interface {
	Position() Position
}
