package conf

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A ChainSpec is one IPT_*_ACCESS value: which of our chains carries the
// rules and where the jump to it is.
type ChainSpec struct {
	Target    string // ACCEPT, DNAT, SNAT, MASQUERADE
	Direction string // src, dst or both
	Table     string // filter, nat, mangle, raw, security
	From      string // chain that jumps to ours
	JumpPos   int    // from 1; 0 appends
	To        string // our chain
	RulePos   int    // from 1; 0 appends
}

// maxChainPos and maxChainName bound the fields of a chain.
const (
	maxChainPos  = 65536
	maxChainName = 28 // the kernel's limit is 29 with the final NUL
)

var tables = map[string]bool{"filter": true, "nat": true, "mangle": true, "raw": true, "security": true}

// builtin are the chains of the kernel.
var builtin = map[string]bool{"INPUT": true, "OUTPUT": true, "FORWARD": true, "PREROUTING": true, "POSTROUTING": true}

// ParseChain reads the three forms: seven fields (1.9: target, direction, table,
// from, position, to, position), six (2.6: without direction) and the old five
// (without positions).
func ParseChain(text string) (ChainSpec, error) {
	f, err := parseList(text)
	if err != nil {
		return ChainSpec{}, err
	}
	if len(f) == 6 && tables[f[1]] {
		direction := "src"
		if f[0] == "ACCEPT" && f[2] == "OUTPUT" {
			direction = "dst"
		}
		f = append([]string{f[0], direction}, f[1:]...)
	}
	if len(f) == 5 && !tables[f[1]] {
		f = []string{f[0], f[1], f[2], f[3], "1", f[4], "1"}
	}
	if len(f) != 7 {
		return ChainSpec{}, fmt.Errorf("%d fields; wanted are target, direction, table, from chain, jump position, to chain, rule position, or that without direction", len(f))
	}
	var positions [2]int64
	for i, text := range []string{f[4], f[6]} {
		if positions[i], err = parseInt(text, 0, maxChainPos); err != nil {
			return ChainSpec{}, fmt.Errorf("position %w", err)
		}
	}
	c := ChainSpec{Target: f[0], Direction: f[1], Table: f[2], From: f[3], JumpPos: int(positions[0]), To: f[5], RulePos: int(positions[1])}
	return c, c.check()
}

func (c *ChainSpec) check() error {
	switch c.Direction {
	case "src", "dst", "both":
	default:
		return fmt.Errorf("direction %q is not src, dst or both", clip(c.Direction))
	}
	switch c.Target {
	case "ACCEPT", "DNAT", "SNAT", "MASQUERADE":
	default:
		return fmt.Errorf("target %q is not ACCEPT, DNAT, SNAT or MASQUERADE", clip(c.Target))
	}
	if !tables[c.Table] {
		return fmt.Errorf("%q is no table", clip(c.Table))
	}
	for _, n := range []string{c.From, c.To} {
		if err := checkName(n); err != nil {
			return err
		}
	}
	if c.From == c.To {
		return fmt.Errorf("the jump would lead from %s to itself", c.From)
	}
	if builtin[c.To] {
		return fmt.Errorf("%s is a chain of the kernel, not one of ours", c.To)
	}
	return nil
}

// String is the form with seven fields.
func (c ChainSpec) String() string {
	return strings.Join([]string{c.Target, c.Direction, c.Table, c.From, strconv.Itoa(c.JumpPos), c.To, strconv.Itoa(c.RulePos)}, ", ")
}

// An NFTChain names a base chain of nftables.
type NFTChain struct {
	Family string // ip, ip6, inet
	Table  string
	Chain  string
}

// IsZero reports that no chain was named.
func (n NFTChain) IsZero() bool { return n == NFTChain{} }

func parseNFT(text string) (NFTChain, error) {
	f, err := parseList(text)
	if err != nil {
		return NFTChain{}, err
	}
	if len(f) != 3 {
		return NFTChain{}, errors.New("wanted are family, table, chain")
	}
	switch f[0] {
	case "ip", "ip6", "inet":
	default:
		return NFTChain{}, fmt.Errorf("family %q is not ip, ip6 or inet", clip(f[0]))
	}
	for _, n := range f[1:] {
		if err := checkName(n); err != nil {
			return NFTChain{}, err
		}
	}
	return NFTChain{f[0], f[1], f[2]}, nil
}

// checkName accepts the names of chains and tables that no program needs quoted.
func checkName(name string) error {
	if name == "" || len(name) > maxChainName {
		return fmt.Errorf("%q is no name of 1 to %d characters", clip(name), maxChainName)
	}
	if name[0] == '-' {
		return fmt.Errorf("%q begins with a dash", clip(name))
	}
	for _, r := range name {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-.", r)) {
			return fmt.Errorf("%q has a character no name has", clip(name))
		}
	}
	return nil
}
