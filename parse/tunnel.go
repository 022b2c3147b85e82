package parse

import (
	"encoding/binary"
	"strconv"

	"github.com/google/gopacket/layers"
)

// A TunnelKind is a way to carry a packet in a packet.
type TunnelKind uint8

// The kinds that [Decoder.Inner] looks into.
const (
	VXLAN     TunnelKind = iota + 1 // RFC 7348; Number is the network identifier
	GENEVE                          // RFC 8926; Number is the network identifier
	GRE                             // RFC 2784 and RFC 2890; Number is the key, if there is one
	IPv4InIP4                       // RFC 2003
	IPv6InIP4                       // RFC 4213
	IPv4InIP6                       // RFC 2473
	IPv6InIP6                       // RFC 2473
)

var tunnelNames = [...]string{
	VXLAN: "vxlan", GENEVE: "geneve", GRE: "gre", IPv4InIP4: "ipip", IPv6InIP4: "6in4", IPv4InIP6: "4in6", IPv6InIP6: "6in6",
}

// maxTunnels is how many tunnels, one in the other, are looked into.
const maxTunnels = 4

// A Tunnel is what one packet was carried in. It is comparable.
type Tunnel struct {
	Kind     TunnelKind
	Numbered bool // Number is present
	Number   uint32
}

// String returns the kind and the number: "vxlan 42", "gre".
func (t Tunnel) String() string {
	if !t.Numbered {
		return tunnelNames[t.Kind]
	}
	return tunnelNames[t.Kind] + " " + strconv.FormatUint(uint64(t.Number), 10)
}

// A TunnelPath is the tunnels around a packet, the outermost first. It is comparable; the
// zero value is that of a packet outside of tunnels.
type TunnelPath [maxTunnels]Tunnel

// String returns the tunnels, separated by commas; "" if there are none.
func (p TunnelPath) String() string {
	text := ""
	for i, t := range p {
		if t.Kind == 0 {
			break
		}
		if i > 0 {
			text += ", "
		}
		text += t.String()
	}
	return text
}

// Ports of UDP that carry tunnels.
const (
	portVXLAN      = 4789
	portVXLANLinux = 8472 // the kernel's default, from before the registration
	portGENEVE     = 6081
)

// Inner replaces ev, which this decoder decoded last without an error, by the packet inside
// it, if that is a packet of a tunnel, and by what is inside that, up to maxTunnels deep.
// What an event of the inner packet alone would have is that of the inner packet; Time, In,
// Prefix and where a truncated capture ends are those of the frame. Tunnels says what was
// around it. A packet whose contents cannot be decoded stays what it is: fragments, ERSPAN,
// a header that is broken or cut short, anything but IP inside.
func (d *Decoder) Inner(ev *Event) {
	for depth := range maxTunnels {
		contents, ok := tunnelOf(ev)
		if !ok || !d.decodeInner(contents, ev) {
			return
		}
		ev.tunnels[depth] = contents.Tunnel
		ev.depth = uint8(depth + 1)
	}
}

// decodeInner decodes what a tunnel carries. If it cannot, it returns false and leaves ev as it is.
func (d *Decoder) decodeInner(c tunnelContents, ev *Event) bool {
	in, packetCap := &d.inner, d.packetCap
	in.Reset()
	in.Time, in.Origin, in.In, in.Prefix = ev.Time, ev.Origin, ev.In, ev.Prefix
	if err := d.innerPacket(c, in); err != nil {
		d.packetCap = packetCap
		return false
	}
	in.text, in.tunnels, in.depth, in.Tagged = ev.text, ev.tunnels, ev.depth, false
	*ev = *in
	return true
}

func (d *Decoder) innerPacket(c tunnelContents, in *Event) error {
	switch c.ether {
	case layers.EthernetTypeIPv4:
		return d.ipv4(c.data, in)
	case layers.EthernetTypeIPv6:
		return d.ipv6(c.data, in)
	case layers.EthernetTypeTransparentEthernetBridging:
		return d.ethernet(c.data, in)
	}
	return errNotIP
}

// tunnelContents is what a packet of a tunnel carries.
type tunnelContents struct {
	Tunnel
	ether layers.EthernetType // IPv4, IPv6, or TransparentEthernetBridging for a frame
	data  []byte
}

// tunnelOf returns the contents of ev; false if it is not a packet of a tunnel. Of a
// fragment, the contents are incomplete.
func tunnelOf(ev *Event) (c tunnelContents, ok bool) {
	if ev.Fragment {
		return c, false
	}
	switch ev.Proto {
	case UDP:
		switch ev.Dst.Port() {
		case portVXLAN, portVXLANLinux:
			return vxlanContents(ev.Payload)
		case portGENEVE:
			return geneveContents(ev.Payload)
		}
	case protoGRE:
		return greContents(ev.Payload)
	case protoIPv4:
		kind := IPv4InIP4
		if ev.Src.Addr().Is6() {
			kind = IPv4InIP6
		}
		return tunnelContents{Tunnel{Kind: kind}, layers.EthernetTypeIPv4, ev.Payload}, true
	case protoIPv6:
		kind := IPv6InIP4
		if ev.Src.Addr().Is6() {
			kind = IPv6InIP6
		}
		return tunnelContents{Tunnel{Kind: kind}, layers.EthernetTypeIPv6, ev.Payload}, true
	}
	return c, false
}

// IANA protocol numbers of tunnels.
const (
	protoIPv4 Proto = 4
	protoIPv6 Proto = 41
	protoGRE  Proto = 47
)

// vxlanContents reads the eight bytes of RFC 7348 section 5: flags, of which one says that
// there is a network identifier, and that. Other bits are ignored on receipt.
func vxlanContents(b []byte) (c tunnelContents, ok bool) {
	const header, hasNetwork = 8, 0x08
	if len(b) < header || b[0]&hasNetwork == 0 {
		return c, false
	}
	t := Tunnel{Kind: VXLAN, Numbered: true, Number: binary.BigEndian.Uint32(b[4:]) >> 8}
	return tunnelContents{t, layers.EthernetTypeTransparentEthernetBridging, b[header:]}, true
}

// geneveContents reads RFC 8926 section 3.4: version and length of the options, flags,
// EtherType, network identifier, options. Control packets carry no data of the tunnel.
func geneveContents(b []byte) (c tunnelContents, ok bool) {
	const header, version, optionWords, control = 8, 0xc0, 0x3f, 0x80
	if len(b) < header || b[0]&version != 0 || b[1]&control != 0 {
		return c, false
	}
	n := header + int(b[0]&optionWords)*4
	if n > len(b) {
		return c, false
	}
	t := Tunnel{Kind: GENEVE, Numbered: true, Number: binary.BigEndian.Uint32(b[4:]) >> 8}
	return tunnelContents{t, layers.EthernetType(binary.BigEndian.Uint16(b[2:])), b[n:]}, true
}

// greContents reads RFC 2784 with the fields of RFC 2890: flags and version, EtherType,
// then checksum, key and sequence number as the flags say. Source routes (RFC 1701) and
// version 1 (PPTP) are not looked into.
func greContents(b []byte) (c tunnelContents, ok bool) {
	const (
		header                              = 4
		checksum, route, key, seq, versions = 0x8000, 0x4000, 0x2000, 0x1000, 0x0007
	)
	if len(b) < header {
		return c, false
	}
	flags, n := binary.BigEndian.Uint16(b), header
	c.ether = layers.EthernetType(binary.BigEndian.Uint16(b[2:]))
	c.Tunnel = Tunnel{Kind: GRE, Numbered: flags&key != 0}
	if flags&(route|versions) != 0 {
		return c, false
	}
	if flags&checksum != 0 {
		n += 4
	}
	if c.Numbered {
		if len(b) < n+4 {
			return c, false
		}
		c.Number = binary.BigEndian.Uint32(b[n:])
		n += 4
	}
	if flags&seq != 0 {
		n += 4
	}
	if n > len(b) {
		return c, false
	}
	c.data = b[n:]
	return c, true
}
