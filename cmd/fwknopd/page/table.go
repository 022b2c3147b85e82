package page

import "fwknopd/cmd/fwknopd/stats"

// A column is one of a table of T.
type column[T any] struct {
	name string
	kind kind
	cell func(row *T) string
	// key is what the column is sorted by, if not by its text; "" comes last.
	key func(row *T) string
	// mark is the class of a cell; may be nil.
	mark func(row *T) string
}

// kind says how a column is set and sorted.
type kind string

const (
	text   kind = "text"
	code   kind = "code" // text of fixed width
	count  kind = "number"
	moment kind = "time"
)

// A table is a list of the page.
type table[T any] struct {
	id      string // of the element
	caption string // for those who do not see where it stands
	columns []column[T]
	rows    []T
	sorted  string // the column by whose falling values rows are sorted, "" if by several
}

// write writes the table. The script adds sorting, and search and folding if it is long.
func (t *table[T]) write(d *doc) {
	d.open("div", attr{"class", "scroll"}, attr{"tabindex", "0"}, attr{"role", "region"}, attr{"aria-label", t.caption})
	d.open("table", attr{"id", t.id}, attr{"class", "list"})
	d.raw("<thead><tr>")
	for i := range t.columns {
		c := &t.columns[i]
		order := "none"
		if c.name == t.sorted {
			order = "descending"
		}
		d.element("th", c.name, attr{"scope", "col"}, attr{"class", string(c.kind)}, attr{"aria-sort", order})
	}
	d.raw("</tr></thead>\n<tbody>")
	for i := range t.rows {
		d.raw("<tr>")
		for j := range t.columns {
			t.columns[j].write(d, &t.rows[i])
		}
		d.raw("</tr>\n")
	}
	d.raw("</tbody></table></div>\n")
}

func (c *column[T]) write(d *doc, row *T) {
	class := string(c.kind)
	if c.mark != nil {
		class += " " + c.mark(row)
	}
	attrs := []attr{{"class", class}}
	if c.key != nil {
		attrs = append(attrs, attr{"data-key", c.key(row)})
	}
	d.element("td", c.cell(row), attrs...)
}

// total returns how many there are, as far as is known.
func total(n int, atLeast bool) string {
	if atLeast {
		return "≥ " + number(n)
	}
	return number(n)
}

// writeCut says how much of a list is shown, if that is not all.
func writeCut[T any](d *doc, l *stats.List[T], what string) {
	if shown := len(l.Shown); shown < l.Total || l.AtLeast {
		of := number(l.Total)
		if l.AtLeast {
			of = "at least " + of
		}
		writeLine(d, number(shown)+" of "+of+" "+what+" are listed.")
	}
}
