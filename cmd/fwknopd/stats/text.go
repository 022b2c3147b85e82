package stats

import (
	"cmp"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"fwknopd/policy/conf"
)

// A TextStyle says how a summary is written as text.
type TextStyle struct {
	UTF8 bool // bars of block characters; else all is ASCII
	Top  int  // rows of systems, versions and reasons; 0: all
}

// AppendText appends s as text. Text of packets and files is made printable.
func AppendText(b []byte, s *Summary, style TextStyle) []byte {
	w := &textWriter{b: b, style: style}
	w.accounting(s)
	w.timeline(&s.Timeline)
	w.systems(s.Systems)
	w.sources(&s.Sources)
	w.ports(&s.Ports)
	w.decisions(s.Decisions)
	w.knocks(&s.Knocks)
	w.grants(&s.Grants)
	w.unknown(&s.Unknown)
	if len(s.Notes) > 0 {
		w.heading("Notes")
	}
	for _, n := range s.Notes {
		w.linef("  %s", n)
	}
	return w.b
}

type textWriter struct {
	b     []byte
	style TextStyle
}

// linef appends a line.
func (w *textWriter) linef(format string, a ...any) {
	line := strings.TrimRight(conf.Printable(fmt.Sprintf(format, a...)), " ")
	if !w.style.UTF8 {
		line = strings.Map(func(r rune) rune {
			if r >= utf8.RuneSelf {
				return '?'
			}
			return r
		}, line)
	}
	w.b = append(append(w.b, line...), '\n')
}

// heading appends a line before a section, with a blank one above it.
func (w *textWriter) heading(format string, a ...any) {
	w.b = append(w.b, '\n')
	w.linef(format, a...)
}

// listHeading is a heading that says how many rows of a list are shown.
func listHeading[T any](w *textWriter, title string, l *List[T]) {
	least := ""
	if l.AtLeast {
		least = "at least "
	}
	if l.Total > len(l.Shown) {
		w.heading("%s (%d of %s%d)", title, len(l.Shown), least, l.Total)
		return
	}
	w.heading("%s (%s%d)", title, least, l.Total)
}

// maxInputs is how many inputs the text names.
const maxInputs = 10

func (w *textWriter) accounting(s *Summary) {
	a := &s.Accounting
	for _, name := range s.Inputs[:min(len(s.Inputs), maxInputs)] {
		w.linef("input    %s", name)
	}
	if more := len(s.Inputs) - maxInputs; more > 0 {
		w.linef("         and %d more", more)
	}
	w.linef("records  %d = %d events + %d not ours + %d malformed", a.Records, a.Events, a.NotOurs, a.Malformed)
	w.linef("SYNs     %d", a.SYNs)
	if a.Lost > 0 {
		w.linef("lost     %d", a.Lost)
	}
	if !s.From.IsZero() {
		w.linef("from     %s", at(s.From))
		w.linef("to       %s (UTC, %s)", at(s.To), s.To.Sub(s.From).Round(time.Second))
	}
}

// barColumns is the width of bars.
const barColumns = 24

// bar returns a bar for n of most.
func (w *textWriter) bar(n, most uint64) string {
	if most == 0 {
		return ""
	}
	if !w.style.UTF8 {
		return strings.Repeat("#", max(int(float64(n)/float64(most)*barColumns), 1))
	}
	eighths := max(int(float64(n)/float64(most)*barColumns*8), 1)
	text := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		text += string([]rune(" ▏▎▍▌▋▊▉")[rest])
	}
	return text
}

func (w *textWriter) systems(list []System) {
	if len(list) == 0 {
		return
	}
	w.heading("Systems (%d)", len(list))
	most := list[0].Sources
	w.linef("  %-24s %9s %10s", "", "sources", "SYNs")
	for _, system := range list[:w.rows(len(list))] {
		w.linef("  %-24s %9d %10d  %s", cmp.Or(system.Genre, "unknown"), system.Sources, system.SYNs, w.bar(system.Sources, most))
		for _, v := range system.Versions[:w.rows(len(system.Versions))] {
			w.linef("  %-24s %9d %10d  %s", "", v.Sources, v.SYNs, v.Label)
		}
	}
}

// rows returns how many of n rows are shown.
func (w *textWriter) rows(n int) int {
	if w.style.Top > 0 {
		return min(n, w.style.Top)
	}
	return n
}

func (w *textWriter) sources(l *List[Source]) {
	if l.Total == 0 {
		return
	}
	listHeading(w, "Sources", l)
	for _, s := range l.Shown {
		decided := ""
		if s.Granted+s.Refused > 0 {
			decided = fmt.Sprintf("  %d granted, %d refused", s.Granted, s.Refused)
		}
		seen := ""
		if !s.Last.IsZero() {
			seen = at(s.First) + " to " + at(s.Last)
		}
		system := s.System
		if s.SYNs > 0 {
			system = cmp.Or(system, "unknown")
		}
		w.linef("  %-24s %9d SYNs%s  %s", s.Name(), s.SYNs, decided, system)
		w.linef("    %s  %s", seen, w.portList(s.Ports))
	}
}

// portList returns ports with blanks between them.
func (w *textWriter) portList(ports []string) string {
	text := strings.Join(ports, " ")
	if !w.style.UTF8 {
		text = strings.ReplaceAll(text, "…", "...")
	}
	return text
}

func (w *textWriter) ports(l *List[Port]) {
	if l.Total == 0 {
		return
	}
	listHeading(w, "Destination ports", l)
	w.linef("  %-12s %10s %9s", "", "events", "sources")
	for _, p := range l.Shown {
		w.linef("  %-12s %10d %9d  %s", p.Port, p.Records, p.Sources, w.bar(p.Records, l.Shown[0].Records))
	}
}

func (w *textWriter) decisions(list []Decision) {
	if len(list) == 0 {
		return
	}
	w.heading("Decisions (%d reasons)", len(list))
	for _, d := range list[:w.rows(len(list))] {
		w.linef("  %-9s %-22s %9d  %s", d.Verdict, d.Reason, d.N, w.bar(d.N, list[0].N))
		if d.Meaning != "" {
			w.linef("    %s", d.Meaning)
		}
		if d.Remedy != "" {
			w.linef("    remedy: %s", d.Remedy)
		}
		for _, e := range d.Examples {
			w.linef("    example: %s %s", at(e.Time), e.Text)
		}
	}
}

// at returns a time in UTC, "-" if there is none.
func at(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.DateTime)
}

func (w *textWriter) knocks(l *List[Knock]) {
	if l.Total == 0 {
		return
	}
	listHeading(w, "Knock sequences", l)
	for _, k := range l.Shown {
		w.linef("  %-24s %6d  %-20s %s, last %s", k.Src, k.N, k.Reason, k.Stanza, at(k.Last))
	}
}

func (w *textWriter) grants(l *List[Grant]) {
	if l.Total == 0 {
		return
	}
	listHeading(w, "Grants, the latest first", l)
	for _, g := range l.Shown {
		span := "without end"
		if g.For > 0 {
			span = "for " + g.For.Round(time.Second).String()
		}
		ended := g.Ended
		if !g.End.IsZero() {
			ended += " " + at(g.End)
		}
		user := ""
		if g.User != "" {
			user = ", user " + g.User
		}
		w.linef("  %s  %s %s  %s, %s  %s%s", at(g.Start), g.Src, w.portList(g.Ports), span, ended, g.Stanza, user)
	}
}

func (w *textWriter) unknown(l *List[Unknown]) {
	if l.Total == 0 {
		return
	}
	listHeading(w, "Unknown SYNs", l)
	for _, u := range l.Shown {
		w.linef("  %-40s %9d SYNs %7d sources", u.Signature, u.SYNs, u.Sources)
		if u.Nearest != "" {
			w.linef("    nearest is %s, which differs in %s", u.Nearest, u.Differs)
		}
	}
}

// AppendUnknown appends unknown signatures as lines of a signature file, each with a remark above
// it and a label to be changed.
func AppendUnknown(b []byte, list []Unknown) []byte {
	for _, u := range list {
		remark := fmt.Sprintf("# %s from %s", conf.Count(int(u.SYNs), "SYN"), conf.Count(int(u.Sources), "source"))
		if u.Nearest != "" {
			remark += fmt.Sprintf("; nearest is %s, which differs in %s", u.Nearest, u.Differs)
		}
		b = fmt.Appendf(b, "%s\n%s:unknown:::%s\n", conf.Printable(remark), u.Signature, "seen by fwknopd")
	}
	return b
}
