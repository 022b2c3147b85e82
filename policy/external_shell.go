package policy

import (
	"maps"
	"slices"
	"strings"

	"fwknopd/enforce"
	"fwknopd/policy/conf"
)

// useShell has a shell run both commands. Their texts are those of the configuration,
// to the last byte: what the packet says is in the environment alone, and so is what
// the texts mention of the stanza.
func (x *external) useShell(shell, open, end string, vars map[string]enforce.Piece, prefix string) {
	run := func(text string) []enforce.Word {
		if text == "" {
			return nil
		}
		return []enforce.Word{{{Text: shell}}, {{Text: "-c"}}, {{Text: text}}}
	}
	x.open, x.close = run(open), run(end)
	all := maps.Clone(vars)
	for name, v := range cycleVariables {
		if _, taken := all[prefix+name]; !taken {
			all[prefix+name] = v
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		v := all[name]
		if v.Value != enforce.Literal || isVariable(name) && (mentions(open, name) || mentions(end, name)) {
			x.env = append(x.env, enforce.Word{{Text: name + "="}, v})
		}
	}
}

// isVariable reports a name that a shell can have.
func isVariable(name string) bool {
	other := func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}
	return name != "" && (name[0] < '0' || name[0] > '9') && !strings.ContainsFunc(name, other)
}

func mentions(text, name string) bool {
	return strings.Contains(text, "$"+name) || strings.Contains(text, "${"+name)
}

// ShellSyntax finds in the external commands of a stanza what only a shell understands,
// where none runs them: in which keyword, and what.
func ShellSyntax(st *conf.Stanza, s *conf.Server) (keyword, syntax string) {
	if st.ExternalShell || st.Mode != conf.ModeSPA {
		return "", ""
	}
	vars, commands := variables(st, s.ExternalPrefix), [][2]string{{"EXTERNAL_CMD_OPEN", st.ExternalOpen}, {"EXTERNAL_CMD_CLOSE", st.ExternalClose}}
	if st.CycleOpen != "" {
		vars, commands = cycleVariables, [][2]string{{"CMD_CYCLE_OPEN", st.CycleOpen}, {"CMD_CYCLE_CLOSE", st.CycleClose}}
	}
	names := byLength(vars)
	for _, c := range commands {
		if found := enforce.ShellSyntax(c[1], func(text string) int { return len(longest(names, text)) }); found != "" {
			return c[0], found
		}
	}
	return "", ""
}
