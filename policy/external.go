package policy

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/quote"
	"fwknopd/enforce/schedule"
	"fwknopd/policy/conf"
)

// An external is a pair of configured commands that opens and closes in place of
// firewall rules: EXTERNAL_CMD_* of 1.9 or CMD_CYCLE_* of 2.6.
type external struct {
	open, close []enforce.Word
	env         []enforce.Word // variables of the environment, for a shell
	timeout     time.Duration  // of each run
	cycle       bool           // the variables and the clock of CMD_CYCLE
	timer       time.Duration  // CMD_CYCLE_TIMER
}

// newExternal returns the commands of a stanza, nil if it uses firewall rules.
func newExternal(st *conf.Stanza, s *conf.Server) (*external, error) {
	x := &external{timeout: cmp.Or(st.ExternalTimeout, s.ExternalTimeout), cycle: st.CycleOpen != ""}
	open, end := st.ExternalOpen, st.ExternalClose
	if x.cycle {
		x.timer = st.CycleTimer
		open, end = st.CycleOpen, st.CycleClose
	}
	if open == "" {
		return nil, nil
	}
	vars := variables(st, s.ExternalPrefix)
	if x.cycle {
		vars = cycleVariables
	}
	if st.ExternalShell {
		x.useShell(cmp.Or(s.Shell, "/bin/sh"), open, end, vars, s.ExternalPrefix)
		return x, nil
	}
	var err error
	if x.open, err = compile(open, vars, x.cycle); err == nil && len(x.open) == 0 {
		err = errors.New("external command is empty")
	}
	if err == nil {
		x.close, err = compile(end, vars, x.cycle)
	}
	return x, err
}

// ExternalLimits returns the limits by which the privileged process checks the external
// commands of a stanza; none if it uses firewall rules.
func ExternalLimits(st *conf.Stanza, s *conf.Server) ([]enforce.ExternalLimit, error) {
	x, err := newExternal(st, s)
	if x == nil || err != nil {
		return nil, err
	}
	return []enforce.ExternalLimit{{Open: x.open, Close: x.close, Env: x.env, Timeout: x.timeout}}, nil
}

// cycleVariables are those of CMD_CYCLE_*.
var cycleVariables = map[string]enforce.Piece{
	"IP":             {Value: enforce.ClientAddr},
	"SRC":            {Value: enforce.ClientAddr},
	"PKT_SRC":        {Value: enforce.PacketSource},
	"DST":            {Value: enforce.PacketDest},
	"PORT":           {Value: enforce.PortNumber},
	"PROTO":          {Value: enforce.ProtoByNumber},
	"TIMEOUT":        {Value: enforce.EndEpoch},
	"CLIENT_TIMEOUT": {Value: enforce.ClientSeconds},
}

// variables are those of EXTERNAL_CMD_*: three of the packet, and the keywords of
// the stanza, of which conf leaves out the secrets.
func variables(st *conf.Stanza, prefix string) map[string]enforce.Piece {
	vars := make(map[string]enforce.Piece, len(st.Vars)+3)
	for name, text := range st.Vars {
		vars[prefix+name] = enforce.Piece{Text: text}
	}
	vars[prefix+"SRC"] = enforce.Piece{Value: enforce.ClientAddr}
	vars[prefix+"PORT"] = enforce.Piece{Value: enforce.PortNumber}
	vars[prefix+"PROTO"] = enforce.Piece{Value: enforce.ProtoByName}
	return vars
}

// compile cuts a command line into arguments and finds the variables in it; the longest
// name that matches is used. Unknown ones are left as they are; in CMD_CYCLE they lose
// their dollar sign.
func compile(line string, vars map[string]enforce.Piece, cycle bool) ([]enforce.Word, error) {
	names := byLength(vars)
	cut, err := quote.External.Words(line, func(text string) int { return len(longest(names, text)) })
	if err != nil {
		return nil, fmt.Errorf("external command: %w", err)
	}
	words := make([]enforce.Word, len(cut))
	for i, parts := range cut {
		for _, p := range parts {
			switch {
			case !p.Variable:
				words[i] = append(words[i], enforce.Piece{Text: p.Text})
			case p.Text != "":
				words[i] = append(words[i], vars[p.Text])
			case !cycle:
				words[i] = append(words[i], enforce.Piece{Text: "$"})
			}
		}
	}
	return words, nil
}

// byLength are the names of variables, the longest first.
func byLength(vars map[string]enforce.Piece) []string {
	return slices.SortedFunc(maps.Keys(vars), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
}

// longest returns the first of names, which are sorted by length, that text begins
// with.
func longest(names []string, text string) string {
	for _, n := range names {
		if n != "" && strings.HasPrefix(text, n) {
			return n
		}
	}
	return ""
}

// apply makes g a grant that runs the commands.
func (x *external) apply(g *enforce.Grant, r *request, windows schedule.Windows) {
	if x.cycle && x.timer > 0 && (!r.msg.HasTimeout || r.msg.Timeout == 0) {
		g.Expires = windows.Until(r.now, r.now.Add(x.timer))
	}
	g.External = &enforce.External{Open: fill(x.open, g, r), Close: fill(x.close, g, r), Env: fill(x.env, g, r), Timeout: x.timeout}
}

// fill makes the arguments. The port is the first that was asked for.
func fill(words []enforce.Word, g *enforce.Grant, r *request) []string {
	var args []string
	for _, w := range words {
		args = append(args, w.Fill(*g, r.msg.Ports[0], r.packetValue))
	}
	return args
}

// packetValue returns a value that only the packet has.
func (r *request) packetValue(v enforce.Value) string {
	switch v {
	case enforce.PacketSource:
		return r.src().String()
	case enforce.PacketDest:
		return addrText(r.ev.Dst.Addr())
	}
	return strconv.FormatUint(uint64(r.msg.Timeout), 10) // enforce.ClientSeconds
}

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return "0.0.0.0"
	}
	return a.String()
}

// useShell has a shell run both commands. Their texts are those of the configuration,
// unchanged: the values of the packet, and those keywords of the stanza that the texts
// mention, are in the environment only.
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

// ShellSyntax returns the first shell syntax in the external commands of a stanza that
// are not run by a shell, and its keyword.
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
