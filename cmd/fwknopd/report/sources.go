package report

import (
	"net/netip"
	"sync"

	"fwknopd/policy/conf"
	"fwknopd/policy/index"
)

// Sources reports whether an address is in the SOURCE of some stanza, without a look at each.
// Its method may be called from several goroutines.
type Sources struct {
	access *conf.Access
	made   sync.Once // when the first address is asked for
	table  index.Table
}

// NewSources returns those of access, which must not change.
func NewSources(access *conf.Access) *Sources { return &Sources{access: access} }

// Cover reports whether the SOURCE of some stanza contains the address.
func (s *Sources) Cover(a netip.Addr) bool {
	s.made.Do(func() {
		for i := range s.access.Stanzas {
			s.table.Add(i, &s.access.Stanzas[i].Source)
		}
		s.table.Link()
	})
	var c index.Cursor
	c.Start(s.table.Lookup(a))
	for i, ok := c.Next(); ok; i, ok = c.Next() {
		if s.access.Stanzas[i].Source.Contains(a) {
			return true
		}
	}
	return false
}
