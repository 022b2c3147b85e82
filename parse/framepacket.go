package parse

import (
	"encoding/binary"
	"math"
	"net/netip"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

const (
	ipv4Header = 20
	ipv6Header = 40
	// maxExtensions bounds the IPv6 extension headers of one packet. RFC 8200
	// section 4.1 has seven kinds, one of which may come twice.
	maxExtensions = 8
	// maxLen is the greatest length that an event has room for.
	maxLen = math.MaxUint16
)

// IPv6 next headers that are not the end of the chain.
const (
	hopByHop    = 0
	routing     = 43
	fragment    = 44
	authHeader  = 51
	destOptions = 60
	mobility    = 135
)

// ip decodes a packet whose version is known from its first nibble only.
func (d *Decoder) ip(b []byte, ev *Event) error {
	if len(b) == 0 {
		return errShortLink
	}
	switch {
	case b[0]>>4 == 4 && d.link != LinkIPv6:
		return d.ipv4(b, ev)
	case b[0]>>4 == 6 && d.link != LinkIPv4:
		return d.ipv6(b, ev)
	}
	return errVersion
}

// ipv4 decodes RFC 791. The payload ends at the total length: what follows in the frame
// is padding or a checksum.
func (d *Decoder) ipv4(b []byte, ev *Event) error {
	if len(b) < ipv4Header {
		return errIPHeader
	}
	header, total := int(b[0]&0xf)*4, int(binary.BigEndian.Uint16(b[2:]))
	switch {
	case b[0]>>4 != 4:
		return errVersion
	case total == 0 && Proto(b[9]) == TCP: // TSO: the network card will segment it
		total = len(b) + d.uncaptured()
	}
	if header < ipv4Header || header > total || header > len(b) {
		return errIPHeader
	}
	d.packetCap = cap(b)
	ip := &d.ip4
	// The header is complete; the only errors left are in the contents of IP options,
	// which are not used.
	_ = ip.DecodeFromBytes(b, gopacket.NilDecodeFeedback)
	ev.Len, ev.TTL, ev.ID = uint16(min(total, maxLen)), ip.TTL, ip.Id
	ev.DF = ip.Flags&layers.IPv4DontFragment != 0
	ev.Fragment = ip.Flags&layers.IPv4MoreFragments != 0
	ev.IPOptions = header > ipv4Header
	ev.Proto = Proto(ip.Protocol)
	ev.Src = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[12:16])), 0)
	ev.Dst = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[16:20])), 0)
	if ip.FragOffset != 0 {
		return errFragment
	}
	if total > len(b) {
		d.setTruncated(len(b), total, ev)
		total = len(b)
	}
	return d.transport(b[header:total], ev)
}

// ipv6 decodes RFC 8200 and walks the extension headers to the transport.
func (d *Decoder) ipv6(b []byte, ev *Event) error {
	if len(b) < ipv6Header {
		return errIPHeader
	}
	if b[0]>>4 != 6 {
		return errVersion
	}
	d.packetCap = cap(b)
	size := ipv6Header + int(binary.BigEndian.Uint16(b[4:]))
	if size == ipv6Header {
		size += d.impliedLength(b)
	}
	ev.Len, ev.TTL = uint16(min(size, maxLen)), b[7]
	ev.Src = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])).Unmap(), 0)
	ev.Dst = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[24:40])).Unmap(), 0)
	rest, next, err := extensions(b[ipv6Header:min(size, len(b))], b[6], ev)
	if err != nil {
		return err
	}
	ev.Proto = Proto(next)
	if size > len(b) {
		d.setTruncated(len(b), size, ev)
	}
	return d.transport(rest, ev)
}

// impliedLength returns the payload length of a packet whose header has 0 there: that of
// the jumbo payload option (RFC 2675), or, for TCP, the rest of the frame, which the
// network card is to segment (TSO).
func (d *Decoder) impliedLength(b []byte) int {
	const jumboOption, pad1 = 0xc2, 0
	options := b[ipv6Header:]
	switch {
	case Proto(b[6]) == TCP:
		return len(options) + d.uncaptured()
	case b[6] != hopByHop || len(options) < 8:
		return 0
	}
	options = options[2:min((int(options[1])+1)*8, len(options))]
	for len(options) >= 6 {
		switch {
		case options[0] == jumboOption && options[1] == 4:
			return int(min(binary.BigEndian.Uint32(options[2:]), math.MaxInt32))
		case options[0] == pad1:
			options = options[1:]
		default:
			options = options[min(2+int(options[1]), len(options)):]
		}
	}
	return 0
}

// extensions skips the extension headers at the front of b, the first of which is
// of type next, and returns what follows and its protocol.
func extensions(b []byte, next byte, ev *Event) (rest []byte, proto byte, err error) {
	for range maxExtensions {
		size := 0
		switch next {
		case hopByHop, routing, destOptions, mobility, fragment, authHeader:
			if len(b) < 8 {
				return nil, 0, errExtension
			}
			size = (int(b[1]) + 1) * 8
		default:
			return b, next, nil
		}
		switch next {
		case authHeader: // RFC 4302 counts in four bytes, less two
			size = (int(b[1]) + 2) * 4
		case fragment:
			offset := binary.BigEndian.Uint16(b[2:])
			if offset>>3 != 0 {
				return nil, 0, errFragment
			}
			ev.Fragment = offset&1 != 0
			size = 8
		}
		if size > len(b) {
			return nil, 0, errExtension
		}
		next, b = b[0], b[size:]
	}
	return nil, 0, errExtension
}

const (
	tcpHeader  = 20
	udpHeader  = 8
	icmpHeader = 8
)

// transport decodes what an IP packet carries. A packet of any other protocol is an
// event too, with nothing but its payload.
func (d *Decoder) transport(b []byte, ev *Event) error {
	switch ev.Proto {
	case TCP:
		return decodeTCP(b, ev)
	case UDP:
		return d.decodeUDP(b, ev)
	case ICMP, ICMPv6:
		return d.decodeICMP(b, ev)
	}
	ev.Payload = b
	return nil
}

// decodeTCP decodes RFC 9293 section 3.1.
func decodeTCP(b []byte, ev *Event) error {
	if len(b) < tcpHeader {
		return errTransport
	}
	setPorts(b, ev)
	ev.Seq, ev.Ack, ev.HasSeq = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:]), true
	ev.Reserved, ev.Flags = b[12]&0xf, TCPFlags(b[13])
	ev.Window, ev.Urgent = binary.BigEndian.Uint16(b[14:]), binary.BigEndian.Uint16(b[18:])
	header := int(b[12]>>4) * 4
	switch {
	case header < tcpHeader:
		return errDataOffset
	case header > len(b): // the capture cut the options off
		return nil
	}
	ev.SetOptions(b[tcpHeader:header])
	ev.Payload = b[header:]
	return nil
}

// decodeUDP decodes RFC 768. A length beyond the packet gives what is there.
func (d *Decoder) decodeUDP(b []byte, ev *Event) error {
	if len(b) < udpHeader {
		return errTransport
	}
	if binary.BigEndian.Uint16(b[4:]) < udpHeader {
		return errUDPLength
	}
	_ = d.udp.DecodeFromBytes(b, gopacket.NilDecodeFeedback)
	setPorts(b, ev)
	ev.Payload = d.udp.Payload
	return nil
}

// decodeICMP decodes the eight bytes that RFC 792 and RFC 4443 messages have in common.
func (d *Decoder) decodeICMP(b []byte, ev *Event) error {
	if len(b) < icmpHeader {
		return errTransport
	}
	_ = d.icmp.DecodeFromBytes(b, gopacket.NilDecodeFeedback)
	ev.ICMPType, ev.ICMPCode = d.icmp.TypeCode.Type(), d.icmp.TypeCode.Code()
	ev.Payload = d.icmp.Payload
	return nil
}

// setPorts adds the ports, the first two fields of TCP and UDP alike.
func setPorts(b []byte, ev *Event) {
	ev.Src = netip.AddrPortFrom(ev.Src.Addr(), binary.BigEndian.Uint16(b))
	ev.Dst = netip.AddrPortFrom(ev.Dst.Addr(), binary.BigEndian.Uint16(b[2:]))
}
