package page

import (
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"fwknopd/cmd/fwknopd/stats"
)

// writeSources writes the table of clients.
func writeSources(d *doc, s *stats.Summary) {
	writeTitle(d, "sources", "Top sources")
	rows := s.Sources.Shown
	if len(rows) == 0 {
		writeLine(d, "No source was seen.")
		return
	}
	writeCut(d, &s.Sources, "sources")
	t := table[stats.Source]{id: "source-list", caption: "Top sources", rows: rows, columns: []column[stats.Source]{
		{name: "Address", kind: code, cell: (*stats.Source).Name, key: func(r *stats.Source) string { return addressKey(r.Addr) }},
		{name: "System", kind: text, cell: func(r *stats.Source) string { return dash(systemName(r.System)) }},
		{name: "SYNs", kind: count, cell: func(r *stats.Source) string { return number(r.SYNs) }},
		{name: "Granted", kind: count, cell: func(r *stats.Source) string { return number(r.Granted) }, mark: func(r *stats.Source) string { return ifAny(r.Granted, classGranted) }},
		{name: "Refused", kind: count, cell: func(r *stats.Source) string { return number(r.Refused) }, mark: func(r *stats.Source) string { return ifAny(r.Refused, classRefused) }},
		{name: "Ports", kind: code, cell: func(r *stats.Source) string { return dash(strings.Join(r.Ports, " ")) }},
		{name: "First seen", kind: moment, cell: func(r *stats.Source) string { return clock(r.First) }},
		{name: "Last seen", kind: moment, cell: func(r *stats.Source) string { return clock(r.Last) }},
	}}
	decided := func(r stats.Source) bool { return r.Granted+r.Refused > 0 }
	if !slices.ContainsFunc(rows, decided) {
		t.columns = slices.Delete(t.columns, 3, 5)
	}
	t.write(d)
}

// systemName returns what a label says for people, its description, with the mark of a guess;
// else the label.
func systemName(label string) string {
	const parts = 4 // genre:version:subtype:description
	split := strings.SplitN(label, ":", parts)
	if len(split) < parts || split[parts-1] == "" {
		return label
	}
	if strings.HasPrefix(label, "@") {
		return "@ " + split[parts-1]
	}
	return split[parts-1]
}

// writePorts writes the table of destination ports.
func writePorts(d *doc, s *stats.Summary) {
	writeTitle(d, "ports", "Top destination ports")
	if len(s.Ports.Shown) == 0 {
		writeLine(d, "No record has a destination port.")
		return
	}
	writeCut(d, &s.Ports, "ports")
	t := table[stats.Port]{id: "port-list", caption: "Top destination ports", rows: s.Ports.Shown, sorted: "Events", columns: []column[stats.Port]{
		{name: "Port", kind: code, cell: func(r *stats.Port) string { return r.Port }, key: func(r *stats.Port) string { return portKey(r.Port) }},
		{name: "Events", kind: count, cell: func(r *stats.Port) string { return number(r.Records) }},
		{name: "Of all", kind: count, cell: func(r *stats.Port) string { return share(r.Records, s.Accounting.Events) }, key: func(r *stats.Port) string { return plain(r.Records) }},
		{name: "Sources", kind: count, cell: func(r *stats.Port) string { return number(r.Sources) }},
	}}
	t.write(d)
}

// writeKnocks writes the table of knock sequences.
func writeKnocks(d *doc, s *stats.Summary) {
	writeTitle(d, "knocks", "Knock sequences attempted")
	writeCut(d, &s.Knocks, "sources and outcomes")
	t := table[stats.Knock]{id: "knock-list", caption: "Knock sequences attempted", rows: s.Knocks.Shown, columns: []column[stats.Knock]{
		{name: "Source", kind: code, cell: func(r *stats.Knock) string { return r.Src }, key: func(r *stats.Knock) string { return addressKey(r.Src) }},
		{name: "Stanza", kind: text, cell: func(r *stats.Knock) string { return dash(r.Stanza) }},
		{name: "Outcome", kind: code, cell: func(r *stats.Knock) string { return r.Reason }, mark: func(r *stats.Knock) string { return reasonClass(r.Reason) }},
		{name: "Times", kind: count, cell: func(r *stats.Knock) string { return number(r.N) }},
		{name: "Last seen", kind: moment, cell: func(r *stats.Knock) string { return clock(r.Last) }},
	}}
	t.write(d)
}

// writeGrants writes the table of what was opened.
func writeGrants(d *doc, s *stats.Summary) {
	writeTitle(d, "grants", "Grants")
	writeCut(d, &s.Grants, "grants")
	t := table[stats.Grant]{id: "grant-list", caption: "Grants", rows: s.Grants.Shown, columns: []column[stats.Grant]{
		{name: "Client", kind: code, cell: func(r *stats.Grant) string { return r.Src }, key: func(r *stats.Grant) string { return addressKey(r.Src) }},
		{name: "Ports", kind: code, cell: func(r *stats.Grant) string { return dash(strings.Join(r.Ports, " ")) }},
		{name: "Stanza", kind: text, cell: func(r *stats.Grant) string { return dash(r.Stanza) }},
		{name: "User", kind: text, cell: func(r *stats.Grant) string { return dash(r.User) }},
		{name: "From", kind: moment, cell: func(r *stats.Grant) string { return clock(r.Start) }},
		{name: "Granted for", kind: count, cell: grantedFor, key: func(r *stats.Grant) string { return milliseconds(r.For) }},
		{name: "Was open", kind: count, cell: wasOpen, key: func(r *stats.Grant) string { return milliseconds(openTime(r)) }},
		{name: "Ended", kind: text, cell: func(r *stats.Grant) string { return dash(r.Ended) }},
	}}
	named := func(g stats.Grant) bool { return g.User != "" }
	if !slices.ContainsFunc(t.rows, named) {
		t.columns = slices.Delete(t.columns, 3, 4)
	}
	t.write(d)
}

func grantedFor(g *stats.Grant) string {
	if g.For == 0 {
		return "no end"
	}
	return span(g.For)
}

// wasOpen says how long a grant was open.
func wasOpen(g *stats.Grant) string {
	if g.Start.IsZero() || g.End.IsZero() {
		return none
	}
	return span(openTime(g))
}

// openTime returns how long a grant was open, 0 if that is not known.
func openTime(g *stats.Grant) time.Duration {
	if g.Start.IsZero() || g.End.IsZero() {
		return 0
	}
	return max(0, g.End.Sub(g.Start))
}

// milliseconds returns a duration to sort by, "" for none.
func milliseconds(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return strconv.FormatInt(d.Milliseconds(), 10)
}

// addressKey sorts addresses as numbers, IPv4 first.
func addressKey(addr string) string {
	first, length, _ := strings.Cut(addr, "/") // of a prefix
	a, err := netip.ParseAddr(first)
	if err != nil {
		return "~" + addr
	}
	key := a.As16()
	return hex.EncodeToString(key[:]) + length
}

// portKey sorts "tcp/22" by protocol, then by number.
func portKey(port string) string {
	proto, number, _ := strings.Cut(port, "/")
	const digits = "00000"
	return proto + "/" + digits[min(len(number), len(digits)):] + number
}

func dash(s string) string {
	if s == "" {
		return none
	}
	return s
}

func ifAny(n uint64, class string) string {
	if n == 0 {
		return "zero"
	}
	return class
}

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
