package parse

import "strconv"

// LinkType is a link-layer header type as capture files number them (the LINKTYPE_
// registry of tcpdump.org). The values that differ between systems as DLT_ numbers
// and turn up in files all the same are here too: RAW is 12, 14 or 101.
type LinkType uint16

// The link types that a [Decoder] reads.
const (
	LinkNull         LinkType = 0 // BSD loopback: address family in the byte order of the host
	LinkEthernet     LinkType = 1 // IEEE 802.3, with any number of VLAN tags
	LinkTokenRing    LinkType = 6 // IEEE 802.5
	LinkPPP          LinkType = 9 // PPP, RFC 1661, with or without HDLC framing
	LinkFDDI         LinkType = 10
	LinkRawDLT       LinkType = 12  // IP, as DLT_RAW on most systems
	LinkRawOBSD      LinkType = 14  // IP, as DLT_RAW on OpenBSD
	LinkPPPSerial    LinkType = 50  // PPP in HDLC-like framing, RFC 1662
	LinkPPPEther     LinkType = 51  // PPPoE session packets, RFC 2516
	LinkATM          LinkType = 100 // RFC 2684, with LLC
	LinkRaw          LinkType = 101 // IP, version by its first nibble
	LinkCiscoHDLC    LinkType = 104 // Cisco's HDLC framing
	LinkWLAN         LinkType = 105 // IEEE 802.11
	LinkFrameRelay   LinkType = 107
	LinkLoop         LinkType = 108 // OpenBSD loopback: address family in network order
	LinkEnc          LinkType = 109 // IPsec interface of OpenBSD and FreeBSD
	LinkSLL          LinkType = 113 // Linux cooked capture
	LinkPflog        LinkType = 117 // log of the packet filter pf
	LinkPrism        LinkType = 119 // IEEE 802.11 after a Prism header
	LinkFibreChannel LinkType = 122 // RFC 2625
	LinkRadiotap     LinkType = 127 // IEEE 802.11 after a radiotap header
	LinkFirewire     LinkType = 138 // IEEE 1394, as macOS has it
	LinkAVS          LinkType = 163 // IEEE 802.11 after an AVS header
	LinkPPI          LinkType = 192 // IEEE 802.11 after a header of Per-Packet Information
	LinkPPPDirection LinkType = 204 // PPP after a byte for the direction
	LinkIPv4         LinkType = 228
	LinkIPv6         LinkType = 229
	LinkNFLOG        LinkType = 239 // Netfilter log messages
	LinkIPoIB        LinkType = 242 // InfiniBand, RFC 4391
	LinkPktap        LinkType = 258 // any interface of macOS
	LinkSLL2         LinkType = 276 // Linux cooked capture, version 2
	// Ethernet with the tag of a switch chip.
	LinkBroadcom      LinkType = 281
	LinkBroadcomFront LinkType = 282 // in front of the frame
	LinkDSA           LinkType = 284 // Marvell
	LinkEDSA          LinkType = 285 // Marvell, with an EtherType
)

var linkNames = map[LinkType]string{
	LinkNull: "NULL", LinkEthernet: "EN10MB", LinkPPP: "PPP", LinkRawDLT: "RAW",
	LinkRawOBSD: "RAW", LinkPPPSerial: "PPP_SERIAL", LinkPPPEther: "PPP_ETHER",
	LinkRaw: "RAW", LinkLoop: "LOOP", LinkSLL: "LINUX_SLL", LinkIPv4: "IPV4",
	LinkIPv6: "IPV6", LinkNFLOG: "NFLOG", LinkSLL2: "LINUX_SLL2", LinkCiscoHDLC: "C_HDLC",
	LinkWLAN: "IEEE802_11", LinkEnc: "ENC", LinkPflog: "PFLOG", LinkPrism: "IEEE802_11_PRISM",
	LinkRadiotap: "IEEE802_11_RADIOTAP", LinkAVS: "IEEE802_11_AVS", LinkPPI: "PPI", LinkPPPDirection: "PPP_WITH_DIR",
	LinkFDDI: "FDDI", LinkTokenRing: "IEEE802_5", LinkATM: "ATM_RFC1483", LinkFrameRelay: "FRELAY",
	LinkFibreChannel: "IP_OVER_FC", LinkFirewire: "APPLE_IP_OVER_IEEE1394", LinkIPoIB: "IPOIB", LinkPktap: "PKTAP",
	LinkBroadcom: "DSA_TAG_BRCM", LinkBroadcomFront: "DSA_TAG_BRCM_PREPEND", LinkDSA: "DSA_TAG_DSA", LinkEDSA: "DSA_TAG_EDSA",
}

// unsupportedNames are link types that no [Decoder] reads.
var unsupportedNames = map[LinkType]string{
	2: "EXP_ETHERNET", 3: "AX25", 4: "PRONET", 5: "CHAOS", 7: "ARCNET_BSD", 8: "SLIP",
	106: "ATM_CLIP", 114: "LTALK", 118: "CISCO_IOS", 123: "SUNATM",
	129: "ARCNET_LINUX", 139: "MTP2_WITH_PHDR", 140: "MTP2", 141: "MTP3", 142: "SCCP",
	143: "DOCSIS", 144: "LINUX_IRDA", 147: "USER0", 148: "USER1", 149: "USER2", 150: "USER3", 151: "USER4", 152: "USER5",
	153: "USER6", 154: "USER7", 155: "USER8", 156: "USER9", 157: "USER10", 158: "USER11", 159: "USER12", 160: "USER13",
	161: "USER14", 162: "USER15", 165: "BACNET_MS_TP", 166: "PPP_PPPD", 169: "GPRS_LLC", 170: "GPF_T", 177: "LINUX_LAPD",
	182: "MFR", 187: "BLUETOOTH_HCI_H4", 189: "USB_LINUX", 195: "IEEE802_15_4_WITHFCS", 196: "SITA", 197: "ERF",
	201: "BLUETOOTH_HCI_H4_WITH_PHDR", 202: "AX25_KISS", 203: "LAPD", 205: "C_HDLC_WITH_DIR", 206: "FRELAY_WITH_DIR",
	209: "IPMB_LINUX", 210: "FLEXRAY", 212: "LIN", 215: "IEEE802_15_4_NONASK_PHY", 220: "USB_LINUX_MMAPPED",
	224: "FC_2", 225: "FC_2_WITH_FRAME_DELIMS", 226: "IPNET", 227: "CAN_SOCKETCAN", 230: "IEEE802_15_4_NOFCS", 231: "DBUS",
	235: "DVB_CI", 236: "MUX27010", 237: "STANAG_5066_D_PDU", 240: "NETANALYZER", 241: "NETANALYZER_TRANSPARENT",
	243: "MPEG_2_TS", 244: "NG40", 245: "NFC_LLCP", 247: "INFINIBAND", 248: "SCTP", 249: "USBPCAP",
	250: "RTAC_SERIAL", 251: "BLUETOOTH_LE_LL", 252: "WIRESHARK_UPPER_PDU", 253: "NETLINK", 254: "BLUETOOTH_LINUX_MONITOR",
	255: "BLUETOOTH_BREDR_BB", 256: "BLUETOOTH_LE_LL_WITH_PHDR", 257: "PROFIBUS_DL", 259: "EPON",
	260: "IPMI_HPM_2", 261: "ZWAVE_R1_R2", 262: "ZWAVE_R3", 263: "WATTSTOPPER_DLM", 264: "ISO_14443", 265: "RDS",
	266: "USB_DARWIN", 267: "OPENFLOW", 268: "SDLC", 270: "LORATAP", 271: "VSOCK", 272: "NORDIC_BLE",
	273: "DOCSIS31_XRA31", 274: "ETHERNET_MPACKET", 275: "DISPLAYPORT_AUX", 278: "OPENVIZSLA", 279: "EBHSCR",
	280: "VPP_DISPATCH", 283: "IEEE802_15_4_TAP",
	286: "ELEE", 287: "Z_WAVE_SERIAL", 288: "USB_2_0", 289: "ATSC_ALP", 290: "ETW",
}

// String returns libpcap's name of the link type, or its number.
func (l LinkType) String() string {
	for _, names := range []map[LinkType]string{linkNames, unsupportedNames} {
		if name, ok := names[l]; ok {
			return name
		}
	}
	return "link type " + strconv.Itoa(int(l))
}

// Supported reports whether a [Decoder] reads this link type.
func (l LinkType) Supported() bool {
	_, ok := linkNames[l]
	return ok
}
