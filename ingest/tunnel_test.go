package ingest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"fwknopd/fixtures/golden"
	"fwknopd/parse"
)

const tunnelFolder = "../fixtures/tunnels/"

// TestReadInner reads what a kernel sent through VXLAN, and the same packets in all other
// tunnels, which [tunnelCapture] made.
func TestReadInner(t *testing.T) {
	golden.Compare(t, tunnelFolder+"tunnels.pcap", tunnelCapture(t))
	tests := []struct {
		file  string
		inner bool
		want  []string
	}{
		{"vxlan.pcap", false, nil},
		{"vxlan.pcap", true, []string{"10.0.42.1 vxlan 42", "fd00:42::1 vxlan 42", "10.0.43.1 vxlan 43"}},
		{"tunnels.pcap", false, []string{"10.0.42.1 "}}, // in PPPoE
		{"tunnels.pcap", true, []string{
			"10.0.42.1 geneve 7", "fd00:42::1 geneve 8", "10.0.42.1 gre", "fd00:42::1 gre 5", "10.0.42.1 gre 6",
			"10.0.42.1 ipip", "fd00:42::1 6in4", "10.0.42.1 4in6", "fd00:42::1 6in6", "10.0.42.1 vxlan 9, gre 10", "10.0.42.1 ",
		}},
	}
	for _, tt := range tests {
		src, err := Read([]string{tunnelFolder + tt.file}, ReadOptions{Inner: tt.inner})
		ok(t, err)
		var got []string
		var ev parse.Event
		for {
			err := src.Next(t.Context(), &ev)
			if err == io.EOF {
				break
			}
			if errors.Is(err, parse.ErrMalformed) {
				t.Fatal(err)
			}
			if err == nil && ev.Flags == parse.SYN {
				got = append(got, ev.Src.Addr().String()+" "+ev.Tunnels().String())
			}
		}
		src.Close()
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s, inner %v: got\n%s\nwant\n%s", tt.file, tt.inner, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
		}
	}
}

// tunnelCapture returns a capture of the SYNs of vxlan.pcap, as frames and as packets, in
// every other tunnel, as gopacket writes it; behind that what is not looked into: ERSPAN and
// a fragment, and a PPPoE session, which is no tunnel.
func tunnelCapture(t *testing.T) []byte {
	four, six := synFrames(t)
	eth := &layers.Ethernet{SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, EthernetType: layers.EthernetTypeIPv4}
	eth6 := *eth
	eth6.EthernetType = layers.EthernetTypeIPv6
	ip := func(p layers.IPProtocol) *layers.IPv4 {
		return &layers.IPv4{Version: 4, TTL: 64, Protocol: p, SrcIP: net.IP{192, 0, 2, 2}, DstIP: net.IP{192, 0, 2, 1}}
	}
	ip6 := func(p layers.IPProtocol) *layers.IPv6 {
		return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: p, SrcIP: net.ParseIP("2001:db8::2"), DstIP: net.ParseIP("2001:db8::1")}
	}
	udp := func(port layers.UDPPort) *layers.UDP { return &layers.UDP{SrcPort: 50000, DstPort: port} }
	geneve := func(ether uint16, vni uint32) gopacket.Payload {
		b := binary.BigEndian.AppendUint16([]byte{1, 0}, ether)
		b = binary.BigEndian.AppendUint32(b, vni<<8)
		return append(b, 0x01, 0x02, 0x03, 0) // an option without data, RFC 8926 section 3.5
	}
	pppoe := *eth
	pppoe.EthernetType = layers.EthernetTypePPPoESession
	packet := func(frame []byte) gopacket.Payload { return frame[14:] }
	fragment := ip(layers.IPProtocolIPv4)
	fragment.Flags = layers.IPv4MoreFragments
	const v4, v6, bridged = layers.EthernetTypeIPv4, layers.EthernetTypeIPv6, layers.EthernetTypeTransparentEthernetBridging
	frames := [][]gopacket.SerializableLayer{
		{eth, ip(layers.IPProtocolUDP), udp(6081), geneve(0x6558, 7), gopacket.Payload(four)},
		{&eth6, ip6(layers.IPProtocolUDP), udp(6081), geneve(0x86dd, 8), packet(six)},
		{eth, ip(layers.IPProtocolGRE), &layers.GRE{Protocol: v4}, packet(four)},
		{eth, ip(layers.IPProtocolGRE), &layers.GRE{Protocol: v6, ChecksumPresent: true, KeyPresent: true, Key: 5, SeqPresent: true, Seq: 1}, packet(six)},
		{&eth6, ip6(layers.IPProtocolGRE), &layers.GRE{Protocol: bridged, KeyPresent: true, Key: 6}, gopacket.Payload(four)},
		{eth, ip(layers.IPProtocolIPv4), packet(four)},
		{eth, ip(layers.IPProtocolIPv6), packet(six)},
		{&eth6, ip6(layers.IPProtocolIPv4), packet(four)},
		{&eth6, ip6(layers.IPProtocolIPv6), packet(six)},
		{eth, ip(layers.IPProtocolUDP), udp(4789), &layers.VXLAN{ValidIDFlag: true, VNI: 9}, eth, ip(layers.IPProtocolGRE), &layers.GRE{Protocol: v4, KeyPresent: true, Key: 10}, packet(four)},
		{eth, ip(layers.IPProtocolGRE), &layers.GRE{Protocol: layers.EthernetTypeERSPAN, SeqPresent: true, Seq: 1}, gopacket.Payload{0x10, 0, 0, 0, 0, 0, 0, 0}, gopacket.Payload(four)},
		{eth, fragment, packet(four)},
		{&pppoe, &layers.PPPoE{Version: 1, Type: 1, SessionId: 17}, &layers.PPP{PPPType: layers.PPPTypeIPv4}, packet(four)},
	}
	var out bytes.Buffer
	w := pcapgo.NewWriter(&out)
	ok(t, w.WriteFileHeader(65535, layers.LinkTypeEthernet))
	for i, stack := range frames {
		buf := gopacket.NewSerializeBuffer()
		ok(t, gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true}, stack...))
		info := gopacket.CaptureInfo{Timestamp: time.Unix(1795957200+int64(i), 0), CaptureLength: len(buf.Bytes()), Length: len(buf.Bytes())}
		ok(t, w.WritePacket(info, buf.Bytes()))
	}
	return out.Bytes()
}

// synFrames returns the first SYN over IPv4 and over IPv6 of vxlan.pcap, with the Ethernet
// header inside the tunnel.
func synFrames(t *testing.T) (four, six []byte) {
	src, err := Read([]string{tunnelFolder + "vxlan.pcap"}, ReadOptions{})
	ok(t, err)
	defer src.Close()
	d, err := parse.NewDecoder(parse.LinkEthernet)
	ok(t, err)
	var ev, inner parse.Event
	for {
		err := src.Next(t.Context(), &ev)
		if err == io.EOF {
			return four, six
		}
		ok(t, err)
		frame := bytes.Clone(ev.Payload[8:])
		if d.Frame(frame, ev.Time, &inner) != nil || inner.Flags != parse.SYN {
			continue
		}
		if inner.Src.Addr().Is4() && four == nil {
			four = frame
		} else if six == nil {
			six = frame
		}
	}
}
