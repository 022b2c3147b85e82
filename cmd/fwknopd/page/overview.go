package page

import (
	"fwknopd/cmd/fwknopd/stats"
)

// writeOverview writes the figures that are looked at first, what became of the records, and
// what a reader must know to read the rest.
func writeOverview(d *doc, s *stats.Summary) {
	d.raw("<section id=\"overview\" aria-label=\"Overview\">\n<dl class=\"figures\">")
	granted, refused := verdicts(s)
	if granted+refused > 0 || len(s.Decisions) > 0 {
		writeFigure(d, "Granted", number(granted), "granted")
		if s.NotOpened > 0 {
			writeFigure(d, "Of these not opened", number(s.NotOpened), "refused")
		}
		writeFigure(d, "Refused", number(refused), "refused")
	}
	writeFigure(d, "Sources", total(s.Sources.Total, s.Sources.AtLeast), "")
	writeFigure(d, "SYNs", number(s.Accounting.SYNs), "")
	writeFigure(d, "Unknown kinds of SYN", total(s.Unknown.Total, s.Unknown.AtLeast), "")
	writeFigure(d, "Records", number(s.Accounting.Records), "")
	d.raw("</dl>\n")
	writeAccounting(d, &s.Accounting)
	if len(s.Notes) > 0 {
		d.raw("<ul class=\"notes\" aria-label=\"Notes\">")
		for _, note := range s.Notes {
			d.element("li", note)
		}
		d.raw("</ul>\n")
	}
	d.raw("</section>\n")
}

func writeFigure(d *doc, name, value, class string) {
	d.open("div", attr{"class", "figure " + class})
	d.element("dt", name)
	d.element("dd", value)
	d.raw("</div>")
}

// verdicts counts the decisions by verdict.
func verdicts(s *stats.Summary) (granted, refused uint64) {
	for i := range s.Decisions {
		switch verdictClass(s.Decisions[i].Verdict) {
		case classGranted:
			granted += s.Decisions[i].N
		case classRefused:
			refused += s.Decisions[i].N
		}
	}
	return granted, refused
}

// writeAccounting writes the equation of the records, and what is missing.
func writeAccounting(d *doc, a *stats.Accounting) {
	d.raw("<p class=\"accounting\">")
	d.text(counted(a.Records, "record", "records"))
	if a.Bytes > 0 {
		d.text(" (" + size(a.Bytes) + ")")
	}
	d.text(" = " + counted(a.Events, "event", "events") + " + " + number(a.NotOurs) + " not ours + " + number(a.Malformed) + " malformed")
	d.raw("<span>Not ours: sound, but no record of a packet, such as a line of another program.</span></p>\n")
	if a.Records != a.Events+a.NotOurs+a.Malformed {
		writeWarning(d, "The numbers do not add up: this is an error of fwknopd.")
	}
	if a.Lost > 0 {
		writeWarning(d, "Gaps: "+counted(a.Lost, "record was", "records were")+" lost before they were written, says what recorded them.")
	}
	if a.Untimed > 0 {
		writeWarning(d, counted(a.Untimed, "event has", "events have")+" no time and "+either(a.Untimed, "is", "are")+" not in the timeline.")
	}
}

func writeWarning(d *doc, text string) {
	d.element("p", text, attr{"class", "warning"})
	d.raw("\n")
}

// either returns the form of a word for one or for several.
func either(n uint64, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
