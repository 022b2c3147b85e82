package report

import (
	"fwknopd/enforce"
	"fwknopd/policy/conf"
)

// Titles has what the stanzas of grants are called, by the line of their SOURCE, which is
// all that a grant has of its stanza.
type Titles map[int]StanzaName

// A StanzaName has the title of a stanza, see [conf.StanzaTitle], and its NAME.
type StanzaName struct {
	Title string `json:"title"`
	Name  string `json:"name,omitempty"`
}

// TitlesOf returns those of the stanzas of grants by access.
func TitlesOf(access *conf.Access, grants []enforce.Grant) Titles {
	titles := make(Titles)
	for i := range grants {
		line := grants[i].Stanza
		if _, known := titles[line]; known || line == 0 {
			continue
		}
		var n StanzaName
		n.Title, n.Name = access.TitleOf(0, line)
		titles[line] = n
	}
	return titles
}

// of returns the title of the stanza at a line; "" is no stanza.
func (t Titles) of(line int) string {
	if n, known := t[line]; known {
		return n.Title
	}
	return conf.StanzaTitle("", 0, conf.Pos{Line: line})
}
