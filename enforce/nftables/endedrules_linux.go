package nftables

import (
	"time"

	nft "github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"

	"fwknopd/enforce"
)

// endedChain is our chain for packets of connections that have ended, in our own table: a
// reject there is final, whatever base chains accept.
const endedChain = "fwknop_ended"

// endedBases are the base chains that jump to it, by their names.
var endedBases = map[string]*nft.ChainHook{
	"ended_input": nft.ChainHookInput, "ended_forward": nft.ChainHookForward, "ended_output": nft.ChainHookOutput,
}

// isEndedBase reports whether a chain is one of endedBases. It drops nothing that a grant lets in.
func isEndedBase(c *nft.Chain) bool {
	_, ok := endedBases[c.Name]
	return ok && sameTable(c.Table, &ownTable)
}

// endedPriority is before the guard and the accepts.
var endedPriority = nft.ChainPriorityRef(*nft.ChainPriorityFilter - 2)

// Flags of a TCP header (RFC 9293) and the place of their byte.
const (
	tcpFlagsAt = 13
	tcpSYN     = 1 << 1
	tcpRST     = 1 << 2
	tcpACK     = 1 << 4
)

// opDelete is NFT_DYNSET_OP_DELETE, which the unix package lacks.
const opDelete = 2

// An endedRule is a rule of endedChain for one family.
type endedRule struct {
	name       string
	proto      enforce.Proto
	fromServer bool
	mask, want byte          // of the TCP flags
	renew      time.Duration // 0: the packet changes nothing
	delete     bool          // the element; the packet passes
}

// endedRules is what is done with packets, in this order. A SYN begins a new connection, which
// other rules decide on; if the server takes it, it does not have the ended one any more. (One
// that has answers with an acknowledgement.) A reset ends the connection at the other end too,
// and is what we send ourselves. What the client sends renews nothing: it could keep its
// elements for ever.
var endedRules = []endedRule{
	{name: "new", proto: enforce.TCP, fromServer: true, mask: tcpSYN | tcpACK | tcpRST, want: tcpSYN | tcpACK, delete: true},
	{name: "server", proto: enforce.TCP, fromServer: true, mask: tcpSYN | tcpRST, renew: resetTCP},
	{name: "client", proto: enforce.TCP, mask: tcpSYN | tcpRST},
	{name: "server", proto: enforce.UDP, fromServer: true, renew: endedUDP},
	{name: "client", proto: enforce.UDP},
}

// comment names the rule. mute: it drops.
func (r *endedRule) comment(v6, mute bool) string {
	text := endedSetName(v6) + " " + r.proto.String() + " " + r.name
	if mute {
		text += " drop"
	}
	return text
}

// rule is, as an example, "meta nfproto ipv4 meta l4proto tcp tcp flags & (syn | rst) == 0
// ip daddr . th dport . meta l4proto . ip saddr . th sport @fwknop_ended4 update
// @fwknop_ended4 { ... timeout 5m } reject with tcp reset". mute: it drops in place of that,
// for a kernel without nft_reject.
func (r *endedRule) rule(v6, mute bool) *nft.Rule {
	exprs := append(matchFamily(v6), &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{byte(r.proto)}})
	if r.mask != 0 {
		exprs = append(exprs,
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: tcpFlagsAt, Len: 1},
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{r.mask}, Xor: []byte{0}},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{r.want}})
	}
	exprs = append(exprs, loadEndedKey(v6, r.fromServer)...)
	set := endedSetName(v6)
	exprs = append(exprs, &expr.Lookup{SourceRegister: firstReg, SetName: set})
	switch {
	case r.delete:
		exprs = append(exprs, &expr.Dynset{SrcRegKey: firstReg, SetName: set, Operation: opDelete})
	case r.renew > 0:
		exprs = append(exprs, &expr.Dynset{SrcRegKey: firstReg, SetName: set, Operation: uint32(unix.NFT_DYNSET_OP_UPDATE), Timeout: r.renew})
	}
	return &nft.Rule{
		Table: &ownTable, Chain: &nft.Chain{Table: &ownTable, Name: endedChain}, Exprs: append(exprs, r.verdict(mute)),
		UserData: userdata.AppendString(nil, userdata.TypeComment, r.comment(v6, mute)),
	}
}

func (r *endedRule) verdict(mute bool) expr.Any {
	switch {
	case r.delete:
		return &expr.Verdict{Kind: expr.VerdictReturn}
	case mute:
		return &expr.Verdict{Kind: expr.VerdictDrop}
	case r.proto == enforce.TCP:
		return &expr.Reject{Type: unix.NFT_REJECT_TCP_RST}
	}
	return &expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_PORT_UNREACH}
}

// endedRuleset is the rules of both families in their order.
func endedRuleset(mute bool) (rules []*nft.Rule) {
	for _, v6 := range []bool{false, true} {
		for i := range endedRules {
			rules = append(rules, endedRules[i].rule(v6, mute))
		}
	}
	return rules
}
