package page

import (
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/cmd/fwknopd/stats"
	"fwknopd/policy"
)

// The classes of verdicts. Each has a colour and a sign before its text, so that none depends
// on colour alone.
const (
	classGranted = "granted"
	classRefused = "refused"
	classOther   = "other"
)

func verdictClass(verdict string) string {
	switch verdict {
	case report.Granted:
		return classGranted
	case report.Refused:
		return classRefused
	}
	return classOther
}

func reasonClass(reason string) string {
	if reason == string(policy.KnockGranted) {
		return classGranted
	}
	return classRefused
}

// writeDecisions writes the reasons, with what they mean, what to do and examples.
func writeDecisions(d *doc, s *stats.Summary) {
	writeTitle(d, "decisions", "Decisions by reason")
	var most, all uint64
	for i := range s.Decisions {
		most, all = max(most, s.Decisions[i].N), all+s.Decisions[i].N
	}
	d.raw("<ol class=\"reasons\">\n")
	for i := range s.Decisions {
		writeDecision(d, &s.Decisions[i], most, all)
	}
	d.raw("</ol>\n")
}

func writeDecision(d *doc, n *stats.Decision, most, all uint64) {
	class := verdictClass(n.Verdict)
	d.raw("<li><h3>")
	d.element("span", n.Verdict, attr{"class", "verdict " + class})
	d.element("code", n.Reason)
	d.raw("</h3><p class=\"amount\">")
	d.element("b", number(n.N))
	d.element("span", share(n.N, all))
	d.bar(n.N, most, class)
	d.raw("</p><div class=\"meaning\">")
	if n.Meaning != "" {
		d.element("p", n.Meaning)
	}
	if n.Remedy != "" {
		d.raw("<p class=\"remedy\">")
		d.element("b", "What to do: ")
		d.text(n.Remedy)
		d.raw("</p>")
	}
	writeExamples(d, n.Examples)
	d.raw("</div></li>\n")
}

func writeExamples(d *doc, examples []stats.Example) {
	if len(examples) == 0 {
		return
	}
	d.raw("<details><summary>")
	d.text(counted(uint64(len(examples)), "example", "examples"))
	d.raw("</summary><ul class=\"examples\">")
	for _, e := range examples {
		d.raw("<li>")
		d.element("span", clock(e.Time)+"  "+e.Src, attr{"class", "where"})
		d.element("code", e.Text)
		d.raw("</li>")
	}
	d.raw("</ul></details>")
}
