package doctor

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/ingest/filter"
	"fwknopd/parse"
	"fwknopd/policy/spa"
)

// addressesOf returns the addresses of an interface, or, without one of a family, one of that
// family for documentation.
func addressesOf(name string) []netip.Addr {
	var v4, v6 netip.Addr
	if i, err := net.InterfaceByName(name); err == nil {
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			p, err := netip.ParsePrefix(a.String())
			switch {
			case err != nil:
			case p.Addr().Is4() && !v4.IsValid():
				v4 = p.Addr()
			case p.Addr().Is6() && (!v6.IsValid() || v6.IsLinkLocalUnicast()):
				v6 = p.Addr()
			}
		}
	}
	if !v4.IsValid() {
		v4 = netip.MustParseAddr("192.0.2.1")
	}
	if !v6.IsValid() {
		v6 = netip.MustParseAddr("2001:db8::1")
	}
	return []netip.Addr{v4, v6}
}

// protocols are those that carry SPA packets, the usual one first.
var protocols = []parse.Proto{parse.UDP, parse.TCP, parse.ICMP, parse.ICMPv6}

// taken returns the first protocol and port whose packets to some addresses a filter takes, also
// in a PPPoE session or behind a VLAN tag, the usual port of clients before all others; ok is
// false if it takes none.
func taken(f *filter.Filter, to []netip.Addr) (proto parse.Proto, port int, ok bool) {
	passes := func(proto parse.Proto, port int) bool {
		return takes(f, to, proto, port) || slices.ContainsFunc(to, func(a netip.Addr) bool {
			p := packet(a, proto, uint16(port))
			return f.Match(parse.LinkEthernet, inSession(p)) || f.Match(parse.LinkEthernet, tagged(p))
		})
	}
	if passes(parse.UDP, spa.DefaultPort) {
		return parse.UDP, spa.DefaultPort, true
	}
	for _, proto := range protocols {
		for port := 1; port < 1<<16; port++ {
			if passes(proto, port) {
				return proto, port, true
			}
			if proto == parse.ICMP || proto == parse.ICMPv6 {
				break // they have no ports
			}
		}
	}
	return 0, 0, false
}

// takes reports whether a filter takes a packet to one of some addresses as it is.
func takes(f *filter.Filter, to []netip.Addr, proto parse.Proto, port int) bool {
	return slices.ContainsFunc(to, func(a netip.Addr) bool { return f.Match(parse.LinkRaw, packet(a, proto, uint16(port))) })
}

// inSession returns an Ethernet frame of a PPPoE session (RFC 2516) with a packet.
func inSession(packet []byte) []byte {
	proto := map[byte]byte{4: 0x21, 6: 0x57}[packet[0]>>4]
	frame := append(make([]byte, 12), 0x88, 0x64, 0x11, 0, 0, 1)
	frame = binary.BigEndian.AppendUint16(frame, uint16(len(packet)+2))
	return append(append(frame, 0, proto), packet...)
}

// tagged returns an Ethernet frame with a packet behind a VLAN tag.
func tagged(packet []byte) []byte {
	ether := map[byte][]byte{4: {0x08, 0x00}, 6: {0x86, 0xdd}}[packet[0]>>4]
	return slices.Concat(make([]byte, 12), []byte{0x81, 0, 0, 1}, ether, packet)
}

// judgeFilter tries packets of each protocol to each port of some addresses; mend is the change to
// the usual filter.
func judgeFilter(f *filter.Filter, to []netip.Addr, mend string) finding {
	proto, port, some := taken(f, to)
	switch {
	case !some:
		return finding{"filter", fix, fmt.Sprintf("PCAP_FILTER %q takes no packet to %v: no UDP, TCP or ICMP on any port", f, to), mend}
	case proto == parse.UDP && port == spa.DefaultPort:
		where := ""
		if !takes(f, to, proto, port) {
			where = ", in a PPPoE session or behind a VLAN tag only"
		}
		return finding{"filter", ok, fmt.Sprintf("PCAP_FILTER takes packets to UDP port %d%s", port, where), ""}
	}
	return finding{"filter", warning, fmt.Sprintf("PCAP_FILTER %q takes no packets to UDP port %d, but %v, as to port %d", f, spa.DefaultPort, proto, port),
		"clients must send that: --server-proto and --server-port"}
}

// Carrier returns how a client has to send what the sources of the daemon take: its
// SPA_SERVER_PROTO, and the port, 0 for ICMP. The carrier is "" if no source takes packets.
func Carrier(l *config.Loaded) (carrier string, port int) {
	specs := privsep.SourceSpecs(l)
	for _, s := range specs {
		switch {
		case (s.Mode == "UDP" || s.Mode == "TCP") && !s.Discard:
			return strings.ToLower(s.Mode), s.Port
		case s.Mode != "PCAP" || s.Once:
			continue
		}
		f, err := filter.Parse(s.Filter)
		if err != nil {
			continue
		}
		switch proto, port, ok := taken(f, addressesOf(s.Path)); {
		case !ok:
		case proto == parse.UDP:
			return "udp", port
		case proto != parse.TCP:
			return "icmp", 0
		case slices.ContainsFunc(specs, func(s privsep.SourceSpec) bool { return s.Mode == "TCP" && s.Port == port }):
			return "tcp", port // a client can connect
		default:
			return "tcpraw", port
		}
	}
	return "", 0
}

// packet is an IP packet from an address for documentation, with the size of an SPA packet (RFC
// 791, RFC 8200); a SYN where it is TCP, and an echo reply where it is ICMP.
func packet(to netip.Addr, proto parse.Proto, port uint16) []byte {
	const above, ip4, ip6 = 228, 20, 40
	b := make([]byte, ip6+above)
	if to.Is4() {
		b = b[:ip4+above]
		b[0], b[8], b[9] = 0x45, 64, byte(proto) // version and length, TTL
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		copy(b[12:], []byte{198, 51, 100, 7})
		copy(b[16:], to.AsSlice())
	} else {
		b[0], b[6], b[7] = 0x60, byte(proto), 64
		binary.BigEndian.PutUint16(b[4:], above)
		from := netip.MustParseAddr("2001:db8::7").As16()
		copy(b[8:], from[:])
		copy(b[24:], to.AsSlice())
	}
	t := b[len(b)-above:]
	switch proto {
	case parse.UDP, parse.TCP:
		binary.BigEndian.PutUint16(t, 40000)
		binary.BigEndian.PutUint16(t[2:], port)
		if proto == parse.UDP {
			binary.BigEndian.PutUint16(t[4:], above)
		} else {
			t[12], t[13] = 5<<4, byte(parse.SYN)
		}
	case parse.ICMPv6:
		t[0] = 129
	}
	return b
}
