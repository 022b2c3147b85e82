package parse

import (
	"encoding/binary"
	"net/netip"

	"github.com/google/gopacket"
)

const (
	tcpHeader  = 20
	udpHeader  = 8
	icmpHeader = 8
)

// transport decodes what an IP packet carries. A protocol without a decoder here
// is an event as well, and all it carries is its payload.
func (d *Decoder) transport(b []byte, ev *Event) error {
	switch ev.Proto {
	case TCP:
		return tcp(b, ev)
	case UDP:
		return d.datagram(b, ev)
	case ICMP, ICMPv6:
		return d.control(b, ev)
	}
	ev.Payload = b
	return nil
}

// tcp decodes RFC 9293 section 3.1.
func tcp(b []byte, ev *Event) error {
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

// datagram decodes RFC 768. A length beyond the packet gives what is there.
func (d *Decoder) datagram(b []byte, ev *Event) error {
	if len(b) < udpHeader {
		return errTransport
	}
	if binary.BigEndian.Uint16(b[4:]) < udpHeader {
		return errDatagramLength
	}
	_ = d.udp.DecodeFromBytes(b, gopacket.NilDecodeFeedback)
	setPorts(b, ev)
	ev.Payload = d.udp.Payload
	return nil
}

// control decodes the eight bytes that RFC 792 and RFC 4443 messages have in common.
func (d *Decoder) control(b []byte, ev *Event) error {
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
