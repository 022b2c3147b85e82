package send

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// TestFrames: frames have the addresses, ports and payload that they are to have, and
// valid checksums.
func TestFrames(t *testing.T) {
	for _, tt := range []struct {
		h        header
		from, to string
		kind     gopacket.LayerType
	}{
		{udpHeader, "192.0.2.7", "192.0.2.1", layers.LayerTypeUDP},
		{tcpHeader, "192.0.2.7", "192.0.2.1", layers.LayerTypeTCP},
		{icmpHeader, "192.0.2.7", "192.0.2.1", layers.LayerTypeICMPv4},
		{udpHeader, "2001:db8::7", "2001:db8::1", layers.LayerTypeUDP},
		{tcpHeader, "2001:db8::7", "2001:db8::1", layers.LayerTypeTCP},
		{icmpHeader, "2001:db8::7", "2001:db8::1", layers.LayerTypeICMPv6},
	} {
		p := Packet{Text: []byte("the text"), SourcePort: 4000, Source: netip.MustParseAddr(tt.from), ICMPType: 8, ICMPCode: 3}
		to := netip.AddrPortFrom(netip.MustParseAddr(tt.to), 62201)
		frame, err := p.frame(tt.h, to)
		if err != nil {
			t.Fatal(err)
		}
		first := layers.LayerTypeIPv4
		if to.Addr().Is6() {
			first = layers.LayerTypeIPv6
		}
		d := gopacket.NewPacket(frame, first, gopacket.Default)
		flow := d.NetworkLayer().NetworkFlow()
		if flow.Src().String() != tt.from || flow.Dst().String() != tt.to {
			t.Errorf("%v: %v", tt.kind, flow)
		}
		l := d.Layer(tt.kind)
		if l == nil || !bytes.HasSuffix(frame, p.Text) {
			t.Errorf("%v is missing in %v", tt.kind, d)
			continue
		}
		checkHeader(t, l)
		if !validSum(frame, to.Addr().Is6(), tt.kind) {
			t.Errorf("%v to %s: the checksum is wrong", tt.kind, tt.to)
		}
	}
}

func checkHeader(t *testing.T, l gopacket.Layer) {
	t.Helper()
	switch l := l.(type) {
	case *layers.UDP:
		if l.SrcPort != 4000 || l.DstPort != 62201 {
			t.Errorf("%v %v", l.SrcPort, l.DstPort)
		}
	case *layers.TCP:
		if l.SrcPort != 4000 || l.DstPort != 62201 || !l.SYN || l.ACK {
			t.Errorf("%+v", l)
		}
	case *layers.ICMPv4:
		if l.TypeCode != layers.CreateICMPv4TypeCode(8, 3) {
			t.Errorf("%v", l.TypeCode)
		}
	case *layers.ICMPv6:
		if l.TypeCode != layers.CreateICMPv6TypeCode(8, 3) {
			t.Errorf("%v", l.TypeCode)
		}
	}
}

// validSum sums up the transport segment and, but for ICMP, its pseudo header.
func validSum(frame []byte, v6 bool, kind gopacket.LayerType) bool {
	addresses, segment, number := frame[12:20], frame[20:], map[gopacket.LayerType]byte{layers.LayerTypeUDP: 17, layers.LayerTypeTCP: 6, layers.LayerTypeICMPv6: 58}[kind]
	if v6 {
		addresses, segment = frame[8:40], frame[40:]
	}
	data := bytes.Clone(segment)
	if len(data)%2 == 1 {
		data = append(data, 0)
	}
	if number != 0 {
		data = append(data, addresses...)
		data = append(data, 0, number, byte(len(segment)>>8), byte(len(segment)))
	}
	sum := uint32(0)
	for i := 0; i < len(data); i += 2 {
		sum += uint32(data[i])<<8 | uint32(data[i+1])
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return sum == 0xffff
}

func TestSourceOfAnotherFamily(t *testing.T) {
	p := Packet{Source: netip.MustParseAddr("2001:db8::1")}
	if _, err := p.frame(udpHeader, netip.MustParseAddrPort("192.0.2.1:62201")); err == nil {
		t.Error("an IPv6 source in front of an IPv4 server")
	}
}

func TestParseProxy(t *testing.T) {
	for s, want := range map[string]string{
		"proxy": "proxy:80", "proxy:3128": "proxy:3128", "http://proxy:3128/": "proxy:3128", "[2001:db8::1]:8080": "[2001:db8::1]:8080",
		"2001:db8::1": "[2001:db8::1]:80", "": "", "proxy:x": "", "proxy:0": "", "user@proxy": "", "https://proxy": "",
	} {
		if got, err := ParseProxy(s); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q %v", s, got, err)
		}
	}
}
