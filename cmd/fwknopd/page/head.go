package page

import (
	"html"
	"strings"
	"time"

	"fwknopd/cmd/fwknopd/stats"
)

// writeHead writes the head of the document.
func writeHead(d *doc, s *stats.Summary) {
	d.raw("<head>\n<meta charset=\"utf-8\">\n")
	d.open("meta", attr{"http-equiv", "Content-Security-Policy"}, attr{"content", contentPolicy()})
	d.raw("\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n" +
		"<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n")
	d.element("title", "fwknopd report: "+strings.Join(s.Inputs, ", "))
	d.raw("\n<style>")
	d.raw(markup(style))
	d.raw("</style>\n</head>")
}

// shownInputs is how many inputs are named before the others are folded away.
const shownInputs = 4

// writeHeader writes what was read, of which time, and the ways to the sections.
func writeHeader(d *doc, s *stats.Summary) {
	d.raw("<header>\n<div class=\"top\"><h1>fwknopd <span>report</span></h1>" +
		"<div id=\"theme\" role=\"group\" aria-label=\"Colours\" hidden></div></div>\n")
	d.element("p", period(s), attr{"class", "period"})
	d.raw("\n<ul class=\"inputs\">")
	for i, name := range s.Inputs {
		if i == shownInputs && len(s.Inputs) > shownInputs+1 {
			d.raw("</ul>\n<details class=\"inputs\"><summary>")
			d.text(number(len(s.Inputs)-i) + " more inputs")
			d.raw("</summary><ul class=\"inputs\">")
		}
		d.raw("<li>")
		d.element("code", name)
		d.raw("</li>")
	}
	d.raw("</ul>")
	if len(s.Inputs) > shownInputs+1 {
		d.raw("</details>")
	}
	d.raw("\n<nav aria-label=\"Sections\"><ul>")
	for _, part := range sections {
		if part.has == nil || part.has(s) {
			d.raw("<li>")
			d.element("a", part.name, attr{"href", "#" + part.id})
			d.raw("</li>")
		}
	}
	d.raw("</ul></nav>\n</header>\n")
}

// period says from when to when the records are.
func period(s *stats.Summary) string {
	if s.From.IsZero() || s.To.IsZero() {
		return "No record has a time."
	}
	text := clock(s.From) + " to " + clock(s.To) + " UTC"
	if d := s.To.Sub(s.From); d >= time.Second {
		text += " (" + span(d) + ")"
	}
	return text
}

// writeFooter writes where the page comes from, and the licence of what it brings.
func writeFooter(d *doc) {
	d.raw("<footer>\n<p>Written by fwknopd. Everything shown is in this file: it loads nothing and sends nothing. Times are UTC. " +
		"Characters that are not seen where they stand are replaced by question marks.</p>\n" +
		"<details><summary>The chart is drawn by uPlot 1.6.32: its licence</summary>\n<pre>")
	d.raw(markup(html.EscapeString(uplotLicense))) // of several lines, which text has not
	d.raw("</pre>\n</details>\n</footer>\n")
}
