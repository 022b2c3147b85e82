package page

import "fwknopd/cmd/fwknopd/stats"

// writeSystems writes the systems as bars; each opens to its versions.
func writeSystems(d *doc, s *stats.Summary) {
	writeTitle(d, "systems", "Systems found")
	if len(s.Systems) == 0 {
		writeLine(d, "No SYN had the options that show a system (iptables: --log-tcp-options).")
		return
	}
	var most uint64
	for i := range s.Systems {
		most = max(most, s.Systems[i].Sources)
	}
	d.raw("<div class=\"systems\">\n<p class=\"columns\" aria-hidden=\"true\"><span>System</span><span></span><span>Sources</span><span>SYNs</span></p>\n")
	for i := range s.Systems {
		writeSystem(d, &s.Systems[i], most)
	}
	d.raw("</div>\n")
}

func writeSystem(d *doc, sys *stats.System, most uint64) {
	class, name := "known", sys.Genre
	if name == "" {
		class, name = "unnamed", "unknown"
	}
	if len(sys.Versions) == 0 {
		d.raw("<div class=\"system\">")
	} else {
		d.raw("<details><summary class=\"system\">")
	}
	d.element("span", name, attr{"class", "name " + class})
	d.bar(sys.Sources, most, class)
	writeAmounts(d, sys.Sources, sys.SYNs)
	if len(sys.Versions) == 0 {
		d.raw("</div>\n")
		return
	}
	d.raw("</summary><ul>")
	for i := range sys.Versions {
		v := &sys.Versions[i]
		d.raw("<li class=\"system\">")
		d.element("span", v.Label, attr{"class", "name"})
		d.bar(v.Sources, most, class)
		writeAmounts(d, v.Sources, v.SYNs)
		d.raw("</li>")
	}
	d.raw("</ul></details>\n")
}

// writeAmounts writes the numbers of a row; their nouns are for readers who do not see the
// head of the column.
func writeAmounts(d *doc, sources, syns uint64) {
	d.raw("<span class=\"number\">")
	d.text(number(sources))
	d.element("i", either(sources, " source", " sources"))
	d.raw("</span><span class=\"number\">")
	d.text(number(syns))
	d.element("i", either(syns, " SYN", " SYNs"))
	d.raw("</span>")
}
