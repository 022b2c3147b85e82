package replay

import (
	"fmt"
	"strings"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/parse"
	"fwknopd/policy"
)

// printDifference decides the event by the stanzas of --what-if too. If the decisions
// differ it prints both, the current one first.
func (r *run) printDifference(ev *parse.Event) error {
	would := r.other.Decide(ev.Time, ev)
	if r.d.Verdict == policy.Ignore && would.Verdict == policy.Ignore || outcome(&r.d) == outcome(&would) {
		return nil
	}
	r.count.changed++
	r.count.countEvent(&would)
	at := r.Position()
	var now, then report.Entry
	now.Set(r.access, ev.Time, ev, &r.d, at)
	then.Set(r.other.access, ev.Time, ev, &would, at)
	_, err := r.out.Write(r.form.appendDifference(r.out.AvailableBuffer(), &then, &now))
	return err
}

// outcome returns what must be equal for two decisions to agree. The line number of
// the stanza does not count: any edit changes it.
func outcome(d *policy.Decision) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s %v", d.Verdict, d.Reason, d.Shadow)
	if d.Verdict == policy.Allow {
		if d.Command != nil {
			fmt.Fprintf(&b, " %+v", *d.Command)
		} else {
			fmt.Fprintf(&b, " %s %d", d.Grant.Key(), d.Grant.Expires.UnixNano())
		}
	}
	for i := range d.Others {
		b.WriteString(" | " + outcome(&d.Others[i]))
	}
	return b.String()
}
