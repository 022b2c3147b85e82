package filter

import (
	"golang.org/x/net/bpf"

	"fwknopd/parse"
)

// EtherTypes that the language uses. ARP and RARP are there because a bare "host"
// means them too.
const (
	etherIPv4 = 0x0800
	etherARP  = 0x0806
	etherRARP = 0x8035
	etherIPv6 = 0x86dd
)

// A layout describes where a link type keeps what tests look at.
type layout struct {
	payload place                // of the network header
	carries func(ether int) node // true iff the frame carries this
	tags    bool                 // frames may have VLAN tags
}

// layouts are those of libpcap. Link types whose header differs from frame to frame
// have none.
var layouts = map[parse.LinkType]layout{
	parse.LinkEthernet:  {at(14), ethertypeAt(12), true},
	parse.LinkSLL:       {at(16), ethertypeAt(14), false},
	parse.LinkSLL2:      {at(20), ethertypeAt(0), false},
	parse.LinkRaw:       {at(0), versionNibble, false},
	parse.LinkRawDLT:    {at(0), versionNibble, false},
	parse.LinkRawOBSD:   {at(0), versionNibble, false},
	parse.LinkIPv4:      {at(0), only(etherIPv4), false},
	parse.LinkIPv6:      {at(0), only(etherIPv6), false},
	parse.LinkNull:      {at(4), addressFamily, false},
	parse.LinkLoop:      {at(4), addressFamily, false},
	parse.LinkPPP:       {at(4), pppProtocol(2), false},
	parse.LinkPPPSerial: {at(4), pppProtocol(2), false},
	parse.LinkPPPEther:  {at(8), pppProtocol(6), false},
	parse.LinkPflog:     {place{mark: payloadMark}, pfCarries, false},
}

func at(off uint32) place { return place{off: off} }

func ethertypeAt(off uint32) func(int) node {
	return func(ether int) node { return equal(link, off, 2, uint32(ether)) }
}

func versionNibble(ether int) node {
	version := map[int]uint32{etherIPv4: 0x40, etherIPv6: 0x60}[ether]
	if version == 0 {
		return none
	}
	return test{base: link, size: 1, mask: 0xf0, cond: bpf.JumpEqual, val: version}
}

// only is for link types that are one protocol.
func only(one int) func(int) node {
	return func(ether int) node {
		if ether != one {
			return none
		}
		return all{}
	}
}

// families are the numbers of AF_INET, and of AF_INET6 on Linux, OpenBSD and NetBSD, FreeBSD, Darwin.
var families = map[int][]uint32{etherIPv4: {2}, etherIPv6: {10, 24, 28, 30}}

// addressFamily tests the four bytes of a BSD loopback in either byte order.
// AF_INET6 is another number on every system.
func addressFamily(ether int) node {
	n := none
	for _, af := range families[ether] {
		n = anyOf(n, equal(link, 0, 4, af), equal(link, 0, 4, af<<24))
	}
	return n
}

// pppProtocol knows IP by the numbers of PPP. libpcap takes all others over as
// they are, and so does this.
func pppProtocol(off uint32) func(int) node {
	return func(ether int) node {
		proto, ok := map[int]int{etherIPv4: 0x21, etherIPv6: 0x57}[ether]
		if !ok {
			proto = ether
		}
		return equal(link, off, 2, uint32(proto))
	}
}
