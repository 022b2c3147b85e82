package replay

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/policy"
	"fwknopd/policy/conf"
)

// decisionCounts counts decisions: events = ignored + granted + refused + commands +
// shadows.
type decisionCounts struct {
	ignored, granted, refused, commands, shadows uint64
	further                                      uint64 // decisions after the first on the same event
	unopened                                     uint64 // grants that the monitor would refuse
	expired                                      uint64
	changed                                      uint64 // by --what-if
	reasons                                      []reasonCount
}

// A reasonCount is how often a reason was given. There are so few that searching a
// slice is faster than a map.
type reasonCount struct {
	policy.Reason
	n uint64
}

func (t *decisionCounts) countEvent(d *policy.Decision) {
	switch report.VerdictOf(d) {
	case report.Ignored:
		t.ignored++
		return
	case report.Granted:
		t.granted++
	case report.Refused:
		t.refused++
	case report.Command:
		t.commands++
	case report.Shadow:
		t.shadows++
	}
	t.countReason(d)
}

func (t *decisionCounts) countFurther(d *policy.Decision) {
	t.further++
	t.countReason(d)
}

func (t *decisionCounts) countReason(d *policy.Decision) {
	for i := range t.reasons {
		if t.reasons[i].Reason == d.Reason {
			t.reasons[i].n++
			return
		}
	}
	t.reasons = append(t.reasons, reasonCount{d.Reason, 1})
}

// printSummary prints counts that account for every record and every event.
func (r *run) printSummary(w io.Writer) {
	c := r.Counts()
	fmt.Fprintf(w, "fwknopd: %s (%d bytes)\n", c, c.Bytes)
	if c.Forged > 0 {
		fmt.Fprintf(w, "fwknopd: %s of log lines that show that a program wrote them, not the kernel\n", conf.Count(int(c.Forged), "event"))
	}
	if n := r.Copies(); n > 0 {
		what := fmt.Sprintf("%d events are copies of a packet that was recorded before (bridge, bond or VLAN) and were ignored", n)
		if n == 1 {
			what = "1 event is a copy of a packet that was recorded before (bridge, bond or VLAN) and was ignored"
		}
		fmt.Fprintf(w, "fwknopd: %s\n", what)
	}
	t := &r.count
	if r.other != nil {
		fmt.Fprintf(w, "fwknopd: %d events, %d decided differently\n", c.Events, t.changed)
		return
	}
	fmt.Fprintf(w, "fwknopd: %d events = %d ignored + %d granted + %d refused + %d commands", c.Events, t.ignored, t.granted, t.refused, t.commands)
	if t.shadows > 0 {
		fmt.Fprintf(w, " + %d by shadow stanzas", t.shadows)
	}
	if t.further > 0 {
		fmt.Fprintf(w, "; %s", conf.Count(int(t.further), "further decision"))
	}
	if t.unopened > 0 {
		fmt.Fprintf(w, "; %d of those granted not opened", t.unopened)
	}
	fmt.Fprintf(w, "; %d expired, %d still open\n", t.expired, r.open.count())
	if len(t.reasons) > 0 {
		var parts []string
		slices.SortFunc(t.reasons, func(a, b reasonCount) int { return cmp.Compare(a.Reason, b.Reason) })
		for _, c := range t.reasons {
			parts = append(parts, fmt.Sprintf("%s %d", c.Reason, c.n))
		}
		fmt.Fprintf(w, "fwknopd: %s\n", strings.Join(parts, ", "))
	}
	if k := r.KnockCounts(); k.Forged+k.Repeats+k.Evicted > 0 {
		fmt.Fprintf(w, "fwknopd: knocks: %d of records that the kernel did not write, %d recorded twice, %d attempts forgotten for want of room\n",
			k.Forged, k.Repeats, k.Evicted)
	}
}
