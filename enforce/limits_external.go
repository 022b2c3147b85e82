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

// A Word is one argument of a configured command: a sequence of literal texts and values,
// as in "--from=$SRC".
type Word []Piece

// A Piece of a [Word] is literal text or a value.
type Piece struct {
	Value Value
	Text  string // of a Literal
}

// Value is the value of a variable.
type Value uint8

// All values but the last three are derived from the grant. Those three are only known
// from the packet; their form is checked.
const (
	Literal    Value = iota
	ClientAddr       // Grant.Src; with Bits ADDRESS/BITS
	PortNumber       // number, protocol by name and by number of one of Grant.Ports
	ProtoByName
	ProtoByNumber
	EndEpoch      // Grant.Expires as Unix seconds, 0 for none
	PacketSource  // an address
	PacketDest    // an address
	ClientSeconds // a number
)

// Fill returns the argument for a grant and one of its ports, p. packet returns the
// values that are not derived from the grant. A value cannot end the argument.
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

// text returns the text of the piece, false if its value is only known from the packet.
func (piece Piece) text(g Grant, p Port) (string, bool) {
	switch piece.Value {
	case Literal:
		return piece.Text, true
	case ClientAddr:
		return g.SourceText(), true
	case PortNumber:
		return strconv.Itoa(int(p.Number)), true
	case ProtoByName:
		return p.Proto.String(), true
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

// checkExternal compares the arguments with the configured commands after substitution of
// the values of g. requested are its ports before normalization: the values are those of
// one of them, the same in all arguments.
func (a *Allowance) checkExternal(g Grant, requested []Port) error {
	if g.External == nil || g.NAT != nil || g.Output || g.Dst.IsValid() {
		return fmt.Errorf("%w: rules in place of commands", errForm)
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

// A template is a word with the values of the grant substituted, split at values that are
// only known from the packet: {"--from=", ""} is "--from=$PKT_SRC".
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

// match reports whether arg is t with values substituted. Each piece is searched from the
// left and the last at the end. No backtracking is needed, because each value between them
// must have the form of a value.
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
		if piece == "" { // no text between two values: they cannot be separated
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

// isValue reports whether s has the form of a value from the packet: an address or a
// number, not a network or a word such as "any".
func isValue(s string) bool {
	return isAddr(s) || s != "" && strings.Trim(s, "0123456789") == ""
}

// isAdjacentValues reports whether s can be values without text between them. It excludes
// "-", which could begin an option, and "/".
func isAdjacentValues(s string) bool {
	return s != "" && strings.Trim(s, "0123456789abcdef.:") == ""
}
