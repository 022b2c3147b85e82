package page

import (
	"encoding/json"
	"time"

	"fwknopd/cmd/fwknopd/stats"
)

// writeTimeline writes the place of the chart, its numbers for the script, and a table of the
// same with fewer rows.
func writeTimeline(d *doc, s *stats.Summary) {
	writeTitle(d, "timeline", "Timeline")
	l := &s.Timeline
	if len(l.Buckets) == 0 {
		writeLine(d, "No event has a time.")
		return
	}
	decided := hasDecisions(l.Buckets)
	d.raw("<div id=\"chart\" hidden>\n<div class=\"tools\" role=\"group\" aria-label=\"Span of the timeline\"></div>\n")
	writeLegend(d, decided)
	d.raw("<p id=\"readout\"></p>\n" +
		"<div id=\"plots\" tabindex=\"0\" role=\"group\" aria-label=\"Timeline, also below as a table. Left and right move, plus and minus zoom, 0 shows all.\"></div>\n" +
		"<p class=\"about\">Drag over the chart to zoom; a double click shows all again.</p>\n</div>\n")
	d.open("script", attr{"type", "application/json"}, attr{"id", "timeline-data"})
	d.raw(markup(timelineData(l)))
	d.raw("</script>\n")
	writeTimelineTable(d, l, decided)
}

func hasDecisions(buckets []stats.Bucket) bool {
	for i := range buckets {
		if b := &buckets[i]; b.Granted+b.Refused+b.Other > 0 {
			return true
		}
	}
	return false
}

// writeLegend names the colours of the chart.
func writeLegend(d *doc, decided bool) {
	d.raw("<p class=\"legend\">")
	if decided {
		d.raw("<span class=\"granted\">granted</span><span class=\"refused\">refused</span><span class=\"other\">other decisions</span>")
	}
	d.raw("<span class=\"events\">events</span><span class=\"syns\">SYNs</span></p>\n")
}

// steps are the widths of bars that are offered, in seconds.
var steps = []int64{1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 2 * 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86400, 2 * 86400, 7 * 86400, 28 * 86400, 364 * 86400}

// stepsOf returns the steps into which buckets of a width fit whole.
func stepsOf(width int64) []int64 {
	fit := []int64{width}
	for _, s := range steps {
		if s > width && s%width == 0 {
			fit = append(fit, s)
		}
	}
	return fit
}

// monday is one, from which steps are counted: weeks begin on it, and days at midnight.
const monday = 4 * 86400

// alignTo returns the start of the step that a time is in.
func alignTo(at, step int64) int64 {
	offset := (at - monday) % step
	if offset < 0 {
		offset += step
	}
	return at - offset
}

// widthOf returns the width of a bucket in seconds.
func widthOf(l *stats.Timeline) int64 { return max(1, int64(l.Width/time.Second)) }

// timelineData returns the buckets for the script, as JSON: arrays of numbers alone.
func timelineData(l *stats.Timeline) string {
	var series struct {
		Width int64    `json:"width"`
		Steps []int64  `json:"steps"`
		At    []int64  `json:"at"` // seconds
		Event []uint64 `json:"events"`
		SYN   []uint64 `json:"syns"`
		Grant []uint64 `json:"granted"`
		Deny  []uint64 `json:"refused"`
		Other []uint64 `json:"other"`
	}
	series.Width = widthOf(l)
	series.Steps = stepsOf(series.Width)
	for i := range l.Buckets {
		b := &l.Buckets[i]
		series.At = append(series.At, b.Start.Unix())
		series.Event = append(series.Event, b.Events)
		series.SYN = append(series.SYN, b.SYNs)
		series.Grant = append(series.Grant, b.Granted)
		series.Deny = append(series.Deny, b.Refused)
		series.Other = append(series.Other, b.Other)
	}
	text, err := json.Marshal(series)
	if err != nil { // numbers alone
		panic("internal error: " + err.Error())
	}
	return string(text)
}

// tableRows is how many rows the table of the timeline has at most, unless the span is longer
// than that many of the longest step.
const tableRows = 60

// coarse adds buckets up to at most tableRows.
func coarse(l *stats.Timeline) []stats.Bucket {
	fit := stepsOf(widthOf(l))
	var out []stats.Bucket
	for _, step := range fit {
		out = out[:0]
		for i := range l.Buckets {
			b := &l.Buckets[i]
			start := time.Unix(alignTo(b.Start.Unix(), step), 0)
			if len(out) == 0 || !out[len(out)-1].Start.Equal(start) {
				out = append(out, stats.Bucket{Start: start})
			}
			last := &out[len(out)-1]
			last.Events, last.SYNs = last.Events+b.Events, last.SYNs+b.SYNs
			last.Granted, last.Refused, last.Other = last.Granted+b.Granted, last.Refused+b.Refused, last.Other+b.Other
		}
		if len(out) <= tableRows {
			break
		}
	}
	return out
}

// writeTimelineTable writes the timeline as a table, folded away.
func writeTimelineTable(d *doc, l *stats.Timeline, decided bool) {
	columns := []column[stats.Bucket]{
		{name: "From", kind: moment, cell: func(b *stats.Bucket) string { return clock(b.Start) }},
		{name: "Events", kind: count, cell: func(b *stats.Bucket) string { return number(b.Events) }},
		{name: "SYNs", kind: count, cell: func(b *stats.Bucket) string { return number(b.SYNs) }},
	}
	if decided {
		columns = append(columns,
			column[stats.Bucket]{name: "Granted", kind: count, cell: func(b *stats.Bucket) string { return number(b.Granted) }, mark: func(b *stats.Bucket) string { return ifAny(b.Granted, classGranted) }},
			column[stats.Bucket]{name: "Refused", kind: count, cell: func(b *stats.Bucket) string { return number(b.Refused) }, mark: func(b *stats.Bucket) string { return ifAny(b.Refused, classRefused) }},
			column[stats.Bucket]{name: "Other", kind: count, cell: func(b *stats.Bucket) string { return number(b.Other) }, mark: func(b *stats.Bucket) string { return ifAny(b.Other, classOther) }})
	}
	d.raw("<details><summary>The timeline as a table</summary>\n")
	t := table[stats.Bucket]{id: "timeline-list", caption: "The timeline", columns: columns, rows: coarse(l)}
	t.write(d)
	d.raw("</details>\n")
}
