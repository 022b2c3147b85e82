package config

import (
	"fmt"
	"sort"

	"fwknopd/policy/conf"
)

// A keywordState describes the effect of one keyword of a file.
type keywordState struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Keyword string `json:"keyword"`
	State   string `json:"state"` // honoured, honoured differently, no effect
	How     string `json:"how,omitempty"`
}

// String returns the line of `check --explain`.
func (k keywordState) String() string {
	s := fmt.Sprintf("%s:%d: %s: %s", k.File, k.Line, k.Keyword, k.State)
	if k.How != "" {
		s += ": " + k.How
	}
	return s
}

// explain lists every keyword in the files, in their order.
func explain(l *Loaded) []keywordState {
	list := keywordStates(l.Values)
	for st := range l.Access.All() {
		list = append(list, keywordStates(st.Values)...)
	}
	return list
}

func keywordStates(v *conf.Values) []keywordState {
	var list []keywordState
	for _, val := range v.All() {
		if val.Origin != conf.FromFile {
			continue
		}
		k := keywordState{File: val.Pos.File, Line: val.Pos.Line, Keyword: val.Name, State: "honoured", How: val.Keyword.Differs}
		switch {
		case val.Keyword.Verdict == conf.Obsolete:
			k.State, k.How = "no effect", ""
		case k.How != "":
			k.State = "honoured differently"
		}
		if val.Name != val.Keyword.Name {
			if k.How != "" {
				k.How += "; "
			}
			k.How += "as " + val.Keyword.Name
		}
		list = append(list, k)
	}
	sort.SliceStable(list, func(i, j int) bool { return list[i].File == list[j].File && list[i].Line < list[j].Line })
	return list
}
