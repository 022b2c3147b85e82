package offline

import (
	"slices"

	"fwknopd/ingest/filter"
	"fwknopd/parse"
	"fwknopd/policy/conf"
)

// candidates apply PCAP_FILTER: the daemon never sees the other frames. Where there
// are knock sequences, which the filter has no part in, all frames are read and the
// verdict on each is kept for the engine to ask.
type candidates struct {
	filter *filter.Filter // nil: every frame
	all    bool           // hand on frames that do not match
	hit    bool           // the last frame matches
}

// use sets the filter for a configuration; a second one can only ask for more
// frames to be read.
func (c *candidates) use(expr string, access *conf.Access) error {
	f, err := filter.Parse(expr)
	if err != nil {
		return err
	}
	c.filter = f
	knocks := func(s conf.Stanza) bool { return s.Mode != conf.ModeSPA }
	c.all = c.all || slices.ContainsFunc(access.Stanzas, knocks)
	return nil
}

// matched is where the reader is to tell its verdicts; nil if it is to drop frames
// that do not match.
func (c *candidates) matched() *bool {
	if !c.all {
		return nil
	}
	return &c.hit
}

// candidate is what the engine is to ask about the frame that was read last.
func (c *candidates) candidate() func(*parse.Event) bool {
	if c.filter == nil {
		return nil
	}
	return func(*parse.Event) bool { return c.hit || !c.all }
}
