// Package index finds, among thousands of stanzas, those whose SOURCE or DESTINATION may
// have an address.
//
// Entry points: [Finder.Add] for each stanza and [Finder.Link], then [Finder.Find] and
// [Cursor].
package index

import (
	"net/netip"

	"github.com/gaissmai/bart"

	"fwknopd/policy/conf"
)

// A Finder finds stanzas by both addresses of a packet. The zero value is empty.
type Finder struct{ sources, destinations Table }

// Add adds a stanza under its number. Numbers must be added in ascending order. A zero
// destination is any.
func (f *Finder) Add(number int, source, destination *conf.Nets) {
	f.sources.Add(number, source)
	f.addDestination(number, destination)
}

// AddEvery adds a stanza that is found for every source, because it has any or because
// it is faster to look at the stanza itself.
func (f *Finder) AddEvery(number int, destination *conf.Nets) {
	f.sources.AddEvery(number)
	f.addDestination(number, destination)
}

func (f *Finder) addDestination(number int, n *conf.Nets) {
	if n.IsZero() {
		f.destinations.AddEvery(number)
	} else {
		f.destinations.Add(number, n)
	}
}

// Link must be called after the last stanza was added, and before the first Find.
func (f *Finder) Link() {
	f.sources.Link()
	f.destinations.Link()
}

// Few is up to how many stanzas it is faster to look at each than to look an address up.
const Few = 8

// Find returns all stanzas whose source and destination have the addresses, and as few
// others as one of the two can tell.
func (f *Finder) Find(src, dst netip.Addr) Lists {
	found := f.sources.Lookup(src)
	if found.Size() > Few {
		if by := f.destinations.Lookup(dst); by.Size() < found.Size() {
			return by
		}
	}
	return found
}

// A Table has the networks of numbered lists. The zero value is empty.
type Table struct {
	networks bart.Table[*network]
	every    *network // of lists that have every address; nil: there are none
}

// A network has the lists that include it.
type network struct {
	lists []int32  // ascending
	wider *network // the next wider network that has lists
	size  int      // lists of it and of all wider ones
}

// Add adds a list under its number. Numbers must be added in ascending order. Exceptions
// are not looked at.
func (t *Table) Add(number int, n *conf.Nets) {
	for _, p := range n.Include {
		if !p.IsValid() {
			continue
		}
		at, known := t.networks.Get(p.Masked())
		if !known {
			at = new(network)
			t.networks.Insert(p.Masked(), at)
		}
		at.add(number)
	}
}

// AddEvery adds a list that has every address, and what is no address too.
func (t *Table) AddEvery(number int) {
	if t.every == nil {
		t.every = new(network)
	}
	t.every.add(number)
}

// add adds a list, once.
func (n *network) add(number int) {
	if l := len(n.lists); l == 0 || n.lists[l-1] != int32(number) {
		n.lists = append(n.lists, int32(number))
	}
}

// Link must be called after the last list was added, and before the first Lookup.
func (t *Table) Link() {
	if t.every != nil {
		t.every.size = len(t.every.lists)
	}
	for p, n := range t.networks.AllSorted() { // a network comes after the wider ones
		n.wider = t.every
		if p.Bits() > 0 {
			if wider, ok := t.networks.LookupPrefix(netip.PrefixFrom(p.Addr(), p.Bits()-1)); ok {
				n.wider = wider
			}
		}
		n.size = len(n.lists)
		if n.wider != nil {
			n.size += n.wider.size
		}
	}
}

// Lookup returns the lists that may have an address: all that do, and none that includes
// no network of it. It costs the same with one list and with thousands.
func (t *Table) Lookup(a netip.Addr) Lists {
	if t.networks.Size() > 0 && a.IsValid() && a.Zone() == "" { // else no prefix contains it
		if n, ok := t.networks.Lookup(a); ok {
			return Lists{n}
		}
	}
	return Lists{t.every}
}

// Lists are the result of a lookup.
type Lists struct{ narrowest *network }

// Size is the number of lists, each counted for every network that it was found by.
func (l Lists) Size() int {
	if l.narrowest == nil {
		return 0
	}
	return l.narrowest.size
}

// A Cursor reads the numbers of lists. It can be used again, and then allocates nothing.
type Cursor struct {
	only  []int32   // what is left, if there is one network
	heads [][]int32 // what is left of each of several; none is empty
}

// Start starts to read.
func (c *Cursor) Start(l Lists) {
	c.only, c.heads = nil, c.heads[:0]
	if l.narrowest != nil && l.narrowest.wider == nil {
		c.only = l.narrowest.lists
		return
	}
	for n := l.narrowest; n != nil; n = n.wider {
		c.heads = append(c.heads, n.lists)
	}
}

// Next returns the next number, in ascending order and each once; ok is false after the
// last.
func (c *Cursor) Next() (number int, ok bool) {
	if len(c.only) > 0 {
		number, c.only = int(c.only[0]), c.only[1:]
		return number, true
	}
	if len(c.heads) == 0 {
		return 0, false
	}
	return c.merge(), true
}

// merge returns the least of the heads.
func (c *Cursor) merge() int {
	next := c.heads[0][0]
	for _, h := range c.heads[1:] {
		next = min(next, h[0])
	}
	left := c.heads[:0]
	for _, h := range c.heads {
		if h[0] == next {
			h = h[1:]
		}
		if len(h) > 0 {
			left = append(left, h)
		}
	}
	c.heads = left
	return int(next)
}
