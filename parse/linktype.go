package parse

import "strconv"

// LinkType is a link-layer header type as capture files number them (the LINKTYPE_
// registry of tcpdump.org). The values that differ between systems as DLT_ numbers
// and turn up in files all the same are here too: RAW is 12, 14 or 101.
type LinkType uint16

// The link types that a [Decoder] reads.
const (
	LinkNull      LinkType = 0   // BSD loopback: address family in the byte order of the host
	LinkEthernet  LinkType = 1   // IEEE 802.3, with any number of VLAN tags
	LinkPPP       LinkType = 9   // PPP, RFC 1661, with or without HDLC framing
	LinkRawDLT    LinkType = 12  // IP, as DLT_RAW on most systems
	LinkRawOBSD   LinkType = 14  // IP, as DLT_RAW on OpenBSD
	LinkPPPSerial LinkType = 50  // PPP in HDLC-like framing, RFC 1662
	LinkPPPEther  LinkType = 51  // PPPoE session packets, RFC 2516
	LinkRaw       LinkType = 101 // IP, version by its first nibble
	LinkLoop      LinkType = 108 // OpenBSD loopback: address family in network order
	LinkSLL       LinkType = 113 // Linux cooked capture
	LinkIPv4      LinkType = 228
	LinkIPv6      LinkType = 229
	LinkNFLOG     LinkType = 239 // Netfilter log messages
	LinkSLL2      LinkType = 276 // Linux cooked capture, version 2
)

var linkNames = map[LinkType]string{
	LinkNull: "NULL", LinkEthernet: "EN10MB", LinkPPP: "PPP", LinkRawDLT: "RAW",
	LinkRawOBSD: "RAW", LinkPPPSerial: "PPP_SERIAL", LinkPPPEther: "PPP_ETHER",
	LinkRaw: "RAW", LinkLoop: "LOOP", LinkSLL: "LINUX_SLL", LinkIPv4: "IPV4",
	LinkIPv6: "IPV6", LinkNFLOG: "NFLOG", LinkSLL2: "LINUX_SLL2",
}

// String returns libpcap's name of the link type, or its number.
func (l LinkType) String() string {
	if name, ok := linkNames[l]; ok {
		return name
	}
	return "link type " + strconv.Itoa(int(l))
}

// Supported says whether a [Decoder] reads this link type.
func (l LinkType) Supported() bool {
	_, ok := linkNames[l]
	return ok
}
