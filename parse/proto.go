package parse

import "strconv"

// Proto is an IANA protocol number.
type Proto uint8

// The protocols that have names here; every other number is legal as well.
const (
	ICMP   Proto = 1
	TCP    Proto = 6
	UDP    Proto = 17
	ICMPv6 Proto = 58
)

// String returns the name in lower case, the number of a protocol that has none here.
func (p Proto) String() string {
	switch p {
	case ICMP:
		return "icmp"
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	case ICMPv6:
		return "icmpv6"
	}
	return strconv.Itoa(int(p))
}

// A Port is a transport protocol and a port number; the number is 0 for ICMP.
type Port struct {
	Proto  Proto
	Number uint16
}

// HasNumber reports whether the protocol has ports.
func (p Port) HasNumber() bool { return p.Proto != ICMP && p.Proto != ICMPv6 }

// String returns "tcp/22"; "icmp" without a number.
func (p Port) String() string {
	if !p.HasNumber() {
		return p.Proto.String()
	}
	return p.Proto.String() + "/" + strconv.Itoa(int(p.Number))
}
