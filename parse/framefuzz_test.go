package parse

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

func FuzzFrame(f *testing.F) {
	for link := range linkNames {
		f.Add(uint16(link), unhex(f, syn4))
		f.Add(uint16(link), unhex(f, macs+"8100 0007 86dd"+udp6))
		f.Add(uint16(link), unhex(f, "02000005 2400 0900"+udp4))
		f.Add(uint16(link), unhex(f, "11 00 0001 0022 0021"+udp4))
		f.Add(uint16(link), unhex(f, "0000 0001 0006 0200000000020000 0800"+udp4))
	}
	f.Add(uint16(LinkEthernet), unhex(f, macs+"88a8 0007 8100 0008 8864 11 00 0001 0036 0057"+udp6))
	f.Add(uint16(LinkEthernet), unhex(f, macs+"8864 11 00 0001 ffff ff03 21"+udp4))
	f.Add(uint16(LinkPflog), unhex(f, "45 02 01 00"+pfName+"01 000000 00000000 00000000"+udp4))
	f.Add(uint16(LinkPflog), unhex(f, "3d 18 00 00"+pfName+"01 000000"+udp6))
	f.Add(uint16(LinkWLAN), unhex(f, "8883 0000"+wlanMACs+"1000 020000000004 8000 01020304 020000000001 020000000002 0028"+llc+udp4))
	f.Add(uint16(LinkRadiotap), unhex(f, "00 00 1a00 030000a0 00000000 00000000 0000000000000000 20 00"+"8801 0000"+wlanMACs+"1000 0600 0000"+llc+udp4))
	f.Add(uint16(LinkPktap), unhex(f, pktap("01")+macs+"0800"+udp4))
	f.Add(uint16(LinkFrameRelay), unhex(f, "1841 03 80 000000 86dd"+udp6))
	f.Add(uint16(LinkTokenRing), unhex(f, "1040 020000000001 820000000002 0670 0011 0020"+llc+udp4))
	f.Add(uint16(LinkEthernet), unhex(f, macs+"8847 0001 0040 0002 0140"+udp4))
	f.Add(uint16(LinkPPI), unhex(f, "00 00 0c00 69000000 00000000"+"0801 0000"+wlanMACs+"1000"+llc+udp4))
	f.Add(uint16(LinkRaw), unhex(f, "60000000 0000 00 40 20010db8000000000000000000000007 20010db8000000000000000000000001 06 01 00 010100 c20400000028 00000000 d558 0050 00000001 00000002 50 18 faf0 0000 0000 64656164"))
	f.Fuzz(func(t *testing.T, link uint16, frame []byte) {
		d, err := NewDecoder(LinkType(link))
		if err != nil {
			return
		}
		var ev Event
		if err := d.Frame(frame, time.Unix(1, 0), &ev); err != nil {
			if !errors.Is(err, ErrSkip) || errors.Is(err, ErrNotOurs) == errors.Is(err, ErrMalformed) {
				t.Fatalf("error of no kind: %v", err)
			}
			return
		}
		checkEvent(t, &ev, len(frame))
		if (ev.Whole == 0) != (ev.Captured == 0) || ev.Captured > ev.Whole || len(d.Packet(frame)) > len(frame) {
			t.Fatalf("%d of %d bytes captured, packet of %d", ev.Captured, ev.Whole, len(d.Packet(frame)))
		}
		part := frame[:len(frame)-len(frame)/8]
		if err := d.FrameOf(len(frame), part, time.Unix(1, 0), &ev); err == nil {
			checkEvent(t, &ev, len(part))
		}
	})
}

// checkEvent holds what every event of a frame promises.
func checkEvent(t *testing.T, ev *Event, size int) {
	t.Helper()
	if !ev.Src.IsValid() || !ev.Dst.IsValid() || ev.Src.Addr().Is4In6() || ev.Dst.Addr().Is4In6() {
		t.Fatalf("addresses %v %v", ev.Src, ev.Dst)
	}
	if len(ev.Payload) > size || len(ev.Payload) > int(ev.Len) && ev.Len != maxLen {
		t.Fatalf("payload of %d bytes in a packet of %d, frame %d", len(ev.Payload), ev.Len, size)
	}
	if ev.Proto != TCP && ev.Proto != UDP && (ev.Src.Port() != 0 || ev.Dst.Port() != 0) {
		t.Fatalf("ports without TCP or UDP: %v", ev)
	}
	if ev.Proto != TCP && (ev.Flags != 0 || ev.HasSeq || ev.HasOptions) {
		t.Fatalf("TCP fields without TCP: %v", ev)
	}
}

// TestFrameEqualsGopacket builds random sound packets with gopacket's serializer and
// compares the decoded events with the fields given.
func TestFrameEqualsGopacket(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	d, err := NewDecoder(LinkEthernet)
	if err != nil {
		t.Fatal(err)
	}
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	for range 20000 {
		stack := randomPacket(rnd)
		if err := gopacket.SerializeLayers(buf, opts, stack...); err != nil {
			t.Fatal(err)
		}
		frame := buf.Bytes()
		var ev Event
		if err := d.Frame(frame, time.Time{}, &ev); err != nil {
			t.Fatalf("% x: %v", frame, err)
		}
		comparePacket(t, &ev, gopacket.NewPacket(frame, layers.LinkTypeEthernet, gopacket.NoCopy))
	}
}

func randomPacket(rnd *rand.Rand) []gopacket.SerializableLayer {
	bytes := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		return b
	}
	var stack []gopacket.SerializableLayer
	inner := layers.EthernetTypeIPv4
	if rnd.IntN(2) == 0 {
		inner = layers.EthernetTypeIPv6
	}
	eth := &layers.Ethernet{SrcMAC: bytes(6), DstMAC: bytes(6), EthernetType: inner}
	stack = append(stack, eth)
	if rnd.IntN(3) == 0 {
		eth.EthernetType = layers.EthernetTypeDot1Q
		stack = append(stack, &layers.Dot1Q{VLANIdentifier: uint16(rnd.IntN(4096)), Type: inner})
	}
	proto := []layers.IPProtocol{layers.IPProtocolTCP, layers.IPProtocolUDP, layers.IPProtocolICMPv4}[rnd.IntN(3)]
	var network gopacket.NetworkLayer
	if inner == layers.EthernetTypeIPv4 {
		ip := &layers.IPv4{
			Version: 4, SrcIP: bytes(4), DstIP: bytes(4), TTL: uint8(rnd.Uint32()), Id: uint16(rnd.Uint32()),
			Flags: layers.IPv4Flag(rnd.IntN(2)) << 1, Protocol: proto,
		}
		network, stack = ip, append(stack, ip)
	} else {
		ip := &layers.IPv6{Version: 6, SrcIP: bytes(16), DstIP: bytes(16), HopLimit: uint8(rnd.Uint32()), NextHeader: proto}
		network, stack = ip, append(stack, ip)
	}
	switch proto {
	case layers.IPProtocolTCP:
		tcp := &layers.TCP{
			SrcPort: layers.TCPPort(rnd.Uint32()), DstPort: layers.TCPPort(rnd.Uint32()), Seq: rnd.Uint32(), Ack: rnd.Uint32(),
			Window: uint16(rnd.Uint32()), Urgent: uint16(rnd.Uint32()), SYN: rnd.IntN(2) == 0, ACK: rnd.IntN(2) == 0,
			FIN: rnd.IntN(2) == 0, RST: rnd.IntN(2) == 0, PSH: rnd.IntN(2) == 0, URG: rnd.IntN(2) == 0, ECE: rnd.IntN(2) == 0, CWR: rnd.IntN(2) == 0,
		}
		for range rnd.IntN(5) {
			tcp.Options = append(tcp.Options, layers.TCPOption{OptionType: 8, OptionLength: 6, OptionData: bytes(4)})
		}
		_ = tcp.SetNetworkLayerForChecksum(network)
		stack = append(stack, tcp)
	case layers.IPProtocolUDP:
		udp := &layers.UDP{SrcPort: layers.UDPPort(rnd.Uint32()), DstPort: layers.UDPPort(rnd.Uint32())}
		_ = udp.SetNetworkLayerForChecksum(network)
		stack = append(stack, udp)
	default:
		stack = append(stack, &layers.ICMPv4{TypeCode: layers.ICMPv4TypeCode(rnd.Uint32())})
	}
	return append(stack, gopacket.Payload(bytes(rnd.IntN(60))))
}

func comparePacket(t *testing.T, ev *Event, p gopacket.Packet) {
	t.Helper()
	equal := func(what string, want, got any) {
		t.Helper()
		if want != got {
			t.Fatalf("%s: gopacket %v, ours %v\n%v", what, want, got, p)
		}
	}
	addr := func(ip net.IP) netip.Addr { a, _ := netip.AddrFromSlice(ip); return a.Unmap() }
	switch ip := p.NetworkLayer().(type) {
	case *layers.IPv4:
		equal("src", addr(ip.SrcIP), ev.Src.Addr())
		equal("dst", addr(ip.DstIP), ev.Dst.Addr())
		equal("length", ip.Length, ev.Len)
		equal("ttl", ip.TTL, ev.TTL)
		equal("id", ip.Id, ev.ID)
		equal("df", ip.Flags&layers.IPv4DontFragment != 0, ev.DF)
	case *layers.IPv6:
		equal("src", addr(ip.SrcIP), ev.Src.Addr())
		equal("dst", addr(ip.DstIP), ev.Dst.Addr())
		equal("length", ip.Length+40, ev.Len)
		equal("hop limit", ip.HopLimit, ev.TTL)
	}
	if l, ok := p.Layer(layers.LayerTypeTCP).(*layers.TCP); ok {
		equal("ports", [2]uint16{uint16(l.SrcPort), uint16(l.DstPort)}, [2]uint16{ev.Src.Port(), ev.Dst.Port()})
		equal("seq", [2]uint32{l.Seq, l.Ack}, [2]uint32{ev.Seq, ev.Ack})
		equal("window", [2]uint16{l.Window, l.Urgent}, [2]uint16{ev.Window, ev.Urgent})
		equal("flags", TCPFlags(binary.BigEndian.Uint16(l.Contents[12:])), ev.Flags)
		equal("options", string(l.Contents[20:]), string(ev.Options()))
		equal("payload", string(l.Payload), string(ev.Payload))
	}
	if l, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP); ok {
		equal("ports", [2]uint16{uint16(l.SrcPort), uint16(l.DstPort)}, [2]uint16{ev.Src.Port(), ev.Dst.Port()})
		equal("payload", string(l.Payload), string(ev.Payload))
	}
	if l, ok := p.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4); ok {
		equal("type", uint16(l.TypeCode), uint16(ev.ICMPType)<<8|uint16(ev.ICMPCode))
		equal("payload", string(l.Payload), string(ev.Payload))
	}
}

func TestFrameAllocatesNothing(t *testing.T) {
	for name, frame := range benchFrames {
		d, err := NewDecoder(LinkEthernet)
		if err != nil {
			t.Fatal(err)
		}
		b, now := unhex(t, macs+frame), time.Unix(1, 0)
		var ev Event
		if n := testing.AllocsPerRun(100, func() { _ = d.Frame(b, now, &ev) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

var benchFrames = map[string]string{
	"SYN":          "0800" + syn4,
	"UDP":          "0800" + udp4,
	"UDP6":         "86dd" + udp6,
	"HopByHop":     "86dd 60000000 0014 00 01 20010db8000000000000000000000007 20010db8000000000000000000000001 3a 00 050200000100 8f 00 0000 00000000 00000000",
	"BrokenTCP":    "0800" + "4500002c 0000 0000 80 06 0000 c0000207 c6336401 | 0001 0002 01020304 05060708 6f ff 0003 0000 0004 | 02000000",
	"ARP":          "0806 0001",
	"Offload":      "0800 45000000 0000 4000 40 06 0000 c0000207 c6336401 | d558 0050 00000001 00000002 50 18 faf0 0000 0000 64656164",
	"Jumbo":        "86dd 60000000 0000 00 40 20010db8000000000000000000000007 20010db8000000000000000000000001 06 00 c20400000020 | d558 0050 00000001 00000002 50 18 faf0 0000 0000 64656164",
	"Fragment":     "0800 45000020 0007 0001 40 11 0000 c0000207 c6336401 d558 f2f9 000c 0000 64656164",
	"TaggedPPPoE6": "8100 0007 8864 11 00 0001 0036 0057" + udp6,
}

func BenchmarkFrame(b *testing.B) {
	for name, frame := range benchFrames {
		b.Run(name, func(b *testing.B) {
			d, err := NewDecoder(LinkEthernet)
			if err != nil {
				b.Fatal(err)
			}
			frame, now := unhex(b, macs+frame), time.Unix(1, 0)
			var ev Event
			b.ReportAllocs()
			for b.Loop() {
				_ = d.Frame(frame, now, &ev)
			}
		})
	}
}
