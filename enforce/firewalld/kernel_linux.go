package firewalld

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
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

// isRuleOf reports whether a rule is that of a grant of one port: it compares each of the fields
// that ours do with the value of the grant, and nothing else, and accepts or translates.
func isRuleOf(exprs []expr.Any, g enforce.Grant) bool {
	r := reading{wanted: wantedOf(g), mask: maskOf(g), v6: g.Src.Is6(),
		loaded: make(map[uint32]field), masked: make(map[uint32][]byte), values: make(map[uint32][]byte)}
	ends := false
	for _, e := range exprs {
		switch e := e.(type) {
		case *expr.Verdict:
			ends = e.Kind == expr.VerdictAccept && g.NAT == nil
		case *expr.NAT:
			ends = g.NAT != nil && r.leadsTo(e, g.NAT.Target)
		default:
			if !r.step(e) {
				return false
			}
		}
	}
	return ends && len(r.wanted) == 0
}

// A field is one of those of a packet that rules of grants compare.
type field uint8

const (
	noField field = iota
	familyField
	protoField
	srcField
	dstField
	portField
)

// wantedOf returns what a rule of a grant compares fields with.
func wantedOf(g enforce.Grant) map[field][]byte {
	family := byte(unix.NFPROTO_IPV4)
	if g.Src.Is6() {
		family = unix.NFPROTO_IPV6
	}
	wanted := map[field][]byte{familyField: {family}, srcField: g.Src.AsSlice()}
	if g.Bits != 0 && maskOf(g) == nil {
		wanted[srcField] = wanted[srcField][:g.Bits/8]
	}
	if g.Dst.IsValid() {
		wanted[dstField] = g.Dst.AsSlice()
	}
	if g.All {
		return wanted
	}
	p := g.Ports[0]
	wanted[protoField] = []byte{byte(p.Proto)}
	if p.HasNumber() {
		wanted[portField] = binary.BigEndian.AppendUint16(nil, p.Number)
	}
	return wanted
}

// maskOf returns the mask that a rule puts on a source that is a prefix of no whole bytes, nil
// for others: of those nft loads the bytes of the prefix alone.
func maskOf(g enforce.Grant) []byte {
	if g.Bits%8 == 0 {
		return nil
	}
	return net.CIDRMask(int(g.Bits), g.Src.BitLen())
}

// A reading is the state of one pass over the expressions of a rule.
type reading struct {
	wanted map[field][]byte // not compared yet
	mask   []byte           // that the source must have
	v6     bool
	loaded map[uint32]field  // by register
	masked map[uint32][]byte // the mask of a source, by register
	values map[uint32][]byte // constants, by register
}

// step takes in an expression; false if no rule of ours has it.
func (r *reading) step(e expr.Any) bool {
	switch e := e.(type) {
	case *expr.Counter:
	case *expr.Meta:
		f := map[expr.MetaKey]field{expr.MetaKeyNFPROTO: familyField, expr.MetaKeyL4PROTO: protoField}[e.Key]
		r.loaded[e.Register] = f
		return f != noField
	case *expr.Payload:
		f := fieldAt(e, r.v6)
		r.loaded[e.DestRegister] = f
		return f != noField
	case *expr.Bitwise:
		r.masked[e.DestRegister] = e.Mask
		return e.SourceRegister == e.DestRegister && r.loaded[e.DestRegister] == srcField && len(bytes.Trim(e.Xor, "\x00")) == 0
	case *expr.Immediate:
		r.values[e.Register] = e.Data
	case *expr.Cmp:
		return r.compare(e)
	default:
		return false
	}
	return true
}

// compare takes a field off those that are wanted, if it is compared with its value.
func (r *reading) compare(e *expr.Cmp) bool {
	f := r.loaded[e.Register]
	value, wanted := r.wanted[f]
	delete(r.wanted, f)
	if f == srcField && !bytes.Equal(r.masked[e.Register], r.mask) {
		return false
	}
	return wanted && e.Op == expr.CmpOpEq && bytes.Equal(value, e.Data)
}

// leadsTo reports whether a translation is to the target of a grant.
func (r *reading) leadsTo(e *expr.NAT, target netip.AddrPort) bool {
	port := binary.BigEndian.AppendUint16(nil, target.Port())
	return e.Type == expr.NATTypeDestNAT && bytes.Equal(r.values[e.RegAddrMin], target.Addr().AsSlice()) && bytes.HasPrefix(r.values[e.RegProtoMin], port)
}

// fieldAt returns which field a load is of, by its place in the header (RFC 791, 8200, 9293).
func fieldAt(e *expr.Payload, v6 bool) field {
	proto, src, dst := uint32(9), uint32(12), uint32(16)
	if v6 {
		proto, src, dst = 6, 8, 24
	}
	switch {
	case e.Base == expr.PayloadBaseTransportHeader && e.Offset == 2 && e.Len == 2:
		return portField
	case e.Base != expr.PayloadBaseNetworkHeader:
		return noField
	}
	return map[uint32]field{proto: protoField, src: srcField, dst: dstField}[e.Offset]
}
