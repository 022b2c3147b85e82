package report

import (
	"fwknopd/enforce"
	"fwknopd/policy/conf"
)

// Titles has what the stanzas of grants are called, by the line of their SOURCE, which is
// all that a grant has of its stanza.
type Titles map[int]StanzaName

// A StanzaName has the title of a stanza, see [conf.StanzaTitle], its NAME, and what lists say
// of its grants.
type StanzaName struct {
	Title string `json:"title"`
	Name  string `json:"name,omitempty"`
	// CloseConnections: connections end with its grants.
	CloseConnections bool `json:"close_connections,omitempty"`
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
		if access != nil {
			st := access.StanzaAt(line)
			n.CloseConnections = st != nil && st.CloseConnections
		}
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

// ending says that connections end with the grants of the stanza at a line, if they do.
func (t Titles) ending(line int) string {
	if t[line].CloseConnections {
		return ", connections end with it"
	}
	return ""
}
