package send

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// A header returns the layers between IP and the payload, and the protocol number.
type header func(p *Packet, ip gopacket.NetworkLayer, to netip.AddrPort) ([]gopacket.SerializableLayer, layers.IPProtocol, error)

// raw returns the function that sends a packet with a header of our own.
func raw(h header) func(context.Context, *Packet) (netip.AddrPort, error) {
	return func(ctx context.Context, p *Packet) (netip.AddrPort, error) {
		to, err := p.resolve(ctx)
		if err != nil {
			return to, err
		}
		frame, err := p.frame(h, to)
		if err != nil {
			return to, err
		}
		if err = sendRaw(to.Addr(), frame); errors.Is(err, os.ErrPermission) {
			err = errors.New("raw packets need root or CAP_NET_RAW; udp, tcp and http do not")
		}
		return to, err
	}
}

// hops is the time to live of raw packets.
const hops = 64

// frame returns the IP packet.
func (p *Packet) frame(h header, to netip.AddrPort) ([]byte, error) {
	from, err := p.source(to)
	if err != nil {
		return nil, err
	}
	ip4 := &layers.IPv4{Version: 4, TTL: hops, Flags: layers.IPv4DontFragment, SrcIP: from.AsSlice(), DstIP: to.Addr().AsSlice()}
	ip6 := &layers.IPv6{Version: 6, HopLimit: hops, SrcIP: from.AsSlice(), DstIP: to.Addr().AsSlice()}
	ip := []gopacket.SerializableLayer{ip4}
	if to.Addr().Is6() {
		ip[0] = ip6
	}
	above, number, err := h(p, ip[0].(gopacket.NetworkLayer), to)
	if err != nil {
		return nil, err
	}
	ip4.Protocol, ip6.NextHeader = number, number
	buf := gopacket.NewSerializeBuffer()
	all := append(append(ip, above...), gopacket.Payload(p.Text))
	err = gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, all...)
	return buf.Bytes(), err
}

// source returns the address that the packet comes from: the wanted one, or that of this
// host on the way to the server.
func (p *Packet) source(to netip.AddrPort) (netip.Addr, error) {
	if p.Source.IsValid() {
		if p.Source.Is4() != to.Addr().Is4() {
			return netip.Addr{}, fmt.Errorf("the source %s and the server %s are not of one address family", p.Source, to.Addr())
		}
		return p.Source, nil
	}
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to)) // sends nothing
	if err != nil {
		return netip.Addr{}, err
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}

// sourcePort returns the wanted port or a random one.
func (p *Packet) sourcePort() uint16 {
	const from, n = 32768, 28232 // the ephemeral ports of Linux
	if p.SourcePort != 0 {
		return uint16(p.SourcePort)
	}
	return from + uint16(rand.IntN(n))
}

func udpHeader(p *Packet, ip gopacket.NetworkLayer, to netip.AddrPort) ([]gopacket.SerializableLayer, layers.IPProtocol, error) {
	u := &layers.UDP{SrcPort: layers.UDPPort(p.sourcePort()), DstPort: layers.UDPPort(to.Port())}
	return []gopacket.SerializableLayer{u}, layers.IPProtocolUDP, u.SetNetworkLayerForChecksum(ip)
}

// tcpHeader makes a SYN that carries data, as the 2.6 client does.
func tcpHeader(p *Packet, ip gopacket.NetworkLayer, to netip.AddrPort) ([]gopacket.SerializableLayer, layers.IPProtocol, error) {
	t := &layers.TCP{SrcPort: layers.TCPPort(p.sourcePort()), DstPort: layers.TCPPort(to.Port()), Seq: rand.Uint32(), SYN: true, Window: 65535}
	return []gopacket.SerializableLayer{t}, layers.IPProtocolTCP, t.SetNetworkLayerForChecksum(ip)
}

func icmpHeader(p *Packet, ip gopacket.NetworkLayer, to netip.AddrPort) ([]gopacket.SerializableLayer, layers.IPProtocol, error) {
	id, seq := uint16(rand.Uint32()), uint16(1)
	if to.Addr().Is6() {
		kind := uint8(layers.ICMPv6TypeEchoReply)
		if p.ICMPType >= 0 {
			kind = uint8(p.ICMPType)
		}
		i := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(kind, uint8(p.ICMPCode))}
		echo := &layers.ICMPv6Echo{Identifier: id, SeqNumber: seq}
		return []gopacket.SerializableLayer{i, echo}, layers.IPProtocolICMPv6, i.SetNetworkLayerForChecksum(ip)
	}
	kind := uint8(layers.ICMPv4TypeEchoReply)
	if p.ICMPType >= 0 {
		kind = uint8(p.ICMPType)
	}
	i := &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(kind, uint8(p.ICMPCode)), Id: id, Seq: seq}
	return []gopacket.SerializableLayer{i}, layers.IPProtocolICMPv4, nil
}
