// Package sources counts SYNs by source and operating system, in bounded memory: who sent
// them, when, and what fits them. It is pure.
//
// Entry points: [New] and [Counter.Count].
package sources

import (
	"net/netip"
	"slices"
	"time"

	"fwknopd/fingerprint"
	"fwknopd/parse"
)

// Options say what a [Counter] counts.
type Options struct {
	Matcher   *fingerprint.Matcher
	Unmatched bool // tell apart the kinds of SYN that no signature fits
	Detail    bool // count by port and by kind of SYN too; with Unmatched
	Storage
}

// Storage is where sources go that do not fit into memory. With the zero Storage those beyond
// [MaxSources] are only counted.
type Storage struct {
	Create func() (File, error) // makes an empty file
	Memory int                  // bytes of a Counter
}

// A Counter counts the SYNs of one goroutine.
type Counter struct {
	opt   Options
	table *table
	ids   *resultIDs

	matched   []uint64 // SYNs by fingerprint.ID; with Detail, as the following
	unmatched []uint64 // SYNs by ^result
	untold    uint64   // unmatched SYNs without a result
}

// Totals are the SYNs of a [Counter].
type Totals struct {
	SYNs       uint64
	Sources    int
	Optionless uint64 // SYNs logged without their options
	Cut        uint64 // SYNs whose options the capture truncated
	Dropped    uint64 // SYNs of sources beyond MaxSources
}

// New returns a Counter that has counted nothing.
func New(o Options) *Counter {
	c := &Counter{opt: o, table: newTable(), ids: newResultIDs(o.Matcher)}
	if o.Detail {
		c.table.ports = &portTable{}
	}
	if o.Create != nil {
		c.table.limit = max(o.Memory/sourceSize/chunk*chunk, chunk)
		c.table.store = &store{create: o.Create}
	}
	return c
}

// Count counts an event if it is a SYN, and reports whether it is. It allocates only for a source
// or a kind of SYN that is new. What was counted is visible after [Counter.Flush].
func (c *Counter) Count(ev *parse.Event) bool {
	id := c.opt.Matcher.MatchID(ev)
	if id == fingerprint.NotSYN {
		return false
	}
	result := int32(noResult)
	switch {
	case id != fingerprint.Unmatched:
		result = int32(id)
	case !ev.HasOptions && ev.Whole != 0: // its signature would be incomplete
		c.table.cut++
	case c.opt.Unmatched:
		result = c.ids.internUnmatched(ev)
	}
	if !ev.HasOptions && ev.Whole == 0 {
		c.table.optionless++
	}
	switch {
	case !c.opt.Detail:
	case result >= 0 && int(result) < len(c.matched):
		c.matched[result]++
	default:
		c.countResult(result, 1)
	}
	tunnel := uint16(0)
	if ev.Tunnelled() {
		tunnel = c.table.path(ev.Tunnels())
	}
	c.table.add(ev.Src.Addr(), ev.Time, result, ev.Dst.Port(), tunnel)
	return true
}

// countResult counts n SYNs with a result.
func (c *Counter) countResult(result int32, n uint64) {
	switch {
	case result >= 0:
		c.matched = grown(c.matched, int(result))
		c.matched[result] += n
	case result > omittedResult:
		c.unmatched = grown(c.unmatched, int(^result))
		c.unmatched[^result] += n
	default:
		c.untold += n
	}
}

// grown returns list with an element at place i.
func grown(list []uint64, i int) []uint64 {
	for len(list) <= i {
		list = append(list, 0)
	}
	return list
}

// Flush makes all that was counted visible to [Counter.Merge].
func (c *Counter) Flush() {
	c.table.flush()
	if c.table.store.holds() {
		c.table.spill() // takes no memory while it waits
	}
}

// Finish makes all that was counted visible. Nothing can be counted after it. The error is that of
// the files.
func (c *Counter) Finish() error { return c.table.finish() }

// Err returns why sources could not be written to a file, or read from it; those that were counted
// after that may be missing.
func (c *Counter) Err() error { return c.table.failure() }

// Close removes the files.
func (c *Counter) Close() {
	if s := c.table.store; s != nil {
		s.runs, s.sorted = closeAll(s.runs), closeAll(s.sorted)
	}
}

// Merge adds what o has counted, of the records after those of c; o must not be used again. The
// matchers must be of the same signatures.
func (c *Counter) Merge(o *Counter) {
	rename := func(r int32) int32 {
		if r == omittedResult {
			return r
		}
		return c.ids.renumber(o.ids, r)
	}
	c.table.merge(o.table, rename)
	for id, n := range o.matched {
		if n > 0 {
			c.countResult(rename(int32(id)), n)
		}
	}
	for i, n := range o.unmatched {
		c.countResult(rename(^int32(i)), n)
	}
	c.untold += o.untold
}

// Totals returns the totals, after [Counter.Finish].
func (c *Counter) Totals() Totals {
	t := c.table
	return Totals{SYNs: t.syns, Sources: t.sums.sources, Optionless: t.optionless, Cut: t.cut, Dropped: t.dropped}
}

// Decided counts decisions about a source, on a packet to a port; at is zero if the packet has no
// time. Sources beyond [MaxSources] are left out, which it reports as false.
func (c *Counter) Decided(src netip.Addr, at time.Time, port parse.Port, granted, refused int) bool {
	c.table.flush()
	key := src.As16()
	c.table.room(1)
	place := c.table.findOrAdd(key, 0, hash(&key, 0))
	if place < 0 {
		return false
	}
	c.table.at(place).seen(nanoseconds(at))
	c.table.decide(place, decided{uint32(granted), uint32(refused)})
	if c.table.ports != nil && port.Proto != 0 {
		c.table.ports.add(place, port)
	}
	return true
}

// inOrderOfFile sorts signatures into file order and removes what is there twice.
func inOrderOfFile(list []*fingerprint.Signature) []*fingerprint.Signature {
	slices.SortFunc(list, func(a, b *fingerprint.Signature) int { return a.Index - b.Index })
	return slices.Compact(list)
}

// Best returns the signature that names a system best: the first that is not a guess at a group,
// else the first; nil if there is none.
func Best(list []*fingerprint.Signature) *fingerprint.Signature {
	if i := slices.IndexFunc(list, func(s *fingerprint.Signature) bool { return !s.Generic }); i >= 0 {
		return list[i]
	}
	if len(list) == 0 {
		return nil
	}
	return list[0]
}
