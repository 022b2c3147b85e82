package nftables

import (
	nft "github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"
)

// firstReg is NFT_REG32_00: a key lies in four-byte registers from here on.
const firstReg = 8

// Offsets in the IP headers (RFC 791, RFC 8200) and the transport header.
const (
	srcOffset4, dstOffset4 = 12, 16
	srcOffset6, dstOffset6 = 8, 24
	srcPort, dstPort       = 0, 2
)

// lookupRule is the rule that uses a set, as in
// "ip saddr . meta l4proto . th dport @fwknop_input4 accept".
func (id setID) lookupRule(t *nft.Table) *nft.Rule {
	var exprs []expr.Any
	if t.Family == nft.TableFamilyINet {
		exprs = append(exprs, matchFamily(id.v6)...)
	}
	exprs = append(exprs, id.loadKey()...)
	lookup := &expr.Lookup{SourceRegister: firstReg, SetName: id.String()}
	if id.isMap() {
		lookup.IsDestRegSet, lookup.DestRegister = true, firstReg
	}
	exprs = append(exprs, lookup)
	return &nft.Rule{
		Table: t, Chain: &nft.Chain{Table: t, Name: id.role.chain()},
		Exprs:    append(exprs, id.verdict()...),
		UserData: userdata.AppendString(nil, userdata.TypeComment, id.String()),
	}
}

func matchFamily(v6 bool) []expr.Any {
	proto := byte(unix.NFPROTO_IPV4)
	if v6 {
		proto = unix.NFPROTO_IPV6
	}
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{proto}},
	}
}

// loadKey puts the fields of the key into consecutive registers.
func (id setID) loadKey() (exprs []expr.Any) {
	reg := uint32(firstReg)
	peer, local, port := id.offsets()
	exprs = append(exprs, id.loadAddr(&reg, peer))
	if id.shape&withLocal != 0 {
		exprs = append(exprs, id.loadAddr(&reg, local))
	}
	if id.shape&withProto != 0 {
		exprs = append(exprs, &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg})
		reg++
	}
	if id.shape&withPort != 0 {
		exprs = append(exprs, &expr.Payload{
			DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: port, Len: 2,
		})
	}
	return exprs
}

func (id setID) loadAddr(reg *uint32, offset uint32) expr.Any {
	n := uint32(id.addrLen())
	load := &expr.Payload{DestRegister: *reg, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: n}
	*reg += n / 4
	return load
}

// offsets says where the client's address, the other address and our port are:
// on the way out everything is the other way round.
func (id setID) offsets() (peer, local, port uint32) {
	src, dst := uint32(srcOffset4), uint32(dstOffset4)
	if id.v6 {
		src, dst = srcOffset6, dstOffset6
	}
	if id.role == Output {
		return dst, src, srcPort
	}
	return src, dst, dstPort
}

func (id setID) verdict() []expr.Any {
	switch {
	case id.masquerade:
		return []expr.Any{&expr.Masq{}}
	case !id.isMap():
		return []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}
	}
	nat := &expr.NAT{Type: expr.NATTypeSourceNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: firstReg}
	if id.role == DNAT {
		nat.Type = expr.NATTypeDestNAT
	}
	if id.v6 {
		nat.Family = unix.NFPROTO_IPV6
	}
	if id.mapsPort() {
		nat.RegProtoMin = firstReg + uint32(id.addrLen())/4
	}
	return []expr.Any{nat}
}

// jumpRule leads from a base chain to ours.
func jumpRule(t *nft.Table, base string, to string) *nft.Rule {
	return &nft.Rule{
		Table: t, Chain: &nft.Chain{Table: t, Name: base},
		Exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: to}},
	}
}

// isJump reports whether r does nothing but jump to the chain (and count).
func isJump(r *nft.Rule, to string) bool {
	jumps := false
	for _, e := range r.Exprs {
		switch e := e.(type) {
		case *expr.Counter:
		case *expr.Verdict:
			jumps = e.Kind == expr.VerdictJump && e.Chain == to
		default:
			return false
		}
	}
	return jumps
}

// ruleComment is what lookupRule wrote.
func ruleComment(r *nft.Rule) string {
	comment, _ := userdata.GetString(r.UserData, userdata.TypeComment)
	return comment
}
