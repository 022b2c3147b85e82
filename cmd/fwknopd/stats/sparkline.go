package stats

import "time"

// sparkColumns is the most columns of a sparkline.
const sparkColumns = 64

// Characters of sparklines, from little to much.
var (
	blockMarks = []rune("▁▂▃▄▅▆▇█")
	asciiMarks = []rune(".:-=+*#@")
)

// timeline appends a line for each kind of count that the timeline has.
func (w *textWriter) timeline(t *Timeline) {
	if len(t.Buckets) == 0 {
		return
	}
	w.heading("Timeline (a column is %s)", time.Duration(t.columnWidth())*time.Second)
	for _, row := range []struct {
		name string
		of   func(*Bucket) uint64
	}{
		{"events", func(b *Bucket) uint64 { return b.Events }},
		{"SYNs", func(b *Bucket) uint64 { return b.SYNs }},
		{"granted", func(b *Bucket) uint64 { return b.Granted }},
		{"refused", func(b *Bucket) uint64 { return b.Refused }},
		{"other", func(b *Bucket) uint64 { return b.Other }},
	} {
		columns := t.columns(row.of)
		most, sum := uint64(0), uint64(0)
		for _, n := range columns {
			most, sum = max(most, n), sum+n
		}
		if sum > 0 {
			w.linef("  %-8s %s  at most %d", row.name, w.spark(columns, most), most)
		}
	}
}

// columnWidth returns how many seconds a column is, so that there are at most sparkColumns.
func (t *Timeline) columnWidth() int64 {
	first, last := t.Buckets[0].Start.Unix(), t.Buckets[len(t.Buckets)-1].Start.Unix()
	width := int64(t.Width / time.Second)
	for last/width-first/width >= sparkColumns {
		width = widerThan(width)
	}
	return width
}

// columns sums a count over equal spans of time from the first bucket to the last.
func (t *Timeline) columns(of func(*Bucket) uint64) []uint64 {
	width := t.columnWidth()
	first, last := t.Buckets[0].Start.Unix()/width, t.Buckets[len(t.Buckets)-1].Start.Unix()/width
	columns := make([]uint64, last-first+1)
	for i := range t.Buckets {
		columns[t.Buckets[i].Start.Unix()/width-first] += of(&t.Buckets[i])
	}
	return columns
}

// spark draws columns; one without anything is blank.
func (w *textWriter) spark(columns []uint64, most uint64) string {
	marks := asciiMarks
	if w.style.UTF8 {
		marks = blockMarks
	}
	line := make([]rune, len(columns))
	for i, n := range columns {
		line[i] = ' '
		if n > 0 {
			line[i] = marks[min(int(float64(n)/float64(most)*float64(len(marks))), len(marks)-1)]
		}
	}
	return string(line)
}
