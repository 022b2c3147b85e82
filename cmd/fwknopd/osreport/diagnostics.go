package osreport

import (
	"fmt"
	"io"

	"fwknopd/ingest"
)

// printSummary prints counts that account for every record and every SYN.
func printSummary(w io.Writer, readers []*ingest.Reader, t *sourceTable, n *resultIDs) {
	var c ingest.Counts
	for _, r := range readers {
		c.Add(r.Stats().Counts())
	}
	named, left := 0, uint64(0)
	for s := range t.all() {
		if len(t.signatures(s, n)) > 0 {
			named++
		}
		left += uint64(t.omitted(s))
	}
	fmt.Fprintf(w, "fwknopd: %d records = %d events + %d not ours + %d malformed; %d SYNs from %d sources, %d named, %d unnamed\n",
		c.Records, c.Events, c.NotOurs, c.Malformed, t.syns, t.n, named, t.n-named)
	if t.optionless > 0 {
		fmt.Fprintf(w, "fwknopd: %d of the SYNs have %s\n", t.optionless, noOptions)
	}
	if t.cut > 0 {
		fmt.Fprintf(w, "fwknopd: %d of the SYNs have no signature: the capture cut their options off (tcpdump -s)\n", t.cut)
	}
	if left > 0 {
		fmt.Fprintf(w, "fwknopd: %d findings were left out; no more than %d of a source are listed\n", left, maxResults)
	}
	if t.dropped > 0 {
		fmt.Fprintf(w, "fwknopd: %d SYNs came from further sources; no more than %d are told apart\n", t.dropped, maxSources)
	}
}
