package parse

import (
	"bytes"
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
	// Its only error is a short frame, tested above.
	_ = d.eth.DecodeFromBytes(b, gopacket.NilDecodeFeedback)
	if d.eth.EthernetType == layers.EthernetTypeLLC {
		return d.snap(d.eth.Payload, ev)
	}
	return d.etherType(d.eth.EthernetType, d.eth.Payload, ev)
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

// loopback reads the address family before a packet on a BSD loopback.
func (d *Decoder) loopback(b []byte, ev *Event) error {
	if len(b) < 4 {
		return errShortLink
	}
	return d.decodeFamily(family(b), b[4:], ev)
}

// pointToPoint reads the headers of point-to-point links.
func (d *Decoder) pointToPoint(link LinkType, b []byte, ev *Event) error {
	switch link {
	case LinkPPP, LinkPPPSerial:
		return d.ppp(b, ev)
	case LinkPPPDirection: // one byte for the direction
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

// Attributes of an NFLOG message (linux/netfilter/nfnetlink_log.h).
const (
	nfulaPayload = 9
	nfulaPrefix  = 10
)

// nflog decodes the packet of an NFLOG message.
func (d *Decoder) nflog(b []byte, ev *Event) error {
	payload, prefix, err := nflogPacket(b)
	if err != nil {
		return err
	}
	ev.Prefix = prefix
	return d.ip(payload, ev)
}

// nflogPacket finds the IP packet and the log prefix in a frame of [LinkNFLOG]:
// four bytes of nfgenmsg, then attributes of length, type and value, padded to
// four bytes. Attributes are in the byte order of the capturing host, which is
// guessed from the first length. Both results alias b.
func nflogPacket(b []byte) (payload, prefix []byte, err error) {
	if len(b) < 8 {
		return nil, nil, errShortLink
	}
	b = b[4:]
	order := binary.ByteOrder(binary.LittleEndian)
	if n := order.Uint16(b); n < 4 || int(n) > len(b) {
		order = binary.BigEndian
	}
	for len(b) >= 4 {
		n, kind := int(order.Uint16(b)), order.Uint16(b[2:])
		if n < 4 {
			return nil, nil, errNFLOG
		}
		value := b[4:max(4, min(n, len(b)))]
		switch kind &^ 0xc000 { // less the flags nested and net byte order
		case nfulaPayload:
			payload = value
		case nfulaPrefix:
			prefix, _, _ = bytes.Cut(value, []byte{0})
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	if payload == nil {
		return nil, nil, errNotIP
	}
	return payload, prefix, nil
}

// pflog reads the header that pf(4) puts before a packet: its own length,
// address family, action, reason, the interface's name. It grew with the years, from
// 45 bytes to 100, and differs between systems after the name of the interface; the
// length is without the padding to four bytes.
func (d *Decoder) pflog(b []byte, ev *Event) error {
	const (
		least            = 45
		name, nameEnd    = 4, 20
		direction, outOf = 60, 2
	)
	if len(b) < least {
		return errShortLink
	}
	n := (int(b[0]) + 3) &^ 3
	switch {
	case b[0] < least:
		return errPflog
	case n > len(b):
		return errShortLink
	}
	if n <= direction || b[direction] != outOf {
		ev.In, _, _ = bytes.Cut(b[name:nameEnd], []byte{0})
	}
	return d.decodeFamily(uint32(b[1]), b[n:], ev)
}

// enc reads the header of an IPsec interface: address family, in the byte order of
// the host, security parameter index and flags. FreeBSD and OpenBSD have the same.
func (d *Decoder) enc(b []byte, ev *Event) error {
	const header = 12
	if len(b) < header {
		return errShortLink
	}
	return d.decodeFamily(family(b), b[header:], ev)
}

// family reads an address family in four bytes. Its value is below 256, which gives the
// byte order away.
func family(b []byte) uint32 {
	if n := binary.BigEndian.Uint32(b); n <= 0xff {
		return n
	}
	return binary.LittleEndian.Uint32(b)
}

// decodeFamily decodes a packet of an address family of any system.
func (d *Decoder) decodeFamily(family uint32, b []byte, ev *Event) error {
	switch family {
	case 2: // AF_INET
		return d.ipv4(b, ev)
	case 10, 24, 28, 30: // AF_INET6 on Linux, OpenBSD and NetBSD, FreeBSD, Darwin
		return d.ipv6(b, ev)
	}
	return errNotIP
}

// avsMagic are the first three bytes of an AVS header, which some drivers write
// where others write a Prism header; the fourth is its version.
const avsMagic = 0x802110

// monitorMode reads what monitor mode puts before an 802.11 frame.
func (d *Decoder) monitorMode(link LinkType, b []byte, ev *Event) error {
	const prismHeader = 144
	if link == LinkWLAN {
		return d.wlan(b, false, ev)
	}
	if len(b) < 8 {
		return errShortLink
	}
	var n int
	var flags byte
	switch {
	case link == LinkRadiotap:
		n, flags = int(binary.LittleEndian.Uint16(b[2:])), radiotapFlags(b)
	case link == LinkPPI:
		n = int(binary.LittleEndian.Uint16(b[2:]))
		if LinkType(binary.LittleEndian.Uint32(b[4:])) != LinkWLAN {
			return errNotIP
		}
	case link == LinkAVS || binary.BigEndian.Uint32(b)>>8 == avsMagic:
		n = int(min(binary.BigEndian.Uint32(b[4:]), 1<<16))
	default:
		n = prismHeader
	}
	switch {
	case n < 8:
		return errRadio
	case n > len(b):
		return errShortLink
	case flags&radiotapBadFCS != 0:
		return errChecksum
	}
	return d.wlan(b[n:], flags&radiotapPadded != 0, ev)
}

// Bits of the flags field of a radiotap header.
const (
	radiotapPadded = 0x20 // the 802.11 header is padded to four bytes
	radiotapBadFCS = 0x40
)

// radiotapFlags returns the flags: the second field, after the time stamp. One or more
// words of 32 bits before the fields tell which of them are present.
func radiotapFlags(b []byte) byte {
	const timeStamp, flags, more = 1 << 0, 1 << 1, 1 << 31
	present := binary.LittleEndian.Uint32(b[4:])
	at := 8
	for word := present; word&more != 0; at += 4 {
		if at+4 > len(b) {
			return 0
		}
		word = binary.LittleEndian.Uint32(b[at:])
	}
	if present&timeStamp != 0 {
		at = (at+7)&^7 + 8
	}
	if present&flags == 0 || at >= len(b) {
		return 0
	}
	return b[at]
}

// wlan reads an IEEE 802.11 data frame. Of an aggregate (A-MSDU) it is the first
// packet. padded: the header is padded to a multiple of four bytes.
func (d *Decoder) wlan(b []byte, padded bool, ev *Event) error {
	const (
		header, address, qosControl, htControl     = 24, 6, 2, 4
		typeMask, typeData, noData, withQoS        = 0x0f, 0x08, 0x40, 0x80 // byte 0
		toDS, fromDS, protected, order, aggregated = 0x01, 0x02, 0x40, 0x80, 0x80
		subframe                                   = 14
	)
	if len(b) < 2 {
		return errShortLink
	}
	kind, flags := b[0], b[1]
	switch {
	case kind&typeMask != typeData || kind&noData != 0:
		return errNotData
	case flags&protected != 0:
		return errEncrypted
	}
	n, qos := header, 0
	if flags&(toDS|fromDS) == toDS|fromDS {
		n += address
	}
	if kind&withQoS != 0 {
		qos, n = n, n+qosControl
		if flags&order != 0 {
			n += htControl
		}
	}
	if padded {
		n = (n + 3) &^ 3
	}
	switch {
	case len(b) < n:
		return errShortLink
	case b[22]&0x0f != 0: // the number of the fragment
		return errFragment
	}
	if qos > 0 && b[qos]&aggregated != 0 {
		if n += subframe; len(b) < n { // both addresses and the length
			return errShortLink
		}
	}
	return d.snap(b[n:], ev)
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

// etherType decodes what follows an EtherType: IP, or one more tag before it.
func (d *Decoder) etherType(t layers.EthernetType, b []byte, ev *Event) error {
	for {
		switch t {
		case layers.EthernetTypeIPv4:
			return d.ipv4(b, ev)
		case layers.EthernetTypeIPv6:
			return d.ipv6(b, ev)
		case layers.EthernetTypePPPoESession:
			ev.Tagged = true
			return d.pppoe(b, ev)
		case layers.EthernetTypeDot1Q, layers.EthernetTypeQinQ, etherTypeQinQ9100, etherTypeQinQ9200:
			if len(b) < 4 {
				return errShortLink
			}
			ev.Tagged = true
			_ = d.vlan.DecodeFromBytes(b, gopacket.NilDecodeFeedback)
			t, b = d.vlan.Type, d.vlan.Payload
		case layers.EthernetTypeMPLSUnicast, layers.EthernetTypeMPLSMulticast:
			ev.Tagged = true
			return d.mpls(b, ev)
		default:
			return errNotIP
		}
	}
}

// mpls passes over a stack of labels, RFC 3032. Nothing but its version says that IP follows.
func (d *Decoder) mpls(b []byte, ev *Event) error {
	const bottom = 0x01
	for len(b) > 4 {
		last := b[2]&bottom != 0
		if b = b[4:]; !last {
			continue
		}
		switch b[0] >> 4 {
		case 4:
			return d.ipv4(b, ev)
		case 6:
			return d.ipv6(b, ev)
		}
		return errNotIP
	}
	return errShortLink
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

// ppp reads the protocol field of RFC 1661, after the address and control bytes
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
