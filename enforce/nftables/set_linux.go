package nftables

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	nft "github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"

	"fwknopd/enforce"
)

// A shape is the fields of a packet that make the key of a set, in this order. The
// client's address is always the first.
type shape uint8

const (
	withLocal shape = 1 << iota // the other address: ours, or the DNAT target
	withProto
	withPort // only together with withProto
)

// shapes are all there are; the first is what most grants need.
var shapes = []shape{
	withProto | withPort, withLocal | withProto | withPort,
	withProto, withLocal | withProto,
	0, withLocal,
}

func (s shape) String() string {
	name := ""
	if s&withLocal != 0 {
		name += "_dst"
	}
	switch {
	case s&withProto == 0:
		name += "_all"
	case s&withPort == 0:
		name += "_proto"
	}
	return name
}

// A setID names one of our sets or maps within a table.
type setID struct {
	role       enforce.Role
	v6         bool
	shape      shape
	masquerade bool // in role SNAT: a plain set, not a map
	// bits is how many leading bits of the client's address the key has, the others are
	// cleared; 0: all. Each length has a set, so that its keys do not overlap.
	bits uint8
}

// String is the set's name: fwknop_input4, fwknop_dnat6_dst, fwknop_masquerade4_all,
// fwknop_input4_net24.
func (id setID) String() string {
	family := "4"
	if id.v6 {
		family = "6"
	}
	name := id.role.String()
	if id.masquerade {
		name = "masquerade"
	}
	name = "fwknop_" + name + family + id.shape.String()
	if id.bits != 0 {
		name += ofPrefixes + strconv.Itoa(int(id.bits))
	}
	return name
}

// ofPrefixes, with their length, ends the name of a set of prefixes.
const ofPrefixes = "_net"

// parseSetID is the inverse of setID.String; ok is false for a name that is none of ours.
func parseSetID(name string) (id setID, ok bool) {
	base, length, prefixes := strings.Cut(name, ofPrefixes)
	if id, ok = setIDs[base]; !ok || !prefixes {
		return id, ok
	}
	n, err := strconv.ParseUint(length, 10, 8)
	id.bits = uint8(n)
	return id, err == nil && n > 0 && int(n) < 8*id.addrLen() && id.String() == name
}

// setIDs are those of single addresses, by their names.
var setIDs = func() map[string]setID {
	ids := make(map[string]setID)
	for role := range roles {
		for _, s := range shapes {
			for _, v6 := range []bool{false, true} {
				for _, masq := range []bool{false, role == enforce.SNAT} {
					id := setID{role: role, v6: v6, shape: s, masquerade: masq}
					ids[id.String()] = id
				}
			}
		}
	}
	return ids
}()

// isMap reports whether elements have an address to rewrite to.
func (id setID) isMap() bool {
	return id.role == enforce.DNAT || id.role == enforce.SNAT && !id.masquerade
}

// mapsPort reports whether a map's value has a port behind the address.
func (id setID) mapsPort() bool { return id.role == enforce.DNAT && id.shape&withPort != 0 }

func (id setID) addrType() nft.SetDatatype {
	if id.v6 {
		return nft.TypeIP6Addr
	}
	return nft.TypeIPAddr
}

func (id setID) addrLen() int { return int(id.addrType().Bytes) }

func (id setID) keyTypes() []nft.SetDatatype {
	types := []nft.SetDatatype{id.addrType()}
	if id.shape&withLocal != 0 {
		types = append(types, id.addrType())
	}
	if id.shape&withProto != 0 {
		types = append(types, nft.TypeInetProto)
	}
	if id.shape&withPort != 0 {
		types = append(types, nft.TypeInetService)
	}
	return types
}

// set is the definition in a table.
func (id setID) set(t *nft.Table) *nft.Set {
	types := id.keyTypes()
	s := &nft.Set{
		Table: t, Name: id.String(), HasTimeout: true,
		KeyType: types[0], Concatenation: len(types) > 1, IsMap: id.isMap(),
	}
	if s.Concatenation {
		s.KeyType = nft.MustConcatSetType(types...)
	}
	if s.IsMap {
		s.DataType = id.addrType()
		if id.mapsPort() {
			s.DataType = nft.MustConcatSetType(id.addrType(), nft.TypeInetService)
		}
	}
	return s
}

// A key is the decoded form of a set key.
type key struct {
	peer, local netip.Addr
	proto       uint8
	port        uint16
}

// marshal pads each field to registers of four bytes, as the kernel wants
// concatenations.
func (id setID) marshal(k key) []byte {
	b := append(make([]byte, 0, 40), k.peer.AsSlice()...)
	if id.shape&withLocal != 0 {
		b = append(b, k.local.AsSlice()...)
	}
	if id.shape&withProto != 0 {
		b = append(b, k.proto, 0, 0, 0)
	}
	if id.shape&withPort != 0 {
		b = append(binary.BigEndian.AppendUint16(b, k.port), 0, 0)
	}
	return b
}

func (id setID) unmarshal(b []byte) (k key, ok bool) {
	n := id.addrLen()
	take := func(n int) []byte {
		if len(b) < n {
			b, n = nil, 0
		}
		field := b[:n]
		b = b[n:]
		return field
	}
	k.peer, ok = netip.AddrFromSlice(take(n))
	if ok && id.shape&withLocal != 0 {
		k.local, ok = netip.AddrFromSlice(take(n))
	}
	if ok && id.shape&withProto != 0 {
		f := take(4)
		if ok = len(f) == 4; ok {
			k.proto = f[0]
		}
	}
	if ok && id.shape&withPort != 0 {
		f := take(4)
		if ok = len(f) == 4; ok {
			k.port = binary.BigEndian.Uint16(f)
		}
	}
	return k, ok
}

// isMasked reports whether a client's address is one that a packet can have in this set.
func (id setID) isMasked(peer netip.Addr) bool {
	return id.bits == 0 || netip.PrefixFrom(peer, int(id.bits)).Masked().Addr() == peer
}

// marshalTarget is the value of a map.
func (id setID) marshalTarget(t netip.AddrPort) []byte {
	b := t.Addr().AsSlice()
	if id.mapsPort() {
		b = append(binary.BigEndian.AppendUint16(b, t.Port()), 0, 0)
	}
	return b
}

func (id setID) unmarshalTarget(b []byte) (netip.AddrPort, bool) {
	n := id.addrLen()
	if len(b) < n {
		return netip.AddrPort{}, false
	}
	addr, ok := netip.AddrFromSlice(b[:n])
	var port uint16
	if id.mapsPort() && len(b) >= n+2 {
		port = binary.BigEndian.Uint16(b[n:])
	}
	return netip.AddrPortFrom(addr, port), ok
}

// firstReg is NFT_REG32_00: a key lies in four-byte registers from here on.
const firstReg = 8

// Offsets in the IP headers (RFC 791, RFC 8200) and the transport header.
const (
	srcOffset4, dstOffset4 = 12, 16
	srcOffset6, dstOffset6 = 8, 24
	srcPort, dstPort       = 0, 2
)

// lookupRule is the rule that uses a set, as in
// "ip saddr . meta l4proto . th dport @fwknop_input4 accept". One that rewrites the
// destination is for what is sent to this host alone, not for what the client sends
// through it to the same port of another host.
func (id setID) lookupRule(t *nft.Table) *nft.Rule {
	var exprs []expr.Any
	if t.Family == nft.TableFamilyINet {
		exprs = append(exprs, matchFamily(id.v6)...)
	}
	switch id.role {
	case enforce.DNAT:
		exprs = append(exprs, matchLocal()...)
	case enforce.Guarded:
		exprs = append(exprs, matchOrigin()...)
	}
	exprs = append(exprs, id.loadKey()...)
	lookup := &expr.Lookup{SourceRegister: firstReg, SetName: id.String()}
	if id.isMap() {
		lookup.IsDestRegSet, lookup.DestRegister = true, firstReg
	}
	exprs = append(exprs, lookup)
	return &nft.Rule{
		Table: t, Chain: &nft.Chain{Table: t, Name: chainName(id.role)},
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

// matchLocal is "fib daddr type local".
func matchLocal() []expr.Any {
	return []expr.Any{
		&expr.Fib{Register: 1, ResultADDRTYPE: true, FlagDADDR: true},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.NativeEndian.PutUint32(rtnLocal)},
	}
}

// isOutdated reports whether an earlier version wrote a rule of our chain that rewrites
// the destination of what is sent to other hosts too.
func isOutdated(role enforce.Role, r *nft.Rule) bool {
	_, ours := parseSetID(ruleComment(r))
	return ours && role == enforce.DNAT && !slices.ContainsFunc(r.Exprs, func(e expr.Any) bool {
		_, ok := e.(*expr.Fib)
		return ok
	})
}

// loadKey puts the fields of the key into consecutive registers.
func (id setID) loadKey() (exprs []expr.Any) {
	reg := uint32(firstReg)
	peer, local, port := id.offsets()
	exprs = append(exprs, id.loadAddr(&reg, peer))
	if id.bits != 0 {
		exprs = append(exprs, id.maskPeer())
	}
	switch {
	case id.shape&withLocal == 0:
	case id.role == enforce.Guarded:
		exprs = append(exprs, loadOriginAddr(reg))
		reg += uint32(id.addrLen()) / 4
	default:
		exprs = append(exprs, id.loadAddr(&reg, local))
	}
	if id.shape&withProto != 0 {
		exprs = append(exprs, &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg})
		reg++
	}
	switch {
	case id.shape&withPort == 0:
	case id.role == enforce.Guarded:
		exprs = append(exprs, loadOriginPort(reg))
	default:
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

// maskPeer clears the bits of the client's address behind the prefix, as in
// "ip saddr & 255.255.255.0".
func (id setID) maskPeer() expr.Any {
	n := id.addrLen()
	mask := net.CIDRMask(int(id.bits), 8*n)
	return &expr.Bitwise{SourceRegister: firstReg, DestRegister: firstReg, Len: uint32(n), Mask: mask, Xor: make([]byte, n)}
}

// offsets returns where the client's address, the other address and our port are:
// on the output hook source and destination are exchanged.
func (id setID) offsets() (peer, local, port uint32) {
	src, dst := uint32(srcOffset4), uint32(dstOffset4)
	if id.v6 {
		src, dst = srcOffset6, dstOffset6
	}
	if id.role == enforce.Output {
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
	if id.role == enforce.DNAT {
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

// ruleComment returns the comment that lookupRule wrote.
func ruleComment(r *nft.Rule) string {
	comment, _ := userdata.GetString(r.UserData, userdata.TypeComment)
	return comment
}
