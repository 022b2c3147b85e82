package conf

import "fmt"

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
