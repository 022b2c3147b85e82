package page

import (
	"strings"

	"fwknopd/cmd/fwknopd/stats"
)

// writeUnknown writes the SYNs that no signature fits, as a table and as lines of a signature
// file.
func writeUnknown(d *doc, s *stats.Summary) {
	writeTitle(d, "unknown", "SYNs that no signature fits")
	if len(s.Unknown.Shown) == 0 {
		writeLine(d, "A signature fits every SYN that has its options.")
		return
	}
	writeCut(d, &s.Unknown, "kinds of SYN")
	t := table[stats.Unknown]{id: "unknown-list", caption: "SYNs that no signature fits", rows: s.Unknown.Shown, sorted: "SYNs", columns: []column[stats.Unknown]{
		{name: "Signature", kind: code, cell: func(u *stats.Unknown) string { return u.Signature }},
		{name: "SYNs", kind: count, cell: func(u *stats.Unknown) string { return number(u.SYNs) }},
		{name: "Sources", kind: count, cell: func(u *stats.Unknown) string { return number(u.Sources) }},
		{name: "Nearest signature", kind: code, cell: func(u *stats.Unknown) string { return dash(u.Nearest) }},
		{name: "Differs in", kind: text, cell: func(u *stats.Unknown) string { return dash(u.Differs) }},
	}}
	t.write(d)
	d.raw("<details class=\"paste\"><summary>As lines of a signature file</summary>\n" +
		"<p class=\"about\">Put the system's name in place of <code>unknown:::seen by fwknopd</code> (genre:version:subtype:description).</p>\n" +
		"<button type=\"button\" data-copy=\"signature-lines\" hidden>Copy</button>\n" +
		"<pre id=\"signature-lines\" tabindex=\"0\">")
	for line := range strings.Lines(string(stats.AppendUnknown(nil, s.Unknown.Shown))) {
		d.text(strings.TrimSuffix(line, "\n"))
		d.raw("\n")
	}
	d.raw("</pre></details>\n")
}
