package parse

import (
	"encoding/binary"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// EtherTypes of tags that gopacket has no name for.
const (
	etherTypeQinQ9100 layers.EthernetType = 0x9100 // stacked VLANs before 802.1ad
	etherTypeQinQ9200 layers.EthernetType = 0x9200
)

func (d *Decoder) ethernet(b []byte, ev *Event) error {
	if len(b) < 14 {
		return errShortLink
	}
	// The only error it has is the length just tested.
	_ = d.eth.DecodeFromBytes(b, gopacket.NilDecodeFeedback)
	if d.eth.EthernetType == layers.EthernetTypeLLC {
		return d.snap(d.eth.Payload, ev)
	}
	return d.etherType(d.eth.EthernetType, d.eth.Payload, ev)
}

// snap reads IEEE 802.2 LLC with a SNAP header of the RFC 1042 kind, the one
// other way to carry IP on Ethernet.
func (d *Decoder) snap(b []byte, ev *Event) error {
	const header = "\xaa\xaa\x03\x00\x00\x00"
	if len(b) < 8 || string(b[:6]) != header {
		return errNotIP
	}
	return d.etherType(layers.EthernetType(binary.BigEndian.Uint16(b[6:])), b[8:], ev)
}

// etherType decodes what follows an EtherType: IP, or one more tag in front of it.
func (d *Decoder) etherType(t layers.EthernetType, b []byte, ev *Event) error {
	for {
		switch t {
		case layers.EthernetTypeIPv4:
			return d.ipv4(b, ev)
		case layers.EthernetTypeIPv6:
			return d.ipv6(b, ev)
		case layers.EthernetTypePPPoESession:
			return d.pppoe(b, ev)
		case layers.EthernetTypeDot1Q, layers.EthernetTypeQinQ, etherTypeQinQ9100, etherTypeQinQ9200:
			if len(b) < 4 {
				return errShortLink
			}
			_ = d.vlan.DecodeFromBytes(b, gopacket.NilDecodeFeedback)
			t, b = d.vlan.Type, d.vlan.Payload
		default:
			return errNotIP
		}
	}
}

// sll reads Linux cooked headers: packet type, ARPHRD type, address length and
// eight bytes of address, then the EtherType.
func (d *Decoder) sll(b []byte, ev *Event) error {
	if len(b) < 16 {
		return errShortLink
	}
	return d.etherType(layers.EthernetType(binary.BigEndian.Uint16(b[14:])), b[16:], ev)
}

// sll2 reads version 2 of them, which begins with the EtherType.
func (d *Decoder) sll2(b []byte, ev *Event) error {
	if len(b) < 20 {
		return errShortLink
	}
	return d.etherType(layers.EthernetType(binary.BigEndian.Uint16(b)), b[20:], ev)
}

// loopback reads the address family in front of a packet on a BSD loopback.
func (d *Decoder) loopback(b []byte, ev *Event) error {
	if len(b) < 4 {
		return errShortLink
	}
	return d.ofFamily(family(b), b[4:], ev)
}

// family reads an address family in four bytes. It is below 256, so its byte order
// shows.
func family(b []byte) uint32 {
	if n := binary.BigEndian.Uint32(b); n <= 0xff {
		return n
	}
	return binary.LittleEndian.Uint32(b)
}

// ofFamily decodes a packet of an address family of any system.
func (d *Decoder) ofFamily(family uint32, b []byte, ev *Event) error {
	switch family {
	case 2: // AF_INET
		return d.ipv4(b, ev)
	case 10, 24, 28, 30: // AF_INET6 on Linux, OpenBSD and NetBSD, FreeBSD, Darwin
		return d.ipv6(b, ev)
	}
	return errNotIP
}

// serial reads the headers of point-to-point links.
func (d *Decoder) serial(link LinkType, b []byte, ev *Event) error {
	switch link {
	case LinkPPP, LinkPPPSerial:
		return d.ppp(b, ev)
	case LinkPPPDirection: // one byte says which way it went
		return d.ppp(b[min(1, len(b)):], ev)
	case LinkPPPEther:
		return d.pppoe(b, ev)
	case LinkCiscoHDLC: // address, control, EtherType
		if len(b) < 4 {
			return errShortLink
		}
		return d.etherType(layers.EthernetType(binary.BigEndian.Uint16(b[2:])), b[4:], ev)
	}
	return errNotIP
}

// pppoe reads the session header of RFC 2516, whose length keeps Ethernet padding
// out of the packet.
func (d *Decoder) pppoe(b []byte, ev *Event) error {
	const session = 0 // the code of session data; discovery has others
	if len(b) < 6 {
		return errShortLink
	}
	if b[1] != session {
		return errNotIP
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	b = b[6:]
	return d.ppp(b[:min(n, len(b))], ev)
}

// ppp reads the protocol field of RFC 1661, behind the address and control bytes
// of RFC 1662 where they are present and in one byte where it was compressed.
func (d *Decoder) ppp(b []byte, ev *Event) error {
	const protoIPv4, protoIPv6 = 0x21, 0x57
	if len(b) >= 2 && b[0] == 0xff && b[1] == 0x03 {
		b = b[2:]
	}
	if len(b) < 2 {
		return errShortLink
	}
	proto, n := uint16(b[0]), 1
	if proto&1 == 0 { // an odd first byte is the whole, compressed field
		proto, n = binary.BigEndian.Uint16(b), 2
	}
	switch proto {
	case protoIPv4:
		return d.ipv4(b[n:], ev)
	case protoIPv6:
		return d.ipv6(b[n:], ev)
	}
	return errNotIP
}
