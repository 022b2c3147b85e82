package replay

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/policy"
	"fwknopd/policy/conf"
)

// A census counts decisions, to say what there is where none is selected.
type census struct {
	decisions int
	sources   map[netip.Addr]struct{} // up to report.MaxSources
	ofSource  int                     // decisions about the source that is asked for
	reasons   map[policy.Reason]int   // of these
}

func (c *census) add(from netip.Addr, ofSource bool, d *policy.Decision) {
	if c.sources == nil {
		c.sources, c.reasons = make(map[netip.Addr]struct{}), make(map[policy.Reason]int)
	}
	c.decisions++
	if len(c.sources) < report.MaxSources {
		c.sources[from] = struct{}{}
	}
	if ofSource {
		c.ofSource++
		c.reasons[d.Reason]++
	}
}

// elsewhere says how many decisions about other sources there are.
func (c *census) elsewhere() string {
	text := conf.Count(c.decisions, "decision") + " about " + conf.Count(len(c.sources), "other source")
	if len(c.sources) == report.MaxSources {
		text += " or more"
	}
	return text
}

// others says which decisions there are about the source, or in all.
func (c *census) others(source bool) string {
	text := conf.Count(c.ofSource, "decision")
	if source {
		text += " about it"
	}
	var counts []string
	for _, r := range slices.Sorted(maps.Keys(c.reasons)) {
		counts = append(counts, fmt.Sprintf("%s %d", r, c.reasons[r]))
	}
	return text + ": " + strings.Join(counts, ", ")
}
