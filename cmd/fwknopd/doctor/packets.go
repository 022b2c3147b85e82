package doctor

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"fwknopd/ingest"
	"fwknopd/ingest/filter"
	"fwknopd/parse"
	"fwknopd/policy/conf"
)

// spaPort is where clients send to unless they are told otherwise.
const spaPort = 62201

// captures reports whether the daemon takes packets from an interface.
func captures(s *conf.Server) bool {
	if s.Dialect == conf.C26 {
		return !s.UDPServer && s.PcapFile == ""
	}
	return slices.Contains(s.AuthModes, "PCAP")
}

// examineInterface looks for the interface to capture from.
func examineInterface(s *conf.Server) []finding {
	if !captures(s) || s.Interface == ingest.AnyInterface {
		return nil
	}
	i, err := net.InterfaceByName(s.Interface)
	switch {
	case err != nil:
		return []finding{{"interface", fix, "there is no interface " + s.Interface, "set PCAP_INTF to one of " + strings.Join(interfaces(), ", ")}}
	case i.Flags&net.FlagUp == 0:
		return []finding{{"interface", fix, s.Interface + " is down", "ip link set " + s.Interface + " up"}}
	}
	return []finding{{"interface", ok, s.Interface + " is up", ""}}
}

// interfaces returns the names of the interfaces that are up.
func interfaces() (names []string) {
	all, _ := net.Interfaces()
	for _, i := range all {
		if i.Flags&net.FlagUp != 0 {
			names = append(names, i.Name)
		}
	}
	return names
}

// examineFilter tries packets on PCAP_FILTER.
func examineFilter(s *conf.Server) []finding {
	f, err := filter.Parse(s.PcapFilter)
	if !captures(s) || err != nil { // the configuration is refused for that
		return nil
	}
	return judgeFilter(f, addressOf(s.Interface))
}

// addressOf returns an IPv4 address of an interface, one for documentation if it has none.
func addressOf(name string) netip.Addr {
	if i, err := net.InterfaceByName(name); err == nil {
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
				return p.Addr()
			}
		}
	}
	return netip.MustParseAddr("192.0.2.1")
}

// judgeFilter tries datagrams to each port of an address.
func judgeFilter(f *filter.Filter, to netip.Addr) []finding {
	passes := func(port int) bool { return f.Match(parse.LinkRaw, datagram(to, uint16(port))) }
	if passes(spaPort) {
		return []finding{{"filter", ok, fmt.Sprintf("PCAP_FILTER takes packets to UDP port %d", spaPort), ""}}
	}
	for port := 1; port < 1<<16; port++ {
		if passes(port) {
			return []finding{{"filter", warning, fmt.Sprintf("PCAP_FILTER %q takes no packets to UDP port %d, but to port %d: clients must be told", f, spaPort, port),
				fmt.Sprintf("fwknop --server-port %d …", port)}}
		}
	}
	return []finding{{"filter", fix, fmt.Sprintf("PCAP_FILTER %q takes no UDP packet to %s on any port", f, to), fmt.Sprintf("PCAP_FILTER udp port %d", spaPort)}}
}

// datagram is an IPv4 packet with UDP, from an address for documentation (RFC 791, RFC 768).
func datagram(to netip.Addr, port uint16) []byte {
	const ipLen, udpLen, payload = 20, 8, 200
	b := make([]byte, ipLen+udpLen+payload)
	b[0], b[8], b[9] = 0x45, 64, 17 // version and length, TTL, UDP
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	copy(b[12:], []byte{198, 51, 100, 7})
	copy(b[16:], to.AsSlice())
	binary.BigEndian.PutUint16(b[20:], 40000)
	binary.BigEndian.PutUint16(b[22:], port)
	binary.BigEndian.PutUint16(b[24:], udpLen+payload)
	return b
}
