package filter

import (
	"golang.org/x/net/bpf"

	"fwknopd/parse"
)

// A node is a part of an expression: true or false of a frame.
type node interface {
	emit(c *compiler, yes, no label)
}

// A base is where the offset of a test counts from.
type base uint8

const (
	link       base = iota // the frame
	network                // the IP header
	transport4             // behind the IPv4 header, whatever its length
	tagPresent             // not in the frame: whether the kernel took a VLAN tag out of it
	tag                    // not in the frame: that tag
	inTunnel               // not in the frame: whether "geneve" was true of it
	length                 // not in the frame: its length; off is compared with what there is from the network header on
)

// A test loads a value from the frame and compares it. A frame too short to have
// the value matches nothing at all, as BPF has it.
type test struct {
	base base
	off  uint32
	size int    // 1, 2 or 4 bytes
	mask uint32 // of the value; 0 means all of it
	cond bpf.JumpTest
	val  uint32
	// notes: in place of a comparison, the tunnel whose GENEVE header is there is noted.
	notes bool
}

type (
	// carries is true of frames of an EtherType.
	carries int
	and     struct{ x, y node }
	or      struct{ x, y node }
	not     struct{ x node }
	all     struct{}
)

// none is false of every frame.
var none node = not{all{}}

// allOf and anyOf join nodes; they are evaluated in their order.
func allOf(nodes ...node) node {
	n := nodes[0]
	for _, m := range nodes[1:] {
		n = and{n, m}
	}
	return n
}

func anyOf(nodes ...node) node {
	n := nodes[0]
	for _, m := range nodes[1:] {
		n = or{n, m}
	}
	return n
}

func equal(b base, off uint32, size int, val uint32) node {
	return test{base: b, off: off, size: size, cond: bpf.JumpEqual, val: val}
}

// IANA protocol numbers.
const (
	protoICMP     = uint32(parse.ICMP)
	protoTCP      = uint32(parse.TCP)
	protoUDP      = uint32(parse.UDP)
	protoFragment = 44
	protoGRE      = 47
	protoICMPv6   = uint32(parse.ICMPv6)
	protoSCTP     = 132
)

// Offsets in the IPv4 and IPv6 headers.
const (
	ip4Fragment, ip4Protocol, ip4Src, ip4Dst = 6, 9, 12, 16
	ip6Next, ip6Src, ip6Dst, ip6Header       = 6, 8, 24, 40
)

// ip4Proto is a protocol over IPv4.
func ip4Proto(proto uint32) node {
	return and{carries(etherIPv4), equal(network, ip4Protocol, 1, proto)}
}

// ip6Proto is a protocol over IPv6, directly or behind a fragment header.
func ip6Proto(proto uint32) node {
	behind := and{equal(network, ip6Next, 1, protoFragment), equal(network, ip6Header, 1, proto)}
	return and{carries(etherIPv6), or{behind, equal(network, ip6Next, 1, proto)}}
}

// A direction selects which of two fields is meant.
type direction uint8

const (
	either direction = iota // src or dst
	src
	dst
	both // src and dst
)

// fields joins the tests of a source and a destination field.
func (d direction) fields(s, t node) node {
	switch d {
	case src:
		return s
	case dst:
		return t
	case both:
		return and{s, t}
	}
	return or{s, t}
}

// host4 is an IPv4 address or network; unless plain IP is meant, also as the
// protocol address in ARP and RARP.
func host4(addr, mask uint32, d direction, onlyIP bool) node {
	in := func(ether carries, s, t uint32) node {
		field := func(off uint32) node {
			return test{base: network, off: off, size: 4, mask: mask, cond: bpf.JumpEqual, val: addr & mask}
		}
		if mask == 0 { // every address: libpcap loads none
			return ether
		}
		return and{ether, d.fields(field(s), field(t))}
	}
	ip := in(etherIPv4, ip4Src, ip4Dst)
	if onlyIP {
		return ip
	}
	return anyOf(ip, in(etherARP, 14, 24), in(etherRARP, 14, 24))
}

// host6 is an IPv6 address or network.
func host6(addr, mask [4]uint32, d direction) node {
	field := func(off uint32) node {
		var words []node
		for i := 3; i >= 0; i-- { // from the end, where addresses differ
			if mask[i] != 0 {
				words = append(words, test{base: network, off: off + 4*uint32(i), size: 4, mask: mask[i], cond: bpf.JumpEqual, val: addr[i] & mask[i]})
			}
		}
		if len(words) == 0 {
			return all{}
		}
		return allOf(words...)
	}
	return and{carries(etherIPv6), d.fields(field(ip6Src), field(ip6Dst))}
}

// ports is a range of ports, from and to included, of the given protocols.
func ports(from, to uint32, d direction, protos ...uint32) node {
	return or{ports4(from, to, d, protos...), ports6(from, to, d, protos...)}
}

// ports4 is ports over IPv4, not behind a first fragment.
func ports4(from, to uint32, d direction, protos ...uint32) node {
	var any []node
	for _, proto := range protos {
		first := test{base: network, off: ip4Fragment, size: 2, cond: bpf.JumpBitsNotSet, val: 0x1fff}
		any = append(any, allOf(equal(network, ip4Protocol, 1, proto), first, d.fields(portField(transport4, 0, from, to), portField(transport4, 2, from, to))))
	}
	return and{carries(etherIPv4), anyOf(any...)}
}

// ports6 is ports over IPv6, where no extension header is in front of them.
func ports6(from, to uint32, d direction, protos ...uint32) node {
	var any []node
	for _, proto := range protos {
		any = append(any, and{equal(network, ip6Next, 1, proto), d.fields(portField(network, ip6Header, from, to), portField(network, ip6Header+2, from, to))})
	}
	return and{carries(etherIPv6), anyOf(any...)}
}

func portField(b base, off, from, to uint32) node {
	if from == to {
		return equal(b, off, 2, from)
	}
	return and{
		test{base: b, off: off, size: 2, cond: bpf.JumpGreaterOrEqual, val: from},
		test{base: b, off: off, size: 2, cond: bpf.JumpLessOrEqual, val: to},
	}
}
