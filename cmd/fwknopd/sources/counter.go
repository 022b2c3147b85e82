// Package sources counts SYNs by source and operating system, in bounded memory: who sent
// them, when, and what fits them. It is pure.
//
// Entry points: [New] and [Counter.Count].
package sources

import (
	"iter"
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

// Flush makes all that was counted visible.
func (c *Counter) Flush() { c.table.flush() }

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

// Totals returns the totals.
func (c *Counter) Totals() Totals {
	t := c.table
	return Totals{SYNs: t.syns, Sources: t.n, Optionless: t.optionless, Cut: t.cut, Dropped: t.dropped}
}

// All yields the sources in order of first appearance.
func (c *Counter) All() iter.Seq[*Source] { return c.table.all() }

// Numbered yields the sources in order of first appearance with their numbers, from 0.
func (c *Counter) Numbered() iter.Seq2[int, *Source] {
	return func(yield func(int, *Source) bool) {
		for i := range c.table.n {
			if !yield(i, c.table.at(i)) {
				return
			}
		}
	}
}

// Tunnel returns the tunnels that s is in; "" if it is in none.
func (c *Counter) Tunnel(s *Source) string {
	if s.tunnel == furtherPath {
		return "further tunnels"
	}
	return c.table.paths[s.tunnel].String()
}

// Signatures returns every signature that SYNs of s match, in file order, once each. Those of a
// source with one kind of SYN are to be read only.
func (c *Counter) Signatures(s *Source) []*fingerprint.Signature {
	if s.n == 1 && s.results[0] >= 0 { // most sources
		return c.opt.Matcher.Result(fingerprint.ID(s.results[0]))
	}
	var out []*fingerprint.Signature
	c.table.results(s, func(r int32) {
		if r >= 0 {
			out = append(out, c.opt.Matcher.Result(fingerprint.ID(r))...)
		}
	})
	return inOrder(out)
}

// Unknowns returns the kinds of SYN of s that match no signature.
func (c *Counter) Unknowns(s *Source) []Unknown {
	var out []Unknown
	c.table.results(s, func(r int32) {
		if r < 0 {
			out = append(out, c.ids.unknown[^r])
		}
	})
	return out
}

// Omitted returns how many results of s were left out, see [MaxResults].
func (c *Counter) Omitted(s *Source) uint32 { return c.table.omitted(s) }

// Ports returns the destination ports of source number i, most records first, at most 7; more
// reports that there are others. Of the sources beyond [MaxWithPorts] some have none.
func (c *Counter) Ports(i int) (ports []parse.Port, more bool) { return c.table.ports.list(i) }

// Decisions returns how often source number i was granted and refused something.
func (c *Counter) Decisions(i int) (granted, refused uint64) {
	d := c.table.decisionsOf(i)
	return uint64(d.granted), uint64(d.refused)
}

// Decided counts decisions about a source, on a packet to a port; at is zero if the packet has no
// time. Sources beyond [MaxSources] are left out, which it reports as false.
func (c *Counter) Decided(src netip.Addr, at time.Time, port parse.Port, granted, refused int) bool {
	c.table.flush()
	key := src.As16()
	place := c.table.findOrAdd(key, 0, c.table.hash(&key, 0))
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

// inOrder sorts signatures into file order and removes what is there twice.
func inOrder(list []*fingerprint.Signature) []*fingerprint.Signature {
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
