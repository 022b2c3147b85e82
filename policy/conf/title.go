package conf

import (
	"path"
	"sort"
	"strconv"
)

// StanzaTitle words what a stanza is called, for every text that names one: by its NAME, else
// by its number, with the place of its SOURCE: "stanza alice (access.conf:8)", "stanza 2
// (access.conf:8)". Where only the line is known it is "stanza at line 8"; "" is no stanza.
func StanzaTitle(name string, number int, source Pos) string {
	if name == "" && number != 0 {
		name = strconv.Itoa(number)
	}
	line := strconv.Itoa(source.Line)
	switch {
	case source.Line == 0:
		return ""
	case name == "":
		return "stanza at line " + line
	case source.File == "":
		return "stanza " + name + " (line " + line + ")"
	}
	return "stanza " + name + " (" + Printable(path.Base(source.File)) + ":" + line + ")"
}

// Title is the [StanzaTitle] of s.
func (s *Stanza) Title() string { return StanzaTitle(s.Name, s.Number, s.Pos) }

// TitleOf returns the title and the NAME of the stanza with a number, if it begins at that
// line; else of the only one that begins there. Where there is none, or several in different
// files, the title is that of the line alone. A number of 0 is none; a nil Access has none.
func (a *Access) TitleOf(number, line int) (title, name string) {
	if i := a.find(number, line); i >= 0 {
		return a.titles[i], a.Stanzas[i].Name
	}
	return StanzaTitle("", 0, Pos{Line: line}), ""
}

// find returns the index of the stanza that TitleOf is about, -1 if there is none.
func (a *Access) find(number, line int) int {
	if a == nil {
		return -1
	}
	a.index.Do(a.makeIndex)
	i := sort.Search(len(a.Stanzas), func(i int) bool { return a.Stanzas[i].Number >= number })
	if i < len(a.Stanzas) && a.Stanzas[i].Number == number && a.Stanzas[i].Pos.Line == line {
		return i
	}
	if i, known := a.byLine[line]; known && !a.shared[line] {
		return i
	}
	return -1
}

// makeIndex makes what the stanzas are found by.
func (a *Access) makeIndex() {
	a.byLine, a.shared, a.titles = make(map[int]int, len(a.Stanzas)), make(map[int]bool), make([]string, len(a.Stanzas))
	for i := range a.Stanzas {
		line := a.Stanzas[i].Pos.Line
		if _, several := a.byLine[line]; several {
			a.shared[line] = true
		}
		a.byLine[line], a.titles[i] = i, a.Stanzas[i].Title()
	}
}
