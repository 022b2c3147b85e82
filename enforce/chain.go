package enforce

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Chain is one value of IPT_INPUT_ACCESS and its kin: where our chain hangs and
// what its rules do.
type Chain struct {
	Target    string    // ACCEPT, DNAT, SNAT, MASQUERADE
	Direction Direction // which side of a packet the client's address is on
	Table     string    // filter, nat, …
	From      string    // the chain that jumps to ours
	JumpPos   int       // position of the jump in From, from 1
	To        string    // our chain
	RulePos   int       // position of new rules in To, from 1; 0 appends
}

// Direction is the second field of the seven-field form.
type Direction uint8

const (
	DirSrc  Direction = iota // src: rules match the client as source
	DirDst                   // dst: as destination
	DirBoth                  // both: a rule for each
)

// Errors of [ParseChain], wrapped with what was found.
var (
	ErrChainFields    = errors.New("want 5, 6 or 7 fields")
	ErrChainDirection = errors.New("direction is not src, dst or both")
	ErrChainTarget    = errors.New("target is not a name")
	ErrChainTable     = errors.New("no such table")
	ErrChainName      = errors.New("not a chain name")
	ErrChainPosition  = errors.New("position is not a number from 0 to 65536")
	ErrChainLoop      = errors.New("chain would jump to itself")
)

const (
	maxChainName = 28 // XT_EXTENSION_MAXNAMELEN less the end byte
	maxChainPos  = 65536
)

var tables = []string{"filter", "nat", "mangle", "raw", "security"}

// ParseChain reads a chain definition. Three forms are in use:
//
//	Target, Direction, Table, From, To
//	Target, Table, From, Jump_pos, To, Rule_pos
//	Target, Direction, Table, From, Jump_pos, To, Rule_pos
//
// The five-field form has both positions 1. The second is that of the C daemon,
// told by a table name in second place; it appends its rules.
func ParseChain(value string) (Chain, error) {
	f := strings.Split(value, ",")
	for i := range f {
		f[i] = strings.TrimSpace(f[i])
	}
	switch {
	case len(f) == 5:
		f = []string{f[0], f[1], f[2], f[3], "1", f[4], "1"}
	case len(f) == 6 && slices.Contains(tables, f[1]):
		f = []string{f[0], "", f[1], f[2], f[3], f[4], f[5]}
	case len(f) != 7:
		return Chain{}, fmt.Errorf("%w, got %d", ErrChainFields, len(f))
	}
	return parseChainFields(f)
}

func parseChainFields(f []string) (c Chain, err error) {
	c = Chain{Target: f[0], Table: f[2], From: f[3], To: f[5]}
	if c.Direction, err = parseDirection(f[1]); err != nil {
		return Chain{}, err
	}
	if c.JumpPos, err = parsePosition(f[4]); err != nil {
		return Chain{}, err
	}
	if c.RulePos, err = parsePosition(f[6]); err != nil {
		return Chain{}, err
	}
	if f[1] == "" {
		c.RulePos = 0
	}
	return c, c.check()
}

// check judges the names of the chain.
func (c Chain) check() error {
	if !isChainName(c.Target) {
		return fmt.Errorf("%w: %q", ErrChainTarget, c.Target)
	}
	if !slices.Contains(tables, c.Table) {
		return fmt.Errorf("%w: %q", ErrChainTable, c.Table)
	}
	for _, name := range []string{c.From, c.To} {
		if !isChainName(name) {
			return fmt.Errorf("%w: %q", ErrChainName, name)
		}
	}
	if c.From == c.To {
		return fmt.Errorf("%w: %q", ErrChainLoop, c.To)
	}
	return nil
}

func parseDirection(s string) (Direction, error) {
	switch strings.ToLower(s) {
	case "src", "":
		return DirSrc, nil
	case "dst":
		return DirDst, nil
	case "both":
		return DirBoth, nil
	}
	return 0, fmt.Errorf("%w: %q", ErrChainDirection, s)
}

// parsePosition reads 0 as 1: there is no place before the first.
func parsePosition(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n > maxChainPos {
		return 0, fmt.Errorf("%w: %q", ErrChainPosition, s)
	}
	return max(int(n), 1), nil
}

// isChainName admits what iptables takes and what needs no quoting anywhere:
// letters, digits, "_", "-" and ".", not starting with a "-".
func isChainName(s string) bool {
	if s == "" || len(s) > maxChainName || s[0] == '-' {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-', c == '.':
		default:
			return false
		}
	}
	return true
}
