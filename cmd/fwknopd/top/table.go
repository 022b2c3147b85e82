package top

import (
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// A column is one of a list. Where there is no room for all, columns are made narrower down to
// their minimum, then those with the lowest keep are left out. The last one takes what is free.
type column struct {
	title   string
	keep    int
	min     int // characters
	natural int // width that is wanted; 0: that of the widest cell
}

// gap is what stands between columns.
const gap = 1

// widths returns how wide each column is in a width; 0: it is left out.
func widths(columns []column, rows [][]string, width int) []int {
	w := make([]int, len(columns))
	for i, c := range columns {
		w[i] = max(c.natural, textWidth(c.title), 1)
		for _, cells := range rows {
			if c.natural == 0 {
				w[i] = max(w[i], textWidth(cells[i]))
			}
		}
	}
	for excess := total(w) - width; excess > 0; excess = total(w) - width {
		widest, least := -1, -1
		for i, c := range columns {
			if w[i] > c.min && (widest < 0 || w[i]-c.min > w[widest]-columns[widest].min) {
				widest = i
			}
			if w[i] > 0 && (least < 0 || c.keep < columns[least].keep) {
				least = i
			}
		}
		switch {
		case widest >= 0:
			w[widest] -= min(excess, w[widest]-columns[widest].min)
		case least >= 0:
			w[least] = 0
		}
		if total(w) == 0 {
			break
		}
	}
	return w
}

// total returns how wide columns are together.
func total(w []int) (n int) {
	for _, width := range w {
		if width > 0 {
			n += width + gap
		}
	}
	return n
}

// row returns the cells of a row below their columns. style, if not nil, adds control
// sequences to the text of a column, which has its width.
func row(cells []string, w []int, style func(i int, text string) string) string {
	var b strings.Builder
	for i, cell := range cells {
		if w[i] == 0 {
			continue
		}
		text := fit(cell, w[i])
		if style != nil {
			text = style(i, text)
		}
		if b.Len() > 0 {
			b.WriteString(strings.Repeat(" ", gap))
		}
		b.WriteString(text)
	}
	return b.String()
}

// fit returns a text in exactly that width.
func fit(text string, width int) string {
	n := textWidth(text)
	if n > width {
		text = ansi.Truncate(text, width, "…")
		n = textWidth(text)
	}
	return text + strings.Repeat(" ", max(width-n, 0))
}

// textWidth returns how wide a text is on the terminal. Most is printable ASCII, which has no
// need for the tables of Unicode.
func textWidth(text string) int {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return ansi.StringWidth(text)
		}
	}
	return len(text)
}

// titles returns the titles of columns.
func titles(columns []column) []string {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = c.title
	}
	return list
}

// window returns the first of the rows to show, so that the selected one is among those.
func window(selected, rows, height int) int {
	return max(min(selected-height/2, rows-height), 0)
}

// filtered returns those of a list that match.
func filtered[T any](list []T, match func(*T) bool) []*T {
	var found []*T
	for i := range list {
		if match(&list[i]) {
			found = append(found, &list[i])
		}
	}
	return slices.Clip(found)
}
