package conntrack

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"fwknopd/enforce"
)

// Numbers of linux/netfilter/nfnetlink.h, nfnetlink_conntrack.h, nf_conntrack_common.h and
// nf_conntrack_tcp.h.
const (
	msgGet    = unix.NFNL_SUBSYS_CTNETLINK<<8 | 1
	msgDelete = unix.NFNL_SUBSYS_CTNETLINK<<8 | 2
	headerLen = 4

	tupleOrig  = 1
	tupleReply = 2
	status     = 3
	protoInfo  = 4
	entryID    = 12
	entryZone  = 18

	tupleIP      = 1
	tupleProto   = 2
	ip4Src       = 1
	ip4Dst       = 2
	ip6Src       = 3
	ip6Dst       = 4
	protoNum     = 1
	protoSrcPort = 2
	protoDstPort = 3

	infoTCP     = 1
	tcpState    = 1
	synRecv     = 2
	established = 3
	closeWait   = 5

	seenReply = 1 << 1
)

// A tuple is one direction of a connection.
type tuple struct{ src, dst netip.AddrPort }

// An entry is one connection of the table, by its first packet and what answers it.
type entry struct {
	proto       enforce.Proto
	orig, reply tuple  // reply is zero if the kernel did not say it
	state       uint8  // of TCP
	status      uint32 // flags
	name        []byte // the attributes that name it to the kernel, of the message
}

// established reports an established TCP connection.
func (e *entry) established() bool { return e.proto == enforce.TCP && e.state == established }

// alive reports whether packets of the client pass as those of a connection: of a TCP one
// until both sides have ended it, of UDP once there was an answer.
func (e *entry) alive() bool {
	switch e.proto {
	case enforce.TCP:
		return e.state >= synRecv && e.state <= closeWait
	case enforce.UDP:
		return e.status&seenReply != 0
	}
	return false
}

// parse reads one entry; ok is false unless it is of TCP, with its state, or UDP.
func parse(data []byte) (e entry, ok bool) {
	if len(data) < headerLen {
		return e, false
	}
	e.name = data[headerLen:]
	orig := attribute(e.name, tupleOrig)
	number := attribute(attribute(orig, tupleProto), protoNum)
	if len(number) != 1 {
		return e, false
	}
	e.proto = enforce.Proto(number[0])
	if flags := attribute(e.name, status); len(flags) == 4 {
		e.status = binary.BigEndian.Uint32(flags)
	}
	switch e.proto {
	case enforce.TCP:
		state := attribute(attribute(attribute(e.name, protoInfo), infoTCP), tcpState)
		if len(state) != 1 {
			return e, false
		}
		e.state = state[0]
	case enforce.UDP:
	default:
		return e, false
	}
	e.reply, _ = parseTuple(attribute(e.name, tupleReply))
	e.orig, ok = parseTuple(orig)
	return e, ok
}

func parseTuple(attrs []byte) (t tuple, ok bool) {
	ip, proto := attribute(attrs, tupleIP), attribute(attrs, tupleProto)
	src, dst := attribute(ip, ip4Src), attribute(ip, ip4Dst)
	if src == nil {
		src, dst = attribute(ip, ip6Src), attribute(ip, ip6Dst)
	}
	from, to := attribute(proto, protoSrcPort), attribute(proto, protoDstPort)
	a, okSrc := netip.AddrFromSlice(src)
	b, okDst := netip.AddrFromSlice(dst)
	if !okSrc || !okDst || len(from) != 2 || len(to) != 2 {
		return t, false
	}
	return tuple{netip.AddrPortFrom(a, binary.BigEndian.Uint16(from)), netip.AddrPortFrom(b, binary.BigEndian.Uint16(to))}, true
}

// attribute returns the value of an attribute; nil if it is not there. netlink's own
// decoder allocates for each nested attribute, which is most of the time that a large
// table takes.
func attribute(attrs []byte, kind uint16) []byte {
	value := whole(attrs, kind)
	if value == nil {
		return nil
	}
	return value[unix.SizeofNlAttr:]
}

// whole returns an attribute with its header; nil if it is not there.
func whole(attrs []byte, kind uint16) []byte {
	for len(attrs) >= unix.SizeofNlAttr {
		n := int(binary.NativeEndian.Uint16(attrs))
		if n < unix.SizeofNlAttr || n > len(attrs) {
			return nil
		}
		if binary.NativeEndian.Uint16(attrs[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER) == kind {
			return attrs[:n]
		}
		attrs = attrs[min((n+unix.NLA_ALIGNTO-1)&^(unix.NLA_ALIGNTO-1), len(attrs)):]
	}
	return nil
}
