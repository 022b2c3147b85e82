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
	"fwknopd/policy/conf"
)

// An external is a pair of configured commands that opens and closes in place of
// firewall rules: EXTERNAL_CMD_* of 1.9 or CMD_CYCLE_* of 2.6.
type external struct {
	open, close []word
	env         []word        // variables of the environment, for a shell
	timeout     time.Duration // of each run
	cycle       bool          // the variables and the clock of CMD_CYCLE
	timer       time.Duration // CMD_CYCLE_TIMER
}

// newExternal returns the commands of a stanza, nil if firewall rules serve it.
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

// ExternalLimits says what a stanza's external commands can become, in the form in
// which the privileged side checks them; none if firewall rules serve it.
func ExternalLimits(st *conf.Stanza, s *conf.Server) ([]enforce.ExternalLimit, error) {
	x, err := newExternal(st, s)
	if x == nil || err != nil {
		return nil, err
	}
	return []enforce.ExternalLimit{{Open: limits(x.open), Close: limits(x.close), Env: limits(x.env), Timeout: x.timeout}}, nil
}

// A value is what a variable stands for in one grant.
type value uint8

const (
	literal       value = iota // fixed when the configuration is loaded
	clientAddress              // the address to let in
	packetSource
	packetDest
	portNumber
	protoName
	protoNumber
	endEpoch
	clientSeconds
)

// variable is a name in a command and what it stands for; text is that of a
// literal.
type variable struct {
	value value
	text  string
}

// cycleVariables are those of CMD_CYCLE_*.
var cycleVariables = map[string]variable{
	"IP":             {value: clientAddress},
	"SRC":            {value: clientAddress},
	"PKT_SRC":        {value: packetSource},
	"DST":            {value: packetDest},
	"PORT":           {value: portNumber},
	"PROTO":          {value: protoNumber},
	"TIMEOUT":        {value: endEpoch},
	"CLIENT_TIMEOUT": {value: clientSeconds},
}

// variables are those of EXTERNAL_CMD_*: three of the packet, and the keywords of
// the stanza, of which conf leaves out the secrets.
func variables(st *conf.Stanza, prefix string) map[string]variable {
	vars := make(map[string]variable, len(st.Vars)+3)
	for name, text := range st.Vars {
		vars[prefix+name] = variable{text: text}
	}
	vars[prefix+"SRC"] = variable{value: clientAddress}
	vars[prefix+"PORT"] = variable{value: portNumber}
	vars[prefix+"PROTO"] = variable{value: protoName}
	return vars
}

// A word is one argument in pieces: literal text and values of the packet by
// turns. Whatever a value holds, it stays inside its argument.
type word []variable

// compile cuts a command line into arguments and finds the variables in it: the
// longest name that fits counts. Unknown ones stand as they are; in CMD_CYCLE they
// lose their dollar sign.
func compile(line string, vars map[string]variable, cycle bool) ([]word, error) {
	names := byLength(vars)
	cut, err := quote.External.Words(line, func(text string) int { return len(longest(names, text)) })
	if err != nil {
		return nil, fmt.Errorf("external command: %w", err)
	}
	words := make([]word, len(cut))
	for i, parts := range cut {
		for _, p := range parts {
			switch {
			case !p.Variable:
				words[i] = words[i].with(variable{text: p.Text})
			case p.Text != "":
				words[i] = words[i].with(vars[p.Text])
			case !cycle:
				words[i] = words[i].with(variable{text: "$"})
			}
		}
	}
	return words, nil
}

// byLength are the names of variables, the longest first.
func byLength(vars map[string]variable) []string {
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

// merge joins the last two pieces if both are literal.
func (w word) merge() word {
	n := len(w)
	if n < 2 || w[n-1].value != literal || w[n-2].value != literal {
		return w
	}
	w[n-2].text += w[n-1].text
	return w[:n-1]
}

// limitValues are the values as [enforce.Limits] knows them.
var limitValues = [...]enforce.Value{
	literal:       enforce.Literal,
	clientAddress: enforce.ClientAddr,
	packetSource:  enforce.AnyAddr,
	packetDest:    enforce.AnyAddr,
	portNumber:    enforce.PortNumber,
	protoName:     enforce.ProtoByName,
	protoNumber:   enforce.ProtoByNumber,
	endEpoch:      enforce.EndEpoch,
	clientSeconds: enforce.AnySeconds,
}

// limits is the form of [enforce.Limits].
func limits(words []word) []enforce.Word {
	out := make([]enforce.Word, len(words))
	for i, w := range words {
		for _, p := range w {
			out[i] = append(out[i], enforce.Piece{Value: limitValues[p.value], Text: p.text})
		}
	}
	return out
}

// apply makes of g a grant that runs the commands.
func (x *external) apply(g *enforce.Grant, r *request) {
	if x.cycle && x.timer > 0 && (!r.msg.HasTimeout || r.msg.Timeout == 0) {
		g.Expires = r.now.Add(x.timer)
	}
	v := values(g, r)
	g.External = &enforce.External{Open: argv(x.open, v), Close: argv(x.close, v), Env: argv(x.env, v), Timeout: x.timeout}
}

// values are the texts of one grant. The port is the first that was asked for.
func values(g *enforce.Grant, r *request) map[value]string {
	port := enforce.Port(r.msg.Ports[0])
	v := map[value]string{
		clientAddress: g.Src.String(),
		packetSource:  r.src().String(),
		packetDest:    addrText(r.ev.Dst.Addr()),
		portNumber:    strconv.Itoa(int(port.Number)),
		protoName:     enforce.ProtoName(port.Proto),
		protoNumber:   strconv.Itoa(int(port.Proto)),
		endEpoch:      "0",
		clientSeconds: strconv.FormatUint(uint64(r.msg.Timeout), 10),
	}
	if !g.Expires.IsZero() {
		v[endEpoch] = strconv.FormatInt(g.Expires.Unix(), 10)
	}
	return v
}

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return "0.0.0.0"
	}
	return a.String()
}

// argv fills the values in.
func argv(words []word, values map[value]string) []string {
	if len(words) == 0 {
		return nil
	}
	args := make([]string, len(words))
	for i, w := range words {
		for _, p := range w {
			if p.value == literal {
				args[i] += p.text
			} else {
				args[i] += values[p.value]
			}
		}
	}
	return args
}
