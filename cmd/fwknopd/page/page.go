// Package page writes a summary as one HTML page that loads nothing: style, script and numbers
// are in it, and its policy forbids everything else. Without JavaScript it has all tables; the
// script adds the chart, sorting, search and a switch of colours. It is pure.
//
// Entry point: [Write].
package page

import (
	"io"

	"fwknopd/cmd/fwknopd/stats"
)

// sections are those of the page, in the order of what a reader asks first: what happened
// when, what was decided and why, who it was, and what is not known.
var sections = []struct {
	id, name string
	has      func(s *stats.Summary) bool // nil: always there
	write    func(d *doc, s *stats.Summary)
}{
	{"timeline", "Timeline", nil, writeTimeline},
	{"decisions", "Decisions", func(s *stats.Summary) bool { return len(s.Decisions) > 0 }, writeDecisions},
	{"grants", "Grants", func(s *stats.Summary) bool { return len(s.Grants.Shown) > 0 }, writeGrants},
	{"knocks", "Knocks", func(s *stats.Summary) bool { return len(s.Knocks.Shown) > 0 }, writeKnocks},
	{"sources", "Sources", nil, writeSources},
	{"ports", "Ports", nil, writePorts},
	{"systems", "Systems", nil, writeSystems},
	{"unknown", "Unknown SYNs", nil, writeUnknown},
}

// Write writes the page of s. An error is that of w.
func Write(w io.Writer, s *stats.Summary) error {
	d := new(doc)
	d.raw("<!doctype html>\n")
	d.open("html", attr{"lang", "en"})
	writeHead(d, s)
	d.raw("\n<body>\n")
	d.raw("<a class=\"skip\" href=\"#main\">To the content</a>\n")
	writeHeader(d, s)
	d.raw("<main id=\"main\">\n")
	writeOverview(d, s)
	for _, part := range sections {
		if part.has != nil && !part.has(s) {
			continue
		}
		d.open("section", attr{"id", part.id}, attr{"aria-labelledby", part.id + "-title"})
		part.write(d, s)
		d.raw("</section>\n")
	}
	d.raw("</main>\n")
	writeFooter(d)
	d.open("script")
	d.raw(markup(script))
	d.raw("</script>\n</body>\n</html>\n")
	_, err := w.Write(d.html)
	return err
}
