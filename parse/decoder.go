package parse

import (
	"fmt"
	"math"
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
	// Length of the frame as captured and as it was on the wire.
	caplen, origLen int
	packetCap       int // capacity of the slice that begins with the IP header; 0 if there is none

	eth  layers.Ethernet
	vlan layers.Dot1Q
	ip4  layers.IPv4
	udp  layers.UDP
	icmp layers.ICMPv4

	inner Event // scratch space of Inner
}

// NewDecoder returns a decoder for frames of the given link type. The error names
// a link type that is not supported.
func NewDecoder(link LinkType) (*Decoder, error) {
	if !link.Supported() {
		return nil, unsupportedError(link)
	}
	return &Decoder{link: link}, nil
}

// unsupportedError names a link type by number, and by name if it has one.
func unsupportedError(link LinkType) error {
	if name, ok := unsupportedNames[link]; ok {
		return fmt.Errorf("cannot decode link type %d (%s)", link, name)
	}
	return fmt.Errorf("cannot decode link type %d", link)
}

// LinkType returns the link type the decoder was made for.
func (d *Decoder) LinkType() LinkType { return d.link }

// Packet returns the part of frame, the one decoded last, that starts at its IP header;
// nil if it has no IP packet.
func (d *Decoder) Packet(frame []byte) []byte {
	if d.packetCap == 0 {
		return nil
	}
	return frame[cap(frame)-d.packetCap:]
}

// Why a frame gives no event. Frames of the first group are valid but carry no packet
// that fwknopd evaluates; those of the second contradict themselves or are truncated.
var (
	errNotIP     = &skipError{ErrNotOurs, "not an IP packet"}
	errFragment  = &skipError{ErrNotOurs, "not the first fragment"}
	errNotData   = &skipError{ErrNotOurs, "802.11 frame without data"}
	errEncrypted = &skipError{ErrNotOurs, "encrypted 802.11 frame"}
	errChecksum  = &skipError{ErrNotOurs, "802.11 frame damaged on the air"}

	errShortLink  = &skipError{ErrMalformed, "link-layer header cut short"}
	errRadio      = &skipError{ErrMalformed, "broken 802.11 capture header"}
	errPflog      = &skipError{ErrMalformed, "broken pflog header"}
	errPktap      = &skipError{ErrMalformed, "broken PKTAP header"}
	errNFLOG      = &skipError{ErrMalformed, "broken NFLOG attribute"}
	errVersion    = &skipError{ErrMalformed, "wrong IP version"}
	errIPHeader   = &skipError{ErrMalformed, "broken IP header"}
	errExtension  = &skipError{ErrMalformed, "broken IPv6 extension header"}
	errTransport  = &skipError{ErrMalformed, "transport header cut short"}
	errDataOffset = &skipError{ErrMalformed, "broken TCP data offset"}
	errUDPLength  = &skipError{ErrMalformed, "broken UDP length"}
)

// Frame decodes one whole frame, seen at t, into ev. What ev refers to aliases frame.
// The error, if any, wraps [ErrSkip] and one of its kinds.
func (d *Decoder) Frame(frame []byte, t time.Time, ev *Event) error {
	return d.FrameOf(len(frame), frame, t, ev)
}

// FrameOf decodes what a capture kept of a frame of size bytes. It still is an event
// (see Event.Captured), with the payload that is there, as long as the fixed part of
// its transport header is whole; missing TCP options leave HasOptions false.
func (d *Decoder) FrameOf(size int, frame []byte, t time.Time, ev *Event) error {
	ev.Reset()
	ev.Time, ev.Origin = t, OriginFrame
	d.caplen, d.origLen, d.packetCap = len(frame), size, 0
	return d.frame(d.link, frame, ev)
}

func (d *Decoder) frame(link LinkType, frame []byte, ev *Event) error {
	switch link {
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
	case LinkNFLOG:
		return d.nflog(frame, ev)
	case LinkPflog:
		return d.pflog(frame, ev)
	case LinkEnc:
		return d.enc(frame, ev)
	case LinkWLAN, LinkRadiotap, LinkPrism, LinkAVS, LinkPPI:
		return d.monitorMode(link, frame, ev)
	case LinkPPP, LinkPPPSerial, LinkPPPDirection, LinkPPPEther, LinkCiscoHDLC:
		return d.pointToPoint(link, frame, ev)
	case LinkPktap:
		return d.pktap(frame, ev)
	default:
		return d.lan(link, frame, ev)
	}
}

// setTruncated records in ev that have of want bytes of the IP packet are present.
func (d *Decoder) setTruncated(have, want int, ev *Event) {
	if d.uncaptured() > 0 {
		have, want = d.caplen, d.origLen
	}
	ev.Captured, ev.Whole = uint32(min(uint64(have), math.MaxUint32)), uint32(min(uint64(want), math.MaxUint32))
}

// uncaptured returns the number of bytes of the frame that the capture left out.
func (d *Decoder) uncaptured() int { return max(d.origLen-d.caplen, 0) }
