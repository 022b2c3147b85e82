package firewalld

import (
	"encoding/binary"
	"fmt"
	"net"

	nft "github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"fwknopd/enforce"
)

// endedPriority is behind the tracking of connections and before each chain of firewalld.
const endedPriority nft.ChainPriority = -190

// endedBefore reports whether a process has left the table.
func endedBefore() bool {
	conn, err := nft.New()
	if err != nil {
		return false
	}
	defer conn.CloseLasting()
	t, err := conn.ListTableOfFamily(endedTable, nft.TableFamilyINet)
	return err == nil && t != nil
}

// writeEnded makes the table one that drops new connections of some grants of one port, but for
// those of the grants that pass. Without grants to drop, it removes the table.
func writeEnded(pass, drop []enforce.Grant) error {
	conn, err := nft.New()
	if err != nil {
		return fmt.Errorf("connect to nf_tables: %w", err)
	}
	defer conn.CloseLasting()
	t := &nft.Table{Family: nft.TableFamilyINet, Name: endedTable}
	conn.AddTable(t) // so that there is one to delete
	conn.DelTable(t)
	if len(drop) > 0 {
		conn.AddTable(t)
		priority := endedPriority
		chain := conn.AddChain(&nft.Chain{
			Table: t, Name: "ended", Type: nft.ChainTypeFilter, Hooknum: nft.ChainHookPrerouting, Priority: &priority,
		})
		for _, g := range pass {
			conn.AddRule(&nft.Rule{Table: t, Chain: chain, Exprs: append(begins(g), &expr.Verdict{Kind: expr.VerdictReturn})})
		}
		for _, g := range drop {
			conn.AddRule(&nft.Rule{Table: t, Chain: chain, Exprs: append(begins(g), &expr.Verdict{Kind: expr.VerdictDrop})})
		}
	}
	return conn.Flush()
}

// begins is what matches the packet that begins a connection of a grant of one port, before its
// destination is translated.
func begins(g enforce.Grant) []expr.Any {
	family, src, dst := byte(unix.NFPROTO_IPV4), uint32(12), uint32(16) // offsets of RFC 791
	if g.Src.Is6() {
		family, src, dst = unix.NFPROTO_IPV6, 8, 24 // and of RFC 8200
	}
	equal := func(data []byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: data} }
	load := func(base expr.PayloadBase, offset, n uint32) expr.Any {
		return &expr.Payload{DestRegister: 1, Base: base, Offset: offset, Len: n}
	}
	source := g.Source().Masked()
	addr := source.Addr().AsSlice()
	size := uint32(len(addr))
	exprs := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, equal([]byte{family}),
		load(expr.PayloadBaseNetworkHeader, src, size),
	}
	if source.Bits() < 8*len(addr) {
		exprs = append(exprs, &expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: size, Mask: net.CIDRMask(source.Bits(), 8*len(addr)), Xor: make([]byte, size)})
	}
	exprs = append(exprs, equal(addr))
	switch {
	case g.Dst.IsValid():
		exprs = append(exprs, load(expr.PayloadBaseNetworkHeader, dst, size), equal(g.Dst.AsSlice()))
	case g.NAT == nil: // its rule is for packets to this host
		exprs = append(exprs, &expr.Fib{Register: 1, ResultADDRTYPE: true, FlagDADDR: true}, equal(binaryutil.NativeEndian.PutUint32(unix.RTN_LOCAL)))
	}
	if !g.All {
		p := g.Ports[0]
		exprs = append(exprs, &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, equal([]byte{byte(p.Proto)}))
		if p.HasNumber() {
			exprs = append(exprs, load(expr.PayloadBaseTransportHeader, 2, 2), equal(binary.BigEndian.AppendUint16(nil, p.Number)))
		}
	}
	return append(exprs,
		&expr.Ct{Key: expr.CtKeySTATE, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(expr.CtStateBitNEW), Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)})
}
