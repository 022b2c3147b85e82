package enforce

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An ExternalLimit is a pair of configured commands.
type ExternalLimit struct {
	Open, Close []Word
	Env         []Word
	Timeout     time.Duration
}

// A Word is one argument of a configured command: literal text and values by turns,
// as in "--from=$SRC".
type Word []Piece

// A Piece of a [Word] is text as configured, or the place of a value.
type Piece struct {
	Value Value
	Text  string // of a Literal
}

// Value says what stands in the place of a variable.
type Value uint8

// The values but the last three follow from the grant and are recomputed; those three
// are told by the packet alone, and held to their form.
const (
	Literal    Value = iota
	ClientAddr       // Grant.Src
	PortNumber       // number, protocol by name and by number of one of Grant.Ports
	ProtoByName
	ProtoByNumber
	EndEpoch      // Grant.Expires as Unix seconds, 0 for none
	PacketSource  // an address
	PacketDest    // an address
	ClientSeconds // a number
)

// Fill returns the argument of a grant, whose variables of a port are those of p.
// packet tells the values that do not follow from the grant. Whatever a value holds, it
// stays inside the argument.
func (w Word) Fill(g Grant, p Port, packet func(Value) string) string {
	var arg strings.Builder
	for _, piece := range w {
		text, ok := piece.text(g, p)
		if !ok {
			text = packet(piece.Value)
		}
		arg.WriteString(text)
	}
	return arg.String()
}

// text is what the piece stands for, false if only the packet tells.
func (piece Piece) text(g Grant, p Port) (string, bool) {
	switch piece.Value {
	case Literal:
		return piece.Text, true
	case ClientAddr:
		return g.Src.String(), true
	case PortNumber:
		return strconv.Itoa(int(p.Number)), true
	case ProtoByName:
		return ProtoName(p.Proto), true
	case ProtoByNumber:
		return strconv.Itoa(int(p.Proto)), true
	case EndEpoch:
		if g.Expires.IsZero() {
			return "0", true
		}
		return strconv.FormatInt(g.Expires.Unix(), 10), true
	}
	return "", false
}

// checkExternal compares the arguments with what the configured commands become
// with the values of g. asked are its ports as the client spelled them: the values
// are those of one of them, the same in all arguments.
func (a *Allowance) checkExternal(g Grant, requested []Port) error {
	if g.External == nil || g.NAT != nil || g.Output || g.Dst.IsValid() {
		return fmt.Errorf("%w: rules in place of commands", ErrForm)
	}
	for _, l := range a.External {
		matches := func(p Port) bool {
			return matchWords(l.Open, g.External.Open, g, p) && matchWords(l.Close, g.External.Close, g, p) && matchWords(l.Env, g.External.Env, g, p)
		}
		if g.External.Timeout == l.Timeout && slices.ContainsFunc(requested, matches) {
			return nil
		}
	}
	return fmt.Errorf("%w: external", ErrCommand)
}

func matchWords(words []Word, argv []string, g Grant, p Port) bool {
	if len(words) != len(argv) {
		return false
	}
	for i := range words {
		if !words[i].template(g, p).match(argv[i]) {
			return false
		}
	}
	return true
}

// A template is a word with what the grant says filled in, cut where values go that
// only the packet told: {"--from=", ""} is "--from=$PKT_SRC".
type template []string

func (w Word) template(g Grant, p Port) template {
	t := template{""}
	for _, piece := range w {
		text, ok := piece.text(g, p)
		if !ok {
			t = append(t, "")
		}
		t[len(t)-1] += text
	}
	return t
}

// match reports whether arg is t with values filled in. The pieces are found from
// the left at their first place and the last at the end, which for what values look
// like is enough: they can hide nothing.
func (t template) match(arg string) bool {
	if len(arg) > maxExternal {
		return false
	}
	if len(t) == 1 {
		return arg == t[0]
	}
	rest, ok := strings.CutPrefix(arg, t[0])
	if !ok {
		return false
	}
	valid := isValue
	for _, piece := range t[1 : len(t)-1] {
		if piece == "" { // no text between two values: nobody can tell them apart
			valid = isAdjacentValues
			continue
		}
		value, after, ok := strings.Cut(rest, piece)
		if !ok || !valid(value) {
			return false
		}
		rest, valid = after, isValue
	}
	value, ok := strings.CutSuffix(rest, t[len(t)-1])
	return ok && valid(value)
}

// isValue admits what only the packet tells: one address or a number. Networks are
// none, nor words such as "any".
func isValue(s string) bool {
	return isAddr(s) || s != "" && strings.Trim(s, "0123456789") == ""
}

// isAdjacentValues admits values side by side; never "-", that a program would take for an
// option, or "/".
func isAdjacentValues(s string) bool {
	return s != "" && strings.Trim(s, "0123456789abcdef.:") == ""
}
