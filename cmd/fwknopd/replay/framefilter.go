package replay

import (
	"slices"

	"fwknopd/ingest/filter"
	"fwknopd/parse"
	"fwknopd/policy/conf"
)

// A frameFilter applies PCAP_FILTER, as the daemon's capture does. If a stanza has a
// knock sequence, to which the filter does not apply, all frames are read and the
// result for each is kept for the engine's predicate.
type frameFilter struct {
	filter  *filter.Filter // nil: every frame
	all     bool           // return frames that do not match too
	matched bool           // the last frame matches
}

// configure sets the filter of a configuration. Once a configuration needs all
// frames, a later call does not reduce them.
func (c *frameFilter) configure(expr string, access *conf.Access) error {
	f, err := filter.Parse(expr)
	if err != nil {
		return err
	}
	c.filter = f
	knocks := func(s conf.Stanza) bool { return s.Mode != conf.ModeSPA }
	c.all = c.all || slices.ContainsFunc(access.Stanzas, knocks)
	return nil
}

// matchResult returns where the reader stores its result for each frame; nil if it
// must drop frames that do not match.
func (c *frameFilter) matchResult() *bool {
	if !c.all {
		return nil
	}
	return &c.matched
}

// predicate returns the function that reports whether the frame read last matches;
// nil if there is no filter.
func (c *frameFilter) predicate() func(*parse.Event) bool {
	if c.filter == nil {
		return nil
	}
	return func(*parse.Event) bool { return c.matched || !c.all }
}
