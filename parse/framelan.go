package parse

import (
	"encoding/binary"

	"github.com/google/gopacket/layers"
)

// lan reads the headers of local networks other than Ethernet, and of Ethernet behind the
// chip of a switch.
func (d *Decoder) lan(link LinkType, b []byte, ev *Event) error {
	const (
		fddi     = 13 // frame control, two addresses
		fibre    = 16 // two network addresses, RFC 2625
		firewire = 16 // two EUI-64
		grh      = 40 // InfiniBand's global routing header
	)
	switch link {
	case LinkFDDI:
		return d.snap(b[min(fddi, len(b)):], ev)
	case LinkTokenRing:
		return d.tokenRing(b, ev)
	case LinkATM:
		return d.snap(b, ev)
	case LinkFibreChannel:
		return d.snap(b[min(fibre, len(b)):], ev)
	case LinkFirewire:
		return d.typed(b, firewire, ev)
	case LinkIPoIB:
		if len(b) < grh+4 {
			return errShortLink
		}
		return d.etherType(layers.EthernetType(binary.BigEndian.Uint16(b[grh:])), b[grh+4:], ev)
	case LinkFrameRelay:
		return d.frameRelay(b, ev)
	}
	return d.switchTag(link, b, ev)
}

// typed reads an EtherType after a header of n bytes.
func (d *Decoder) typed(b []byte, n int, ev *Event) error {
	if len(b) < n+2 {
		return errShortLink
	}
	return d.etherType(layers.EthernetType(binary.BigEndian.Uint16(b[n:])), b[n+2:], ev)
}

// tokenRing reads access and frame control, two addresses, and the route if the source's
// first bit says that there is one.
func (d *Decoder) tokenRing(b []byte, ev *Event) error {
	const header, source, routed, lengthMask = 14, 8, 0x80, 0x1f
	n := header
	if len(b) > header && b[source]&routed != 0 {
		n += int(b[header] & lengthMask)
	}
	return d.snap(b[min(n, len(b)):], ev)
}

// frameRelay reads an address of Q.922 and the protocol of RFC 2427.
func (d *Decoder) frameRelay(b []byte, ev *Event) error {
	const last, unnumbered, padding, snap, ipv4, ipv6 = 0x01, 0x03, 0x00, 0x80, 0xcc, 0x8e
	n := 0
	for n < len(b) && b[n]&last == 0 {
		n++
	}
	if n++; n+2 > len(b) {
		return errShortLink
	}
	control, b := b[n], b[n+1:]
	if b[0] == padding {
		b = b[1:]
	}
	if control != unnumbered || len(b) == 0 {
		return errNotIP
	}
	switch b[0] {
	case ipv4:
		return d.ipv4(b[1:], ev)
	case ipv6:
		return d.ipv6(b[1:], ev)
	case snap:
		if len(b) < 6 {
			return errShortLink
		}
		return d.typed(b[1:], 3, ev) // after the organisation
	}
	return errNotIP
}

// switchTag reads Ethernet with the tag that the chip of a switch adds for the port: between
// source and EtherType, or in front.
func (d *Decoder) switchTag(link LinkType, b []byte, ev *Event) error {
	const addresses = 12
	switch link {
	case LinkBroadcom, LinkDSA:
		return d.typed(b, addresses+4, ev)
	case LinkEDSA:
		return d.typed(b, addresses+8, ev)
	case LinkBroadcomFront:
		return d.ethernet(b[min(4, len(b)):], ev)
	}
	return errNotIP
}

// pktap reads the header that macOS puts before a frame of any of its interfaces: its length,
// the type of what follows, the link type, the interface and the process.
func (d *Decoder) pktap(b []byte, ev *Event) error {
	const least, linkType, packet = 108, 8, 1
	if len(b) < least {
		return errShortLink
	}
	n := binary.LittleEndian.Uint32(b)
	link := LinkType(min(binary.LittleEndian.Uint32(b[linkType:]), 1<<16-1))
	switch {
	case n < least:
		return errPktap
	case n > uint32(len(b)):
		return errShortLink
	case binary.LittleEndian.Uint32(b[4:]) != packet || link == LinkPktap || !link.Supported():
		return errNotIP
	}
	return d.frame(link, b[n:], ev)
}
