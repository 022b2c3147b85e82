package demo

import (
	"bytes"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"fwknopd/fixtures/golden"
	"fwknopd/policy/spa"
)

// The capture holds a message that opens tcp/22, the same packet sent again from another
// address, and one of a client whose clock is slow.
func TestCapture(t *testing.T) {
	friday := time.Date(2026, 11, 27, 9, 30, 0, 0, time.UTC)
	random := rand.NewChaCha8([32]byte{1})
	message := func(at time.Time, text string) []byte {
		m := spa.Message{User: "alice", Time: at.Unix(), Version: "3.0.0", Type: spa.Access, Text: text}
		packet, err := spa.Encode(&m, spa.Key{Passphrase: []byte("a_key_for_the_demo_alone"), HMACKey: []byte("another_key_for_the_demo_alone")}, spa.EncodeOptions{Rand: random})
		if err != nil {
			t.Fatal(err)
		}
		return packet
	}
	first := message(friday, "192.0.2.7,tcp/22")
	var b bytes.Buffer
	w := pcapgo.NewWriter(&b)
	w.WriteFileHeader(65536, layers.LinkTypeEthernet)
	for _, p := range []struct {
		after   time.Duration
		from    string
		payload []byte
	}{
		{0, "192.0.2.7", first},
		{40 * time.Second, "203.0.113.9", first},
		{90 * time.Second, "192.0.2.8", message(friday.Add(90*time.Second-10*time.Minute), "192.0.2.8,tcp/22")},
	} {
		frame := datagram(t, p.from, p.payload)
		at := friday.Add(p.after)
		if err := w.WritePacket(gopacket.CaptureInfo{Timestamp: at, CaptureLength: len(frame), Length: len(frame)}, frame); err != nil {
			t.Fatal(err)
		}
	}
	golden.Compare(t, "data/friday.pcap", b.Bytes())
}

// datagram returns a frame to the SPA port of the server of the capture.
func datagram(t *testing.T, from string, payload []byte) []byte {
	t.Helper()
	eth := &layers.Ethernet{SrcMAC: make(net.HardwareAddr, 6), DstMAC: make(net.HardwareAddr, 6), EthernetType: layers.EthernetTypeIPv4}
	ip := &layers.IPv4{Version: 4, TTL: 57, Protocol: layers.IPProtocolUDP, SrcIP: net.ParseIP(from), DstIP: net.ParseIP("198.51.100.1")}
	udp := &layers.UDP{SrcPort: 40001, DstPort: 62201}
	if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, eth, ip, udp, gopacket.Payload(payload)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
