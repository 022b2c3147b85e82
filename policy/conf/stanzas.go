package conf

import (
	"fmt"
	"iter"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
)

// Access is access.conf with everything it includes.
type Access struct {
	File    string
	Dialect Dialect // of the main file; included files have their own
	Stanzas []Stanza
	// Off are those with ENABLED N, which take no part.
	Off []Stanza
	// Refused are those that have an error, as far as they could be read: for check alone.
	Refused []Stanza

	index  sync.Once
	byLine map[int]int  // index into Stanzas, as titles
	shared map[int]bool // lines at which stanzas of several files begin
	titles []string
}

// All yields the stanzas that take part and those that are off, in reading order.
func (a *Access) All() iter.Seq[*Stanza] {
	return func(yield func(*Stanza) bool) {
		on, off := a.Stanzas, a.Off
		for len(on)+len(off) > 0 {
			from := &on
			if len(on) == 0 || len(off) > 0 && off[0].Number < on[0].Number {
				from = &off
			}
			if !yield(&(*from)[0]) {
				return
			}
			*from = (*from)[1:]
		}
	}
}

// StanzaAt returns the stanza that begins at a line, nil if there is none. If several
// files have one, it is the last. Stanzas must not change after the first call.
func (a *Access) StanzaAt(line int) *Stanza {
	a.index.Do(a.makeIndex)
	if i, ok := a.byLine[line]; ok {
		return &a.Stanzas[i]
	}
	return nil
}

// Line returns the line of the stanza that text names, by its NAME or by that line. A line
// may be one where no stanza begins (any longer).
func (a *Access) Line(text string) (int, error) {
	if digits.MatchString(text) {
		if n, err := strconv.ParseInt(text, 10, 32); err == nil && n > 0 {
			return int(n), nil
		}
		return 0, fmt.Errorf("%s is not the line of a stanza", text)
	}
	var names []string
	for st := range a.All() { // what a stanza opened before it was turned off may be open
		switch st.Name {
		case "":
		case text:
			return st.Pos.Line, nil
		default:
			names = append(names, st.Name)
		}
	}
	if meant := NearestOf(text, names); meant != "" {
		return 0, fmt.Errorf("no stanza has the NAME %q (did you mean %s?)", text, meant)
	}
	return 0, fmt.Errorf("no stanza has the NAME %q", text)
}

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

// LineProblems returns an error for each stanza that its line does not tell from another one: a
// request names a stanza by the line of its SOURCE, which those of several files may share, but not
// where both run commands or one has a number of uses. Shadow stanzas request nothing.
func (a *Access) LineProblems() (found Problems) {
	runs, first := make(map[int]*Stanza), make(map[int]*Stanza) // by line
	for i := range a.Stanzas {
		st := &a.Stanzas[i]
		line := st.Pos.Line
		if st.Shadow {
			continue
		}
		if twin := runs[line]; st.CmdExec && twin != nil {
			found = append(found, Problem{Pos: st.Pos, Keyword: "SOURCE", Text: fmt.Sprintf(
				"the stanza runs commands, as the one at %s does: begin one of them in a line of another number, by which a command is known", twin.Pos)})
		} else if st.CmdExec {
			runs[line] = st
		}
		if twin := first[line]; twin == nil {
			first[line] = st
		} else if !st.Uses.IsZero() || !twin.Uses.IsZero() {
			found = append(found, Problem{Pos: st.Pos, Keyword: "SOURCE", Text: fmt.Sprintf(
				"is in a line of the same number as that of the stanza at %s, and one of them has ACCESS_USES: begin one of them in another line, by which uses are counted", twin.Pos)})
		}
	}
	return found
}

// WantsSystem reports whether a stanza requires an operating system.
func (a *Access) WantsSystem() bool {
	return slices.ContainsFunc(a.Stanzas, func(s Stanza) bool { return s.WantsSystem() })
}

// Format writes all stanzas as one file, what was included in its place.
func (a *Access) Format(redact bool) string {
	var b strings.Builder
	for st := range a.All() {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(st.Values.Format(redact))
	}
	return b.String()
}
