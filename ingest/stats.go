package ingest

import (
	"fmt"
	"strings"
)

// Stats give the counts and places of a source, each looked up by its method: Stats
// itself costs nothing, and a caller of one method does not pay for the others.
type Stats struct{ of *accounting }

// Counts returns the totals of the source so far, of [Merge] those of all sources. It
// may be called from any goroutine.
func (s Stats) Counts() Counts { return s.of.totals() }

// Position names the record that Next looked at last. It is cheap.
func (s Stats) Position() Position { return s.of.position() }

// State returns the place of the first record that Next has not returned, the zero
// State if the source has none that a later one could resume from.
func (s Stats) State() State {
	if s.of.place == nil {
		return State{}
	}
	return s.of.place()
}

// States returns the State of each source of a [Merge], in their order, or that of the
// only one.
func (s Stats) States() []State {
	if s.of.places == nil {
		return []State{s.State()}
	}
	return s.of.places()
}

// Turn is the index of the source of a [Merge] that the last event came from, 0 if there is
// only one. It is cheap.
func (s Stats) Turn() int { return s.of.turn }

// Counts are the totals of one source: Records = Events + NotOurs + Malformed.
type Counts struct {
	Records   uint64 // lines or frames taken from the input
	Events    uint64
	NotOurs   uint64 // sound, but no packet record: another program's line, an ARP frame
	Malformed uint64 // claims to be a packet record and breaks its own format
	Bytes     uint64 // as read, before decompression; of input that cannot be unpacked, also what was read ahead
	Cut       uint64 // frames of which a capture holds only a part (tcpdump -s), among the records
	Untimed   uint64 // events without a time that can be read
	Forged    uint64 // events of log lines that show that a program wrote them, not the kernel
	Lost      uint64 // records the kernel or a rotation dropped before we could read them
}

// String lists the records by their outcome.
func (c Counts) String() string {
	return fmt.Sprintf("%d records = %d events + %d not ours + %d malformed", c.Records, c.Events, c.NotOurs, c.Malformed)
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
	c.Forged += d.Forged
	c.Lost += d.Lost
}

// A Position names a record for messages: the input as the user called it and the
// record's number in it, from 1. For a log that is the line number.
type Position struct {
	Name   string
	Record int64
}

// A State is a place in a followed file, or in the journal: enough to go on after a
// restart, small enough to be saved often. The zero State is no place.
type State struct {
	Dev    uint64 `json:"dev,omitempty"`
	Inode  uint64 `json:"inode,omitempty"`
	Offset int64  `json:"offset,omitempty"` // of the first byte not delivered
	Head   uint64 `json:"head,omitempty"`   // hash of the file's first HeadN bytes
	HeadN  int    `json:"head_n,omitempty"`
	Cursor string `json:"cursor,omitempty"` // of the last message of the journal
}

// maxCursor is more than the length of any cursor of the journal.
const maxCursor = 1024

// Valid reports whether s can be the State of a source. One that was stored outside of
// this process must be checked before it is used.
func (s State) Valid() bool {
	control := func(r rune) bool { return r < ' ' || r > '~' }
	return s.Offset >= 0 && s.HeadN >= 0 && s.HeadN <= headSize &&
		len(s.Cursor) <= maxCursor && !strings.ContainsFunc(s.Cursor, control)
}
