package nftables

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"time"

	nft "github.com/google/nftables"
	"github.com/google/nftables/expr"

	"fwknopd/enforce"
)

// How long packets of an ended connection are rejected. What could begin it anew is a packet
// of its server alone: one of the client is new to the firewall, and no grant lets it in.
const (
	// endedTCP is how long connection tracking keeps an idle TCP connection
	// (nf_conntrack_tcp_timeout_established): so long the server may have been silent.
	endedTCP = 5 * 24 * time.Hour
	// resetTCP begins with each packet of the server, which is answered with a reset. It is
	// more than the longest pause between two retransmissions (TCP_RTO_MAX) and between two
	// keep-alive probes, so that a server which the reset does not reach is answered again.
	resetTCP = 5 * time.Minute
	// endedUDP begins anew with each packet of the server. A server that is silent for longer
	// is silent for longer than connection tracking keeps an exchange
	// (nf_conntrack_udp_timeout_stream): what it sends then is a new one.
	endedUDP = 3 * time.Minute
	// endedDst is for what the client sends to an address that was translated: nothing
	// begins anew with that, the reset only tells the client.
	endedDst = 2 * time.Minute
)

// maxEnded is how many elements there may be in both families: one for a connection, two if
// it was translated.
const maxEnded = 4096

// An endedKey is the key of an element: a connection as the packets of both directions have it
// on the hooks of filter chains, where the destination is translated and the source is not.
type endedKey struct {
	proto          enforce.Proto
	client, server netip.AddrPort
}

// An endedFlow is a connection, and when the kernel ends its element unless packets renew it.
type endedFlow struct {
	enforce.Flow
	until time.Time
}

// endedElements are the elements of a connection. For a translated one there is a second, by
// what the client sends to, which is not translated any more without its grant.
func endedElements(f enforce.Flow, now time.Time) map[endedKey]endedFlow {
	stays := endedUDP
	if f.Proto == enforce.TCP {
		stays = endedTCP
	}
	els := map[endedKey]endedFlow{{f.Proto, f.Client, f.Server}: {f, now.Add(stays)}}
	if f.Dst != f.Server {
		els[endedKey{f.Proto, f.Client, f.Dst}] = endedFlow{f, now.Add(endedDst)}
	}
	return els
}

func (k endedKey) v6() bool { return k.client.Addr().Is6() }

// endedSetName is fwknop_ended4 or fwknop_ended6.
func endedSetName(v6 bool) string {
	if v6 {
		return endedChain + "6"
	}
	return endedChain + "4"
}

// endedSet is the definition of a set. It is dynamic, as rules renew its elements. Its size
// leaves room for adding an element in order to delete it, see setChange.
func endedSet(v6 bool) *nft.Set {
	addr := setID{v6: v6}.addrType()
	return &nft.Set{
		Table: &ownTable, Name: endedSetName(v6), HasTimeout: true, Dynamic: true, Size: 2 * maxEnded, Concatenation: true,
		KeyType: nft.MustConcatSetType(addr, nft.TypeInetService, nft.TypeInetProto, addr, nft.TypeInetService),
	}
}

// loadEndedKey puts the fields of a key into registers, of a packet from the server or from the
// client.
func loadEndedKey(v6, fromServer bool) (exprs []expr.Any) {
	id, reg := setID{v6: v6}, uint32(firstReg)
	client, server, _ := id.offsets()
	clientPort, serverPort := uint32(srcPort), uint32(dstPort)
	if fromServer {
		client, server, clientPort, serverPort = server, client, serverPort, clientPort
	}
	end := func(addr, port uint32) {
		exprs = append(exprs, id.loadAddr(&reg, addr), &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: port, Len: 2})
		reg++
	}
	end(client, clientPort)
	exprs = append(exprs, &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg})
	reg++
	end(server, serverPort)
	return exprs
}

// marshal is the key in registers of four bytes.
func (k endedKey) marshal() []byte {
	b := appendEnd(make([]byte, 0, 44), k.client)
	return appendEnd(append(b, byte(k.proto), 0, 0, 0), k.server)
}

func appendEnd(b []byte, a netip.AddrPort) []byte {
	return append(binary.BigEndian.AppendUint16(append(b, a.Addr().AsSlice()...), a.Port()), 0, 0)
}

// unmarshalEnded is the inverse of marshal; ok is false for another length.
func unmarshalEnded(b []byte, v6 bool) (k endedKey, ok bool) {
	n := setID{v6: v6}.addrLen()
	if len(b) != 2*n+12 {
		return k, false
	}
	end := func(b []byte) netip.AddrPort {
		a, _ := netip.AddrFromSlice(b[:n])
		return netip.AddrPortFrom(a, binary.BigEndian.Uint16(b[n:]))
	}
	return endedKey{enforce.Proto(b[n+4]), end(b), end(b[n+8:])}, true
}

// encode gives an element the time that is left and, as its comment, what the key lacks to know
// the connection again.
func (f endedFlow) encode(k endedKey, left time.Duration) nft.SetElement {
	return nft.SetElement{Key: k.marshal(), Timeout: left, Comment: fmt.Sprintf("%s %s", f.Dst, f.Server)}
}

// decodeEnded reads an element. One without a comment is a rule's, which has renewed it in the
// moment of its end: it is taken for one that was not translated.
func decodeEnded(el nft.SetElement, v6 bool, now time.Time) (k endedKey, f endedFlow, ok bool) {
	if k, ok = unmarshalEnded(el.Key, v6); !ok {
		return k, f, false
	}
	f = endedFlow{enforce.Flow{Proto: k.proto, Client: k.client, Dst: k.server, Server: k.server}, now.Add(el.Expires)}
	to, server, _ := strings.Cut(el.Comment, " ")
	dst, dstErr := netip.ParseAddrPort(to)
	by, serverErr := netip.ParseAddrPort(server)
	if dstErr == nil && serverErr == nil {
		f.Dst, f.Server = dst, by
	}
	return k, f, true
}
