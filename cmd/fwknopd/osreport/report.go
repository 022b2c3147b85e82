package osreport

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"fwknopd/fingerprint"
	"fwknopd/ingest"
	"fwknopd/policy/conf"
)

// signatureColumns is the width of the signature column in the report of the 1.9
// daemon, on which scripts rely.
const signatureColumns = 33

// blanks pads a column.
const blanks = "                                 "

// signatures returns every signature that SYNs of s match, in file order, once each.
func (t *sourceTable) signatures(s *source, n *resultIDs) []*fingerprint.Signature {
	if s.n == 1 && s.results[0] >= 0 { // most sources
		return n.matcher.Result(fingerprint.ID(s.results[0]))
	}
	var out []*fingerprint.Signature
	t.results(s, func(r int32) {
		if r >= 0 {
			out = append(out, n.matcher.Result(fingerprint.ID(r))...)
		}
	})
	slices.SortFunc(out, func(a, b *fingerprint.Signature) int { return cmp.Compare(a.Index, b.Index) })
	return slices.Compact(out)
}

// unknowns returns the kinds of SYN of s that match no signature.
func (t *sourceTable) unknowns(s *source, n *resultIDs) []unknown {
	var out []unknown
	t.results(s, func(r int32) {
		if r < 0 {
			out = append(out, n.unknown[^r])
		}
	})
	return out
}

// writeText writes the layout of the 1.9 daemon. With verbose set it includes
// unmatched SYNs.
func writeText(w io.Writer, t *sourceTable, n *resultIDs, verbose bool) error {
	b := bufio.NewWriterSize(w, 1<<16)
	var line []byte
	for s := range t.all() {
		sigs := t.signatures(s, n)
		var unknowns []unknown
		if verbose {
			unknowns = t.unknowns(s, n)
		}
		left := t.omitted(s)
		if len(sigs)+len(unknowns) == 0 && left == 0 {
			continue
		}
		line = append(s.addr().AppendTo(append(line[:0], "[+] "...)), '\n')
		for _, sig := range sigs {
			line = appendRow(line, sig.Text, sig.Label)
		}
		for _, u := range unknowns {
			line = appendRow(line, cmp.Or(u.text, "-"), u.String())
		}
		if left > 0 {
			line = fmt.Appendf(line, "      (%d more findings left out: no more than %d of a source are listed)\n", left, maxResults)
		}
		if _, err := b.Write(line); err != nil {
			return err
		}
	}
	return b.Flush()
}

// addressColumns is the width of the address column of the brief report: that of an IPv4
// address and two blanks.
const addressColumns = 17

// writeBrief writes a line for each source: its address, how many SYNs it sent, and the label
// of the first signature in file order that fits, guesses at a group last.
func writeBrief(w io.Writer, t *sourceTable, n *resultIDs) error {
	b := bufio.NewWriterSize(w, 1<<16)
	for s := range t.all() {
		label := "unknown"
		if sigs := t.signatures(s, n); len(sigs) > 0 {
			label = sigs[0].Label
			if i := slices.IndexFunc(sigs, func(sig *fingerprint.Signature) bool { return !sig.Generic }); i >= 0 {
				label = sigs[i].Label
			}
		}
		if _, err := fmt.Fprintf(b, "%-*s %6d SYN  %s\n", addressColumns, s.addr(), s.syns, conf.Printable(label)); err != nil {
			return err
		}
	}
	return b.Flush()
}

// appendRow appends a line. A signature that is wider than its column is followed by
// one blank.
func appendRow(dst []byte, signature, label string) []byte {
	dst = append(append(dst, blanks[:6]...), signature...)
	dst = append(dst, blanks[:max(signatureColumns-len(signature), 1)]...)
	return append(append(dst, conf.Printable(label)...), '\n')
}

// String returns which signature is nearest, or why there is none.
func (u unknown) String() string {
	switch {
	case u.text == "":
		return "(" + noOptions + ")"
	case u.nearest == nil:
		return "(unknown)"
	}
	return fmt.Sprintf("(unknown; nearest is %s %s, which differs in %s)", u.nearest.Text, u.nearest.Label, strings.Join(u.differs, ", "))
}

// A record is one line of the JSON report.
type record struct {
	V         int         `json:"v"`
	Type      string      `json:"event_type"`
	Src       string      `json:"src_ip"`
	SYNs      uint32      `json:"syns"`
	First     *time.Time  `json:"first_seen,omitempty"`
	Last      *time.Time  `json:"last_seen,omitempty"`
	Matches   []match     `json:"matches"`
	Unmatched []unmatched `json:"unmatched"`
	LeftOut   uint32      `json:"left_out,omitempty"` // findings beyond the limit
}

type match struct {
	Signature string `json:"signature"`
	OS        string `json:"os"`
	Generic   bool   `json:"generic,omitempty"`
}

type unmatched struct {
	Signature string   `json:"signature,omitempty"`
	Reason    string   `json:"reason,omitempty"` // why there is no signature
	Nearest   *match   `json:"nearest,omitempty"`
	Differs   []string `json:"differs,omitempty"`
}

// writeJSON writes one object per source, in order of first appearance.
func writeJSON(w io.Writer, t *sourceTable, n *resultIDs) error {
	b := bufio.NewWriter(w)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	for s := range t.all() {
		if err := enc.Encode(newRecord(s, t, n)); err != nil {
			return err
		}
	}
	return b.Flush()
}

func newRecord(s *source, t *sourceTable, n *resultIDs) record {
	r := record{V: 1, Type: "os", Src: s.addr().String(), SYNs: s.syns, Matches: []match{}, Unmatched: []unmatched{}, LeftOut: t.omitted(s)}
	if s.last != noTime {
		first, last := time.Unix(0, s.first).UTC(), time.Unix(0, s.last).UTC()
		r.First, r.Last = &first, &last
	}
	for _, sig := range t.signatures(s, n) {
		r.Matches = append(r.Matches, newMatch(sig))
	}
	for _, u := range t.unknowns(s, n) {
		x := unmatched{Signature: u.text, Differs: u.differs}
		if u.text == "" {
			x.Reason = noOptions
		}
		if u.nearest != nil {
			m := newMatch(u.nearest)
			x.Nearest = &m
		}
		r.Unmatched = append(r.Unmatched, x)
	}
	return r
}

func newMatch(s *fingerprint.Signature) match {
	return match{Signature: s.Text, OS: conf.Printable(s.Label), Generic: s.Generic}
}

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
