package parse

import (
	"fmt"
	"time"

	"github.com/google/gopacket/layers"
)

// A Decoder turns frames of one link type into events.
//
// The layers are gopacket's where its decoders are fit for hostile input at no
// cost: Ethernet, 802.1Q, IPv4, UDP, ICMP. The others are read here, because
// gopacket does not know them (SLL2, NFLOG, the many raw types), lets a length in
// the frame index past its end (SLL, PPPoE), allocates for each option (IPv6
// hop-by-hop) or gives up on broken options and drops the reserved bits (TCP), all
// of which a fingerprint wants to see.
//
// The zero Decoder is not ready; use [NewDecoder]. A Decoder is for one goroutine.
type Decoder struct {
	link LinkType

	eth  layers.Ethernet
	vlan layers.Dot1Q
	ip4  layers.IPv4
	udp  layers.UDP
	icmp layers.ICMPv4
}

// NewDecoder returns a decoder for frames of the given link type. The error names
// a link type that is not supported.
func NewDecoder(link LinkType) (*Decoder, error) {
	if !link.Supported() {
		return nil, fmt.Errorf("cannot decode %v", link)
	}
	return &Decoder{link: link}, nil
}

// LinkType returns the link type the decoder was made for.
func (d *Decoder) LinkType() LinkType { return d.link }

// Why a frame is no event. The first group is sound but not for us, the second
// contradicts itself or ends too early.
var (
	errNotIP    = &skip{ErrNotOurs, "not an IP packet"}
	errFragment = &skip{ErrNotOurs, "not the first fragment"}

	errShortLink      = &skip{ErrMalformed, "link-layer header cut short"}
	errNFLOG          = &skip{ErrMalformed, "broken NFLOG attribute"}
	errVersion        = &skip{ErrMalformed, "wrong IP version"}
	errIPHeader       = &skip{ErrMalformed, "broken IP header"}
	errExtension      = &skip{ErrMalformed, "broken IPv6 extension header"}
	errTransport      = &skip{ErrMalformed, "transport header cut short"}
	errDataOffset     = &skip{ErrMalformed, "broken TCP data offset"}
	errDatagramLength = &skip{ErrMalformed, "broken UDP length"}
)

// Frame decodes one frame, seen at t, into ev. What ev refers to aliases frame.
//
// The error, if any, wraps [ErrSkip] and one of its kinds. A frame that the
// capture cut short still is an event, with the payload that is there, as long as
// the fixed part of its transport header is whole; missing TCP options leave
// HasOptions false.
func (d *Decoder) Frame(frame []byte, t time.Time, ev *Event) error {
	ev.Reset()
	ev.Time, ev.Origin = t, OriginFrame
	switch d.link {
	case LinkEthernet:
		return d.ethernet(frame, ev)
	case LinkRaw, LinkRawDLT, LinkRawOBSD, LinkIPv4, LinkIPv6:
		return d.ip(frame, ev)
	case LinkSLL:
		return d.sll(frame, ev)
	case LinkSLL2:
		return d.sll2(frame, ev)
	case LinkNull, LinkLoop:
		return d.loopback(frame, ev)
	case LinkPPP, LinkPPPSerial:
		return d.ppp(frame, ev)
	case LinkPPPEther:
		return d.pppoe(frame, ev)
	case LinkNFLOG:
		return d.nflog(frame, ev)
	}
	return errNotIP
}
