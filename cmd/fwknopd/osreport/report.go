package osreport

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"fwknopd/cmd/fwknopd/sources"
	"fwknopd/fingerprint"
	"fwknopd/ingest"
	"fwknopd/policy/conf"
)

// signatureColumns is the width of the signature column in the report of the 1.9
// daemon, on which scripts rely.
const signatureColumns = 33

// blanks pads a column.
const blanks = "                                 "

// writeText writes the layout of the 1.9 daemon. With verbose set it includes
// unmatched SYNs.
func writeText(w io.Writer, c *sources.Counter, verbose bool) error {
	b := bufio.NewWriterSize(w, 1<<16)
	var line []byte
	for s := range c.All() {
		sigs := c.Signatures(s)
		var unknowns []sources.Unknown
		if verbose {
			unknowns = c.Unknowns(s)
		}
		left := c.Omitted(s)
		if len(sigs)+len(unknowns) == 0 && left == 0 {
			continue
		}
		line = s.Addr().AppendTo(append(line[:0], "[+] "...))
		if tunnel := c.Tunnel(s); tunnel != "" {
			line = append(append(line, " in "...), tunnel...)
		}
		line = append(line, '\n')
		for _, sig := range sigs {
			line = appendRow(line, sig.Text, sig.Label)
		}
		for _, u := range unknowns {
			line = appendRow(line, cmp.Or(u.Text, "-"), u.String())
		}
		if left > 0 {
			line = fmt.Appendf(line, "      (%d more findings left out: no more than %d of a source are listed)\n", left, sources.MaxResults)
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
func writeBrief(w io.Writer, c *sources.Counter) error {
	b := bufio.NewWriterSize(w, 1<<16)
	for s := range c.All() {
		label := "unknown"
		if sig := sources.Best(c.Signatures(s)); sig != nil {
			label = sig.Label
		}
		within := ""
		if tunnel := c.Tunnel(s); tunnel != "" {
			within = " (in " + tunnel + ")"
		}
		if _, err := fmt.Fprintf(b, "%-*s %6d SYN  %s%s\n", addressColumns, s.Addr(), s.SYNs(), conf.Printable(label), within); err != nil {
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

// A record is one line of the JSON report.
type record struct {
	V         int         `json:"v"`
	Type      string      `json:"event_type"`
	Src       string      `json:"src_ip"`
	Tunnel    string      `json:"tunnel,omitempty"` // what its SYNs were inside, the outermost first
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
func writeJSON(w io.Writer, c *sources.Counter) error {
	b := bufio.NewWriter(w)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	for s := range c.All() {
		if err := enc.Encode(newRecord(s, c)); err != nil {
			return err
		}
	}
	return b.Flush()
}

func newRecord(s *sources.Source, c *sources.Counter) record {
	r := record{V: 1, Type: "os", Src: s.Addr().String(), Tunnel: c.Tunnel(s), SYNs: s.SYNs(), Matches: []match{}, Unmatched: []unmatched{}, LeftOut: c.Omitted(s)}
	if first, last, ok := s.Seen(); ok {
		r.First, r.Last = &first, &last
	}
	for _, sig := range c.Signatures(s) {
		r.Matches = append(r.Matches, newMatch(sig))
	}
	for _, u := range c.Unknowns(s) {
		x := unmatched{Signature: u.Text, Differs: u.Differs}
		if u.Text == "" {
			x.Reason = sources.NoOptions
		}
		if u.Nearest != nil {
			m := newMatch(u.Nearest)
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
func printSummary(w io.Writer, read ingest.Counts, c *sources.Counter) {
	named, t := 0, c.Totals()
	for s := range c.All() {
		if len(c.Signatures(s)) > 0 {
			named++
		}
	}
	fmt.Fprintf(w, "fwknopd: %s; %d SYNs from %d sources, %d named, %d unnamed\n",
		read, t.SYNs, t.Sources, named, t.Sources-named)
	for _, note := range c.Notes() {
		fmt.Fprintf(w, "fwknopd: %s\n", note)
	}
}

// countsOf adds up the counts of readers.
func countsOf(readers []*ingest.Reader) (c ingest.Counts) {
	for _, r := range readers {
		c.Add(r.Stats().Counts())
	}
	return c
}
