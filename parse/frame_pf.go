package parse

import (
	"bytes"
	"encoding/binary"
)

// pflog reads the header that pf(4) puts in front of a packet: its own length,
// address family, action, reason, the interface's name. It grew with the years, from
// 45 bytes to 100, and differs between systems behind the name of the interface; the
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
	return d.ofFamily(uint32(b[1]), b[n:], ev)
}

// enc reads the header of an IPsec interface: address family, in the byte order of
// the host, security parameter index and flags. FreeBSD and OpenBSD have the same.
func (d *Decoder) enc(b []byte, ev *Event) error {
	const header = 12
	if len(b) < header {
		return errShortLink
	}
	return d.ofFamily(family(b), b[header:], ev)
}

// avsMagic are the first three bytes of an AVS header, which some drivers write
// where others write a Prism header; the fourth is its version.
const avsMagic = 0x802110

// radio reads what monitor mode puts in front of an 802.11 frame.
func (d *Decoder) radio(link LinkType, b []byte, ev *Event) error {
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

// radiotapFlags finds the flags: the second field, behind a time stamp, behind one or
// more words of 32 bits that say which fields there are.
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
// packet. padded says that the header takes a multiple of four bytes.
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
