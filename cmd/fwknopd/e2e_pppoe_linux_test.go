package main

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"

	"fwknopd/fixtures/netlab"
	"fwknopd/policy/spa"
)

// TestE2EPPPoE sends packets in a PPPoE session to the Ethernet interface that carries it. A
// filter that names the session sees them, in the kernel and in a replay of the capture.
func TestE2EPPPoE(t *testing.T) {
	t.Parallel()
	for _, firewall := range []string{"nftables", "iptables"} {
		t.Run(firewall, func(t *testing.T) {
			r := &recording{site: newSite(t, firewall)}
			r.part(fmt.Sprintf("PCAP_FILTER udp port %[1]d or (pppoes and udp port %[1]d);\n", spaPort), stanza(""))
			r.sendInSession(r.message(packetKey(), func(m *spa.Message) { m.User = "inside" }))
			if !r.open() {
				t.Fatal("a packet in the session does not open the port")
			}
			r.end(false)
			got := r.parts[0].decisions
			if len(got) != 2 || !strings.Contains(got[0], `"user":"inside"`) || !strings.Contains(got[0], `"spa.granted"`) || !strings.Contains(got[0], fmt.Sprintf(`"src_ip":%q`, r.Client.V4)) {
				t.Errorf("decisions:\n%s", strings.Join(got, "\n"))
			}
			r.compare(r.parts[0])

			// The usual filter does not look into the session.
			r.part(fmt.Sprintf("PCAP_FILTER udp port %d;\n", spaPort), stanza(""))
			r.sendInSession(r.message(packetKey(), func(m *spa.Message) { m.User = "unseen" }))
			r.end(false)
			if got := r.parts[1].decisions; len(got) != 1 || strings.Contains(got[0], "unseen") {
				t.Errorf("decisions with the usual filter:\n%s", strings.Join(got, "\n"))
			}
			r.compare(r.parts[1])
		})
	}
}

// sendInSession sends a datagram of the client in an Ethernet frame of a PPPoE session.
func (r *recording) sendInSession(payload []byte) {
	r.t.Helper()
	mac := func(ns *netlab.NS, name string) (i *net.Interface) {
		ns.Do(func() {
			var err error
			if i, err = net.InterfaceByName(name); err != nil {
				r.t.Error(err)
			}
		})
		return i
	}
	from, to := mac(r.Client, netlab.ClientIf), mac(r.Server, netlab.ServerIf)
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: r.Client.V4.AsSlice(), DstIP: r.Server.V4.AsSlice()}
	udp := &layers.UDP{SrcPort: 40000, DstPort: spaPort}
	_ = udp.SetNetworkLayerForChecksum(ip)
	buf := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		&layers.Ethernet{SrcMAC: from.HardwareAddr, DstMAC: to.HardwareAddr, EthernetType: layers.EthernetTypePPPoESession},
		&layers.PPPoE{Version: 1, Type: 1, SessionId: 17}, &layers.PPP{PPPType: layers.PPPTypeIPv4}, ip, udp, gopacket.Payload(payload))
	if err != nil {
		r.t.Fatal(err)
	}
	r.Client.Do(func() {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			r.t.Error(err)
			return
		}
		defer unix.Close(fd)
		if err := unix.Sendto(fd, buf.Bytes(), 0, &unix.SockaddrLinklayer{Ifindex: from.Index}); err != nil {
			r.t.Error(err)
		}
	})
}
