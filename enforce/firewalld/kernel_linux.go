package firewalld

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	nft "github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"fwknopd/enforce"
	"fwknopd/enforce/ruleset"
)

// errNoTable: firewalld has no table in nf_tables; it may have iptables for its rules.
var errNoTable = errors.New("firewalld left no table in nf_tables")

// removeFromKernel removes the rules of a grant of one port that a firewalld which has died
// left in its table. It is not for one that lives: it would go on to count them.
func removeFromKernel(g enforce.Grant) error {
	conn, err := nft.New()
	if err != nil {
		return fmt.Errorf("connect to nf_tables: %w", err)
	}
	defer conn.CloseLasting()
	chains, err := conn.ListChainsOfTableFamily(nft.TableFamilyINet)
	if err != nil {
		return fmt.Errorf("list chains: %w", err)
	}
	found := false
	for _, c := range chains {
		if c.Table.Name != ruleset.FirewalldTable {
			continue
		}
		found = true
		if !strings.HasSuffix(c.Name, "_pre") { // where firewalld has rules with a priority below 0
			continue
		}
		rules, err := conn.GetRules(c.Table, c)
		if err != nil {
			return fmt.Errorf("list rules of %s: %w", c.Name, err)
		}
		for _, r := range rules {
			if !isRuleOf(r.Exprs, g) {
				continue
			}
			if err := conn.DelRule(r); err != nil {
				return err
			}
		}
	}
	if !found {
		return errNoTable
	}
	return conn.Flush()
}

// isRuleOf reports whether a rule is that of a grant of one port: it accepts or translates, and
// compares with the values of the grant alone, each of them.
func isRuleOf(exprs []expr.Any, g enforce.Grant) bool {
	wanted := valuesOf(g)
	ends := false
	for _, e := range exprs {
		switch e := e.(type) {
		case *expr.Cmp:
			i := indexOf(wanted, e.Data)
			if e.Op != expr.CmpOpEq || i < 0 {
				return false
			}
			wanted = append(wanted[:i], wanted[i+1:]...)
		case *expr.Verdict:
			ends = e.Kind == expr.VerdictAccept && g.NAT == nil
		case *expr.NAT:
			ends = g.NAT != nil
		case *expr.Lookup, *expr.Bitwise, *expr.Range, *expr.Limit, *expr.Ct:
			return false
		}
	}
	return ends && len(wanted) == 0
}

// valuesOf returns what a rule of a grant compares fields of a packet with.
func valuesOf(g enforce.Grant) (values [][]byte) {
	family := byte(unix.NFPROTO_IPV4)
	if g.Src.Is6() {
		family = unix.NFPROTO_IPV6
	}
	src := g.Src.AsSlice()
	if g.Bits != 0 { // nft compares whole bytes; of other prefixes it masks an address
		src = src[:g.Bits/8]
	}
	values = [][]byte{{family}, src}
	if g.Dst != (netip.Addr{}) {
		values = append(values, g.Dst.AsSlice())
	}
	if g.All {
		return values
	}
	p := g.Ports[0]
	values = append(values, []byte{byte(p.Proto)})
	if p.HasNumber() {
		values = append(values, binary.BigEndian.AppendUint16(nil, p.Number))
	}
	return values
}

func indexOf(values [][]byte, data []byte) int {
	for i, v := range values {
		if bytes.Equal(v, data) {
			return i
		}
	}
	return -1
}
