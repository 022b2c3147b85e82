package config

import (
	"fmt"

	"fwknopd/policy"
	"fwknopd/policy/conf"
)

// shellSyntax refuses external commands that were written for a shell where none runs
// them: their operators would be arguments of the first program, which would do
// something else and succeed.
func (l *Loaded) shellSyntax() conf.Problems {
	var problems conf.Problems
	for i := range l.Access.Stanzas {
		s := &l.Access.Stanzas[i]
		keyword, syntax := policy.ShellSyntax(s, l.Server)
		if keyword == "" {
			continue
		}
		val := s.Values.Place(keyword)
		if !val.Set {
			val = l.Values.Place(keyword) // the pair of fwknop.conf
		}
		problems = append(problems, conf.Problem{Pos: val.Pos, Keyword: val.Name,
			Text: fmt.Sprintf("%s is for a shell, and none runs this command: EXTERNAL_CMD_SHELL Y has %s run it, quotes make it an argument", syntax, l.Server.Shell)})
	}
	return problems
}
