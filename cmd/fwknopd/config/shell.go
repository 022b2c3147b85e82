package config

import (
	"fmt"

	"fwknopd/policy"
	"fwknopd/policy/conf"
)

// checkShellSyntax refuses external commands with shell syntax if they are not run by
// a shell: the operators would be passed as arguments to the first program, which might
// do something else and succeed.
func (l *Loaded) checkShellSyntax() conf.Problems {
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
