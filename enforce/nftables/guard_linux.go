package nftables

import (
	"encoding/binary"
	"fmt"

	nft "github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"

	"fwknopd/enforce"
)

// ctOriginal is IP_CT_DIR_ORIGINAL. The library writes a direction with four bytes, of
// which the kernel reads the first: no other direction can be written that way.
const ctOriginal = 0

// matchOrigin is "ct state new ct direction original": a packet that begins a connection.
func matchOrigin() []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: 1},
		&expr.Bitwise{
			SourceRegister: 1, DestRegister: 1, Len: 4,
			Mask: binaryutil.NativeEndian.PutUint32(expr.CtStateBitNEW), Xor: make([]byte, 4),
		},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)},
		&expr.Ct{Key: expr.CtKeyDIRECTION, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{ctOriginal}},
	}
}

// loadOriginPort is "ct original proto-dst", the port before translation.
func loadOriginPort(register uint32) expr.Any {
	return &expr.Ct{Key: expr.CtKeyPROTODST, Register: register, Direction: ctOriginal}
}

// loadOriginAddr is "ct original daddr", the address before translation. In a table of
// family inet it takes four registers of which an IPv4 address fills the first; what is
// loaded next overwrites the others.
func loadOriginAddr(register uint32) expr.Any {
	return &expr.Ct{Key: expr.CtKeyDST, Register: register, Direction: ctOriginal}
}

// dropComment marks the drop of a guarded port.
func dropComment(p enforce.Port) string { return fmt.Sprintf("fwknop_guard drop %s", p) }

// dropRule is "meta l4proto tcp ct state new ct direction original ct original proto-dst 8080 drop".
func dropRule(t *nft.Table, p enforce.Port) *nft.Rule {
	exprs := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{byte(p.Proto)}},
	}
	exprs = append(exprs, matchOrigin()...)
	return &nft.Rule{
		Table: t, Chain: &nft.Chain{Table: t, Name: chainName(enforce.Guarded)},
		Exprs: append(exprs,
			loadOriginPort(1),
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binary.BigEndian.AppendUint16(nil, p.Number)},
			&expr.Verdict{Kind: expr.VerdictDrop}),
		UserData: userdata.AppendString(nil, userdata.TypeComment, dropComment(p)),
	}
}

// repairDrops queues the drops that are missing of those behind the lookups, by the comments
// of the rules that the chain has.
func (b *Backend) repairDrops(p *placement, rules map[string]bool) {
	for _, port := range b.cfg.Guard {
		if !rules[dropComment(port)] {
			b.conn.AddRule(dropRule(p.table, port))
		}
	}
}

// isStaleDrop reports whether a rule drops a port that is not guarded any more.
func (b *Backend) isStaleDrop(r *nft.Rule) bool {
	comment := ruleComment(r)
	if _, lookup := parseSetID(comment); lookup || comment == "" {
		return false
	}
	for _, port := range b.cfg.Guard {
		if comment == dropComment(port) {
			return false
		}
	}
	return true
}
