package osreport

import (
	"bufio"
	"cmp"
	"fmt"
	"io"

	"fwknopd/cmd/fwknopd/inputs"
	"fwknopd/cmd/fwknopd/sources"
	"fwknopd/ingest"
	"fwknopd/policy/conf"
)

// signatureColumns is the width of the signature column in the report of the 1.9
// daemon, on which scripts rely.
const signatureColumns = 33

// blanks pads a column.
const blanks = "                                 "

// writeText writes the layout of the 1.9 daemon, and returns how many sources have a signature. With
// verbose set it includes unmatched SYNs.
func writeText(w io.Writer, c *sources.Counter, verbose bool) (named int, err error) {
	b := bufio.NewWriterSize(w, 1<<16)
	var line []byte
	for s := range c.All() {
		sigs := s.Signatures()
		if len(sigs) > 0 {
			named++
		}
		var unknowns []sources.Unknown
		if verbose {
			unknowns = s.Unknowns()
		}
		left := s.Omitted()
		if len(sigs)+len(unknowns) == 0 && left == 0 {
			continue
		}
		line = s.Addr().AppendTo(append(line[:0], "[+] "...))
		if tunnel := s.Tunnel(); tunnel != "" {
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
			return named, err
		}
	}
	return named, b.Flush()
}

// addressColumns is the width of the address column of the brief report: that of an IPv4
// address and two blanks.
const addressColumns = 17

// writeBrief writes a line for each source: its address, how many SYNs it sent, and the label
// of the first signature in file order that fits, guesses at a group last. It returns how many have
// a signature.
func writeBrief(w io.Writer, c *sources.Counter) (named int, err error) {
	b := bufio.NewWriterSize(w, 1<<16)
	for s := range c.All() {
		label := "unknown"
		if sig := sources.Best(s.Signatures()); sig != nil {
			label = sig.Label
			named++
		}
		within := ""
		if tunnel := s.Tunnel(); tunnel != "" {
			within = " (in " + tunnel + ")"
		}
		if _, err := fmt.Fprintf(b, "%-*s %6d SYN  %s%s\n", addressColumns, s.Addr(), s.SYNs(), conf.Printable(label), within); err != nil {
			return named, err
		}
	}
	return named, b.Flush()
}

// appendRow appends a line. A signature that is wider than its column is followed by
// one blank.
func appendRow(dst []byte, signature, label string) []byte {
	dst = append(append(dst, blanks[:6]...), signature...)
	dst = append(dst, blanks[:max(signatureColumns-len(signature), 1)]...)
	return append(append(dst, conf.Printable(label)...), '\n')
}

// printSummary prints counts that account for every record and every SYN; named is how many sources
// have a signature.
func printSummary(w io.Writer, read ingest.Counts, c *sources.Counter, named int) {
	t := c.Totals()
	fmt.Fprintf(w, "fwknopd: %s; %d SYNs from %d sources, %d named, %d unnamed\n",
		read, t.SYNs, t.Sources, named, t.Sources-named)
	for _, note := range c.Notes() {
		fmt.Fprintf(w, "fwknopd: %s\n", note)
	}
}

// tallyOf returns what readers found.
func tallyOf(readers []*ingest.Reader) *inputs.Tally {
	var t inputs.Tally
	for _, r := range readers {
		t.Add(inputs.ReadingOf(r))
	}
	return &t
}
