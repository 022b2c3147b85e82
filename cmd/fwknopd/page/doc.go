package page

import (
	"html"

	"fwknopd/policy/conf"
)

// A doc is HTML that is being written. Whatever is not [markup] is escaped, and has only
// characters that are seen where they stand, see [conf.Printable]. Package html/template does
// more than that is worth here: it makes the program 3 MB (21 %) larger.
type doc struct{ html []byte }

// markup is HTML that is written as it is. Constants become markup by themselves; text of a
// log does not.
type markup string

// An attr is an attribute of an element; the value is text.
type attr struct {
	name  markup
	value string
}

// raw writes markup.
func (d *doc) raw(m markup) { d.html = append(d.html, m...) }

// text writes text.
func (d *doc) text(s string) { d.html = append(d.html, html.EscapeString(conf.Printable(s))...) }

// open writes the start of an element.
func (d *doc) open(tag markup, attrs ...attr) {
	d.raw("<" + tag)
	for _, a := range attrs {
		d.raw(" " + a.name + "=\"")
		d.text(a.value)
		d.raw("\"")
	}
	d.raw(">")
}

// element writes an element that has text alone.
func (d *doc) element(tag markup, text string, attrs ...attr) {
	d.open(tag, attrs...)
	d.text(text)
	d.raw("</" + tag + ">")
}

// bar writes a bar as long as part of whole. It is an attribute of a picture, as the policy of
// the page forbids styles of elements.
func (d *doc) bar(part, whole uint64, class string) {
	if whole == 0 {
		return
	}
	d.open("svg", attr{"class", "bar " + class}, attr{"viewBox", "0 0 1000 1"}, attr{"preserveAspectRatio", "none"}, attr{"aria-hidden", "true"})
	width := max(1, uint64(float64(part)/float64(whole)*1000+0.5))
	d.open("rect", attr{"width", plain(width)}, attr{"height", "1"})
	d.raw("</rect></svg>")
}

// writeTitle writes the heading of a section.
func writeTitle(d *doc, id, title string) {
	d.element("h2", title, attr{"id", id + "-title"})
	d.raw("\n")
}

// writeLine writes a line about a section, in the secondary colour.
func writeLine(d *doc, text string) {
	d.element("p", text, attr{"class", "about"})
	d.raw("\n")
}
