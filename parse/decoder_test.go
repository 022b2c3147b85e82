package parse

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// unhex reads a frame written in hex; blanks and bars are for the eye.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.NewReplacer(" ", "", "|", "", "\n", "", "\t", "").Replace(s))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Packets that the tables below wrap.
const (
	udp4 = "45000020 1c46 4000 40 11 0000 c0000207 c6336401 | d558 f2f9 000c 0000 | 64656164" // 192.0.2.7:54616 > 198.51.100.1:62201 "dead"
	udp6 = "60000000 000c 11 3f 20010db8000000000000000000000007 20010db8000000000000000000000001 | d558 f2f9 000c 0000 | 64656164"
	syn4 = "4500003c 0001 4000 40 06 0000 c0000207 c6336401 | d558 0016 00000001 00000000 a0 02 faf0 0000 0000" + syn4opt
	// mss 1460, sackOK, timestamp, nop, wscale 7
	syn4opt = "020405b4 0402 080a0000000100000000 01 030307"
	macs    = "020000000001 020000000002 "
)

// Headers of pf and 802.11.
const (
	pfName   = "69676230 000000000000000000000000 00000000000000000000000000000000 00000005 ffffffff 00000000 00000000 00000000 00000000" // igb0
	wlanMACs = "020000000001 020000000002 020000000003"
	llc      = "aaaa03 000000 0800"
)

func inPF(ev Event) Event {
	ev.In = []byte("igb0")
	return ev
}

func udpEvent(src, dst string, n, ttl int, df bool) Event {
	return Event{
		Src: netip.MustParseAddrPort(src), Dst: netip.MustParseAddrPort(dst), Proto: UDP,
		Len: uint16(n), TTL: uint8(ttl), DF: df, Payload: []byte("dead"), Origin: OriginFrame,
	}
}

func wantUDP4() Event {
	ev := udpEvent("192.0.2.7:54616", "198.51.100.1:62201", 32, 64, true)
	ev.ID = 0x1c46
	return ev
}

func wantUDP6() Event {
	return udpEvent("[2001:db8::7]:54616", "[2001:db8::1]:62201", 52, 63, false)
}

func decode(t testing.TB, link LinkType, frame []byte) (Event, error) {
	t.Helper()
	d, err := NewDecoder(link)
	if err != nil {
		t.Fatal(err)
	}
	var ev Event
	err = d.Frame(frame, time.Time{}, &ev)
	return ev, err
}

func diffEvents(want, got Event) string {
	return cmp.Diff(want, got, cmp.AllowUnexported(Event{}), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }))
}

func TestFrameLinkTypes(t *testing.T) {
	tests := []struct {
		name  string
		link  LinkType
		frame string
		want  Event
	}{
		{"ethernet", LinkEthernet, macs + "0800" + udp4, wantUDP4()},
		{"ethernet, padding and checksum", LinkEthernet, macs + "0800" + udp4 + "0000000000000000000000000000 aabbccdd", wantUDP4()},
		{"ethernet, IPv6", LinkEthernet, macs + "86dd" + udp6 + "ffff", wantUDP6()},
		{"802.1Q", LinkEthernet, macs + "8100 0064 0800" + udp4, tagged(wantUDP4())},
		{"802.1ad around 802.1Q", LinkEthernet, macs + "88a8 0064 8100 0065 86dd" + udp6, tagged(wantUDP6())},
		{"three tags", LinkEthernet, macs + "9100 0001 9200 0002 8100 0003 0800" + udp4, tagged(wantUDP4())},
		{"SNAP", LinkEthernet, macs + "0028 aaaa03 000000 0800" + udp4 + "0000", wantUDP4()},
		{"PPPoE on ethernet", LinkEthernet, macs + "8864 11 00 0001 0022 0021" + udp4 + "0000", tagged(wantUDP4())},
		{"PPPoE in a VLAN", LinkEthernet, macs + "8100 0007 8864 11 00 0001 0036 0057" + udp6 + "0000", tagged(wantUDP6())},
		{"SLL", LinkSLL, "0000 0001 0006 0200000000020000 0800" + udp4, wantUDP4()},
		{"SLL with a tag", LinkSLL, "0000 0001 0006 0200000000020000 8100 0007 86dd" + udp6, tagged(wantUDP6())},
		{"SLL, address length nonsense", LinkSLL, "0000 0001 fffe 0200000000020000 0800" + udp4, wantUDP4()},
		{"SLL2", LinkSLL2, "0800 0000 00000002 0001 00 06 0200000000020000" + udp4, wantUDP4()},
		{"raw 12", LinkRawDLT, udp4, wantUDP4()},
		{"raw 14", LinkRawOBSD, udp6, wantUDP6()},
		{"raw 101", LinkRaw, udp6, wantUDP6()},
		{"IPV4", LinkIPv4, udp4, wantUDP4()},
		{"IPV6", LinkIPv6, udp6, wantUDP6()},
		{"NULL, little endian", LinkNull, "02000000" + udp4, wantUDP4()},
		{"NULL, big endian", LinkNull, "00000002" + udp4, wantUDP4()},
		{"NULL, Darwin IPv6", LinkNull, "1e000000" + udp6, wantUDP6()},
		{"LOOP, OpenBSD IPv6", LinkLoop, "00000018" + udp6, wantUDP6()},
		{"PPP", LinkPPP, "0021" + udp4, wantUDP4()},
		{"PPP, compressed protocol", LinkPPP, "57" + udp6, wantUDP6()},
		{"PPP, HDLC framing", LinkPPPSerial, "ff03 0021" + udp4, wantUDP4()},
		{"PPPoE", LinkPPPEther, "11 00 0001 0022 0021" + udp4, wantUDP4()},
		{"PPP with direction", LinkPPPDirection, "00 ff03 0021" + udp4, wantUDP4()},
		{"Cisco HDLC", LinkCiscoHDLC, "0f00 0800" + udp4, wantUDP4()},
		{"ENC, little endian", LinkEnc, "02000000 00001000 00000001" + udp4, wantUDP4()},
		{"ENC, big endian", LinkEnc, "00000018 00001000 00000001" + udp6, wantUDP6()},
		{"pflog, OpenBSD 4", LinkPflog, "3d 02 00 00" + pfName + "01 000000" + udp4, inPF(wantUDP4())},
		{"pflog, OpenBSD 7", LinkPflog, "64 18 00 00" + pfName + "01 00 18 00" + strings.Repeat("00", 36) + udp6, inPF(wantUDP6())},
		{"pflog, FreeBSD IPv6", LinkPflog, "3d 1c 01 00" + pfName + "01 000000" + udp6, inPF(wantUDP6())},
		{"pflog, FreeBSD 14", LinkPflog, "45 02 01 00" + pfName + "01 000000 00000000 00000000" + udp4, inPF(wantUDP4())},
		{"pflog, padded length", LinkPflog, "40 02 01 00" + pfName + "01 000000" + udp4, inPF(wantUDP4())},
		{"pflog, 72", LinkPflog, "48 02 01 00" + pfName + "01 000000 00000000 00000000" + udp4, inPF(wantUDP4())},
		{"pflog, going out", LinkPflog, "3d 02 00 00" + pfName + "02 000000" + udp4, wantUDP4()},
		{"pflog, macOS", LinkPflog, "3d 1e 00 00" + pfName + "01 000000" + udp6, inPF(wantUDP6())},
		{"802.11", LinkWLAN, "0801 0000" + wlanMACs + "1000" + llc + udp4, wantUDP4()},
		{"802.11, checksum behind", LinkWLAN, "0802 0000" + wlanMACs + "1000" + llc + udp4 + "deadbeef", wantUDP4()},
		{"802.11, QoS", LinkWLAN, "8802 0000" + wlanMACs + "1000 0600" + llc + udp4, wantUDP4()},
		{"802.11, QoS, HT control", LinkWLAN, "8882 0000" + wlanMACs + "1000 0600 01020304" + llc + udp4, wantUDP4()},
		{"802.11, four addresses", LinkWLAN, "0803 0000" + wlanMACs + "1000 020000000004" + llc + udp4, wantUDP4()},
		{"802.11, four addresses, QoS", LinkWLAN, "8803 0000" + wlanMACs + "1000 020000000004 0000" + llc + udp4, wantUDP4()},
		{"802.11, aggregate", LinkWLAN, "8801 0000" + wlanMACs + "1000 8000 020000000001 020000000002 0028" + llc + udp4 + strings.Repeat("02", 30), wantUDP4()},
		{"802.11, data with acknowledgement", LinkWLAN, "1801 0000" + wlanMACs + "1000" + llc + udp4, wantUDP4()},
		{"802.11, ad hoc, IPv6", LinkWLAN, "0800 0000" + wlanMACs + "1000 aaaa03 000000 86dd" + udp6, wantUDP6()},
		{"radiotap", LinkRadiotap, "00 00 0800 00000000" + "0801 0000" + wlanMACs + "1000" + llc + udp4, wantUDP4()},
		{"radiotap, fields", LinkRadiotap, "00 00 1200 03000000 0000000000000000 10 00" + "0801 0000" + wlanMACs + "1000" + llc + udp4 + "deadbeef", wantUDP4()},
		{"radiotap, padded header", LinkRadiotap, "00 00 0a00 02000000 20 00" + "8801 0000" + wlanMACs + "1000 0600 0000" + llc + udp4, wantUDP4()},
		{"radiotap, more words, padded header", LinkRadiotap, "00 00 1a00 030000a0 00000000 00000000 0000000000000000 20 00" + "8801 0000" + wlanMACs + "1000 0600 0000" + llc + udp4, wantUDP4()},
		{"Prism", LinkPrism, "44000000 90000000" + strings.Repeat("00", 136) + "0801 0000" + wlanMACs + "1000" + llc + udp4, wantUDP4()},
		{"AVS", LinkAVS, "80211001 00000040" + strings.Repeat("00", 56) + "0801 0000" + wlanMACs + "1000" + llc + udp4, wantUDP4()},
		{"AVS called Prism", LinkPrism, "80211002 00000040" + strings.Repeat("00", 56) + "0801 0000" + wlanMACs + "1000" + llc + udp4, wantUDP4()},
		{"MPLS", LinkEthernet, macs + "8847 0001 0140" + udp4, tagged(wantUDP4())},
		{"MPLS, two labels, in a VLAN", LinkEthernet, macs + "8100 0007 8848 0001 0040 0002 0140" + udp6, tagged(wantUDP6())},
		{"FDDI", LinkFDDI, "50" + macs + llc + udp4, wantUDP4()},
		{"token ring", LinkTokenRing, "1040" + macs + llc + udp4, wantUDP4()},
		{"token ring, with a route", LinkTokenRing, "1040 020000000001 820000000002 0670 0011 0020" + llc + udp4, wantUDP4()},
		{"ATM", LinkATM, "aaaa03 000000 86dd" + udp6, wantUDP6()},
		{"IP over Fibre Channel", LinkFibreChannel, "1000 020000000001 1000 020000000002" + llc + udp4, wantUDP4()},
		{"FireWire", LinkFirewire, "0200000000000001 0200000000000002 0800" + udp4, wantUDP4()},
		{"IPoIB", LinkIPoIB, strings.Repeat("00", 40) + "86dd 0000" + udp6, wantUDP6()},
		{"frame relay", LinkFrameRelay, "1841 03 cc" + udp4, wantUDP4()},
		{"frame relay, four bytes of address, padded, SNAP", LinkFrameRelay, "18400001 03 00 80 000000 86dd" + udp6, wantUDP6()},
		{"Broadcom's tag", LinkBroadcom, macs + "20000001 0800" + udp4, wantUDP4()},
		{"Broadcom's tag in front", LinkBroadcomFront, "20000001" + macs + "0800" + udp4, wantUDP4()},
		{"Marvell's tag", LinkDSA, macs + "c0010000 0800" + udp4, wantUDP4()},
		{"Marvell's tag, with an EtherType", LinkEDSA, macs + "dada0000 c0010000 86dd" + udp6, wantUDP6()},
		{"PKTAP of Ethernet", LinkPktap, pktap("01") + macs + "0800" + udp4, wantUDP4()},
		{"PKTAP of a loopback", LinkPktap, pktap("00") + "1e000000" + udp6, wantUDP6()},
		{"PPI", LinkPPI, "00 00 0c00 69000000 00000000" + "0801 0000" + wlanMACs + "1000" + llc + udp4, wantUDP4()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decode(t, tt.link, unhex(t, tt.frame))
			if err != nil {
				t.Fatal(err)
			}
			if diff := diffEvents(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// pktap is the header before a frame of a link type.
func pktap(link string) string {
	return "6c000000 01000000" + link + "000000" + strings.Repeat("00", 96)
}

func tagged(ev Event) Event {
	ev.Tagged = true
	return ev
}

func TestFrameNFLOG(t *testing.T) {
	packet := unhex(t, udp4)
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		attr := func(b []byte, kind uint16, value []byte) []byte {
			b = order.AppendUint16(b, uint16(4+len(value)))
			b = order.AppendUint16(b, kind)
			b = append(b, value...)
			for len(b)%4 != 0 {
				b = append(b, 0)
			}
			return b
		}
		frame := []byte{2, 0, 0, 5}
		frame = attr(frame, 1, []byte{8, 0, 1, 0})
		frame = attr(frame, nfulaPrefix, []byte("DROP spa \x00"))
		frame = attr(frame, 4, []byte{0, 0, 0, 2})
		frame = attr(frame, nfulaPayload, packet)
		got, err := decode(t, LinkNFLOG, frame)
		if err != nil {
			t.Fatalf("%v: %v", order, err)
		}
		want := wantUDP4()
		want.Prefix = []byte("DROP spa ")
		if diff := diffEvents(want, got); diff != "" {
			t.Errorf("%v: %s", order, diff)
		}
	}
}

func TestFrameTCP(t *testing.T) {
	want := Event{
		Src: netip.MustParseAddrPort("192.0.2.7:54616"), Dst: netip.MustParseAddrPort("198.51.100.1:22"), Proto: TCP,
		Len: 60, TTL: 64, DF: true, ID: 1, Flags: SYN, Window: 64240, Seq: 1, HasSeq: true,
		Payload: []byte{}, Origin: OriginFrame,
	}
	want.SetOptions(unhex(t, syn4opt))
	got, err := decode(t, LinkRaw, unhex(t, syn4))
	if err != nil {
		t.Fatal(err)
	}
	if diff := diffEvents(want, got); diff != "" {
		t.Error(diff)
	}
	if !got.HasOptions || len(got.Options()) != 20 {
		t.Errorf("options: have %v, % x", got.HasOptions, got.Options())
	}
}

// TestFrameTCPFields is about what a scanner sets: reserved bits, urgent pointer,
// all flags, an acknowledgement number, options that no stack would send.
func TestFrameTCPFields(t *testing.T) {
	frame := unhex(t, "4500002c 0000 0000 80 06 0000 c0000207 c6336401 | 0001 0002 01020304 05060708 6f ff 0003 0000 0004 | 02000000")
	got, err := decode(t, LinkIPv4, frame)
	if err != nil {
		t.Fatal(err)
	}
	if got.Reserved != 15 || got.Flags != 0xff || got.Urgent != 4 || got.Window != 3 || got.Seq != 0x01020304 || got.Ack != 0x05060708 {
		t.Errorf("got %+v", got)
	}
	if !bytes.Equal(got.Options(), []byte{2, 0, 0, 0}) {
		t.Errorf("options % x", got.Options())
	}
}

func TestFramePackets(t *testing.T) {
	const head6, v6addrs = "60000000", "20010db8000000000000000000000007 20010db8000000000000000000000001"
	tests := []struct {
		name    string
		frame   string
		payload string
		check   func(*Event) bool
	}{
		{"IPv4 options", "46000024 0000 0000 40 11 0000 c0000207 c6336401 94040000 | d558 f2f9 000c 0000 | 64656164", "dead", func(ev *Event) bool { return ev.IPOptions && ev.Dst.Port() == 62201 && !ev.DF }},
		{"broken IPv4 options", "46000024 0000 0000 40 11 0000 c0000207 c6336401 94ff0000 | d558 f2f9 000c 0000 | 64656164", "dead", func(ev *Event) bool { return ev.IPOptions }},
		{"first fragment", "45000020 0007 2000 40 11 0000 c0000207 c6336401 | d558 f2f9 0100 0000 | 64656164", "dead", func(ev *Event) bool { return ev.Fragment && ev.ID == 7 }},
		{"cut by snaplen", "450005dc 0000 0000 40 11 0000 c0000207 c6336401 | d558 f2f9 05c8 0000 | 64656164", "dead", func(ev *Event) bool { return ev.Len == 1500 && ev.Captured == 32 && ev.Whole == 1500 }},
		{"UDP shorter than IP", "45000020 0000 0000 40 11 0000 c0000207 c6336401 | d558 f2f9 000a 0000 | 64656164", "de", nil},
		{"options cut by snaplen", "4500003c 0000 0000 40 06 0000 c0000207 c6336401 | d558 0016 00000001 00000000 a0 02 faf0 0000 0000 0204", "", func(ev *Event) bool { return !ev.HasOptions && ev.Flags == SYN && ev.Captured == 42 && ev.Whole == 60 }},
		{"segmentation offload", "45000000 0000 4000 40 06 0000 c0000207 c6336401 | d558 0050 00000001 00000002 50 18 faf0 0000 0000 64656164", "dead", func(ev *Event) bool { return ev.Len == 44 && ev.HasOptions && ev.Whole == 0 }},
		{"IPv6 segmentation offload", head6 + "0000 06 40" + v6addrs + "d558 0050 00000001 00000002 50 18 faf0 0000 0000 64656164", "dead", func(ev *Event) bool { return ev.Len == 64 && ev.Whole == 0 }},
		{"IPv6 jumbo payload", head6 + "0000 00 40" + v6addrs + "06 00 c20400000020 | d558 0050 00000001 00000002 50 18 faf0 0000 0000 64656164", "dead", func(ev *Event) bool { return ev.Len == 72 && ev.Whole == 0 }},
		{"IPv6 jumbo payload behind padding", head6 + "0000 00 40" + v6addrs + "06 01 00 010100 c20400000028 00000000 | d558 0050 00000001 00000002 50 18 faf0 0000 0000 64656164", "dead", func(ev *Event) bool { return ev.Len == 80 && ev.Whole == 0 }},
		{"IPv6 jumbo payload, cut", head6 + "0000 00 40" + v6addrs + "06 00 c20400020000 | d558 0050 00000001 00000002 50 18 faf0 0000 0000 64656164", "dead", func(ev *Event) bool { return ev.Len == 65535 && ev.Captured == 72 && ev.Whole == 40+0x20000 }},
		{"TCP data", "4500002c 0000 0000 40 06 0000 c0000207 c6336401 | d558 0050 00000001 00000002 50 18 faf0 0000 0000 64656164", "dead", func(ev *Event) bool { return ev.HasOptions && len(ev.Options()) == 0 }},
		{"ICMP echo", "45000020 0000 0000 40 01 0000 c0000207 c6336401 | 08 00 0000 0001 0002 | 64656164", "dead", func(ev *Event) bool { return ev.Proto == ICMP && ev.ICMPType == 8 && ev.Src.Port() == 0 }},
		{"ICMP unreachable", "45000020 0000 0000 40 01 0000 c0000207 c6336401 | 03 0d 0000 0000 0000 | 64656164", "dead", func(ev *Event) bool { return ev.ICMPType == 3 && ev.ICMPCode == 13 }},
		{"SCTP", "45000018 0000 0000 40 84 0000 c0000207 c6336401 | 64656164", "dead", func(ev *Event) bool { return ev.Proto == 132 }},
		{"ICMPv6", head6 + "000c 3a 40" + v6addrs + "80 00 0000 0001 0002 64656164", "dead", func(ev *Event) bool { return ev.Proto == ICMPv6 && ev.ICMPType == 128 }},
		{"IPv6 hop-by-hop, routing, options", head6 + "0024 00 40" + v6addrs + "2b 00 050200000100 | 3c 00 0000 00000000 | 11 00 010400000000 | d558 f2f9 000c 0000 64656164", "dead", func(ev *Event) bool { return ev.Proto == UDP && ev.Len == 76 }},
		{"IPv6 first fragment", head6 + "0014 2c 40" + v6addrs + "11 00 0001 00000007 | d558 f2f9 0100 0000 64656164", "dead", func(ev *Event) bool { return ev.Fragment }},
		{"IPv6 atomic fragment", head6 + "0014 2c 40" + v6addrs + "11 00 0000 00000007 | d558 f2f9 000c 0000 64656164", "dead", func(ev *Event) bool { return !ev.Fragment }},
		{"IPv6 authentication header", head6 + "0024 33 40" + v6addrs + "11 04 0000 00000007 00000001 000000000000000000000000 | d558 f2f9 000c 0000 64656164", "dead", func(ev *Event) bool { return ev.Proto == UDP }},
		{"IPv6 no next header", head6 + "0000 3b 40" + v6addrs, "", func(ev *Event) bool { return ev.Proto == 59 }},
		{"IPv4-mapped", head6 + "000c 11 40 00000000000000000000ffffc0000207 00000000000000000000ffffc6336401 | d558 f2f9 000c 0000 64656164", "dead", func(ev *Event) bool { return ev.Src == netip.MustParseAddrPort("192.0.2.7:54616") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ev, err := decode(t, LinkRaw, unhex(t, tt.frame))
			if err != nil {
				t.Fatal(err)
			}
			if string(ev.Payload) != tt.payload {
				t.Errorf("payload %q, want %q", ev.Payload, tt.payload)
			}
			if tt.check != nil && !tt.check(&ev) {
				t.Errorf("got %+v", ev)
			}
		})
	}
}

func TestFrameRefused(t *testing.T) {
	const v6addrs = "20010db8000000000000000000000007 20010db8000000000000000000000001"
	tests := []struct {
		name  string
		link  LinkType
		frame string
		kind  error
	}{
		{"ARP", LinkEthernet, macs + "0806 0001080006040001", ErrNotOurs},
		{"spanning tree", LinkEthernet, macs + "0026 424203 0000000000", ErrNotOurs},
		{"PPPoE discovery", LinkEthernet, macs + "8863 11090000 0000", ErrNotOurs},
		{"PPPoE session of another code", LinkPPPEther, "11 a7 0001 0000", ErrNotOurs},
		{"PPP LCP", LinkPPP, "c021 0101", ErrNotOurs},
		{"NULL, AF_APPLETALK", LinkNull, "10000000 00", ErrNotOurs},
		{"later fragment", LinkRaw, "45000020 0007 0001 40 11 0000 c0000207 c6336401 d558 f2f9 000c 0000 64656164", ErrNotOurs},
		{"later IPv6 fragment", LinkRaw, "60000000 0014 2c 40" + v6addrs + "11 00 0009 00000007 d558 f2f9 000c 0000 64656164", ErrNotOurs},
		{"NFLOG without a packet", LinkNFLOG, "02000005 0500 0a00 00000000", ErrNotOurs},

		{"pflog of AppleTalk", LinkPflog, "3d 10 00 00" + pfName + "01 000000" + udp4, ErrNotOurs},
		{"802.11 beacon", LinkWLAN, "8000 0000" + wlanMACs + "1000" + llc + udp4, ErrNotOurs},
		{"802.11 acknowledgement", LinkRadiotap, "00 00 0800 00000000 d400 0000 020000000001", ErrNotOurs},
		{"802.11 null", LinkWLAN, "4801 0000" + wlanMACs + "1000", ErrNotOurs},
		{"802.11 QoS null", LinkWLAN, "c801 0000" + wlanMACs + "1000 0000", ErrNotOurs},
		{"802.11 encrypted", LinkWLAN, "0841 0000" + wlanMACs + "1000" + llc + udp4, ErrNotOurs},
		{"802.11 later fragment", LinkWLAN, "0801 0000" + wlanMACs + "1100" + llc + udp4, ErrNotOurs},
		{"802.11 spanning tree", LinkWLAN, "0801 0000" + wlanMACs + "1000 424203 0000000000", ErrNotOurs},
		{"radiotap, bad checksum", LinkRadiotap, "00 00 0a00 02000000 50 00" + "0801 0000" + wlanMACs + "1000" + llc + udp4, ErrNotOurs},
		{"MPLS of Ethernet", LinkEthernet, macs + "8847 0001 0140 00000000" + macs + "0800" + udp4, ErrNotOurs},
		{"frame relay management", LinkFrameRelay, "0001 03 08 00 75 01 01", ErrNotOurs},
		{"PKTAP of a link type that is not read", LinkPktap, pktap("bd") + udp4, ErrNotOurs},
		{"PPI of another link type", LinkPPI, "00 00 0800 93000000" + udp4, ErrNotOurs},

		{"MPLS without a last label", LinkEthernet, macs + "8847 0001 0040 0002 0040", ErrMalformed},
		{"frame relay cut short", LinkFrameRelay, "1840 0001", ErrMalformed},
		{"PKTAP cut short", LinkPktap, "6c000000 01000000 01000000", ErrMalformed},
		{"PKTAP, length 8", LinkPktap, "08000000" + pktap("01")[8:] + macs + "0800" + udp4, ErrMalformed},
		{"PKTAP, longer than the frame", LinkPktap, "ffffffff" + pktap("01")[8:] + udp4, ErrMalformed},
		{"pflog cut short", LinkPflog, "3d 02 00 00" + pfName, ErrMalformed},
		{"pflog, length 44", LinkPflog, "2c 02 00 00" + pfName + "01 000000" + udp4, ErrMalformed},
		{"pflog, longer than the frame", LinkPflog, "ff 02 00 00" + pfName + "01 000000" + udp4, ErrMalformed},
		{"ENC cut short", LinkEnc, "02000000 00001000", ErrMalformed},
		{"802.11 cut short", LinkWLAN, "0801 0000 0200", ErrMalformed},
		{"radiotap, length 4", LinkRadiotap, "00 00 0400 00000000" + "0801 0000" + wlanMACs + "1000" + llc + udp4, ErrMalformed},
		{"radiotap, longer than the frame", LinkRadiotap, "00 00 ffff 00000000" + "0801 0000" + wlanMACs + "1000" + llc + udp4, ErrMalformed},
		{"Prism cut short", LinkPrism, "44000000 90000000", ErrMalformed},
		{"PPP with direction, empty", LinkPPPDirection, "", ErrMalformed},
		{"UDP without a length", LinkRaw, "60000000 0000 11 40" + v6addrs + "d558 f2f9 000c 0000 64656164", ErrMalformed},

		{"empty", LinkEthernet, "", ErrMalformed},
		{"empty raw", LinkRaw, "", ErrMalformed},
		{"half a MAC", LinkEthernet, "0200", ErrMalformed},
		{"tag cut short", LinkEthernet, macs + "8100 00", ErrMalformed},
		{"version 5", LinkRaw, "55000020", ErrMalformed},
		{"IPv6 where IPv4 is promised", LinkIPv4, udp6, ErrMalformed},
		{"IPv4 under the IPv6 EtherType", LinkEthernet, macs + "86dd" + udp4 + "00000000 00000000 00000000", ErrMalformed},
		{"header length 4", LinkRaw, "44000020 0000 0000 40 11 0000 c0000207 c6336401", ErrMalformed},
		{"total length 0", LinkRaw, "45000000 0000 0000 40 11 0000 c0000207 c6336401 d558 f2f9 000c 0000", ErrMalformed},
		{"options cut short", LinkRaw, "4f000040 0000 0000 40 11 0000 c0000207 c6336401 01010101", ErrMalformed},
		{"TCP cut short", LinkRaw, "4500001c 0000 0000 40 06 0000 c0000207 c6336401 d558 0016 00000001", ErrMalformed},
		{"TCP data offset 4", LinkRaw, "45000028 0000 0000 40 06 0000 c0000207 c6336401 d558 0016 00000001 00000000 40 02 faf0 0000 0000", ErrMalformed},
		{"UDP cut short", LinkRaw, "45000018 0000 0000 40 11 0000 c0000207 c6336401 d558 f2f9", ErrMalformed},
		{"UDP length 7", LinkRaw, "4500001c 0000 0000 40 11 0000 c0000207 c6336401 d558 f2f9 0007 0000", ErrMalformed},
		{"ICMP cut short", LinkRaw, "45000018 0000 0000 40 01 0000 c0000207 c6336401 0800 0000", ErrMalformed},
		{"IPv6 extension cut short", LinkRaw, "60000000 0008 00 40" + v6addrs + "11 01 0000 00000000", ErrMalformed},
		{"endless IPv6 extensions", LinkRaw, "60000000 0050 3c 40" + v6addrs + strings.Repeat("3c 00 010400000000", 10), ErrMalformed},
		{"NFLOG, attribute of no length", LinkNFLOG, "02000005 0000 0900 00000000", ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ev, err := decode(t, tt.link, unhex(t, tt.frame))
			if !errors.Is(err, ErrSkip) || !errors.Is(err, tt.kind) {
				t.Errorf("err = %v, want kind %v; event %+v", err, tt.kind, ev)
			}
		})
	}
}

func TestNewDecoderUnknown(t *testing.T) {
	for link, want := range map[LinkType]string{
		147: "cannot decode link type 147 (USER0)", 220: "cannot decode link type 220 (USB_LINUX_MMAPPED)", 999: "cannot decode link type 999",
	} {
		if _, err := NewDecoder(link); err == nil || err.Error() != want {
			t.Errorf("err = %v, want %s", err, want)
		}
	}
}

func TestFrameReusesEvent(t *testing.T) {
	d, err := NewDecoder(LinkRaw)
	if err != nil {
		t.Fatal(err)
	}
	var ev, fresh Event
	for _, frame := range []string{syn4, udp4, udp6} {
		b := unhex(t, frame)
		fresh = Event{}
		if err := errors.Join(d.Frame(b, time.Unix(1, 0), &ev), d.Frame(b, time.Unix(1, 0), &fresh)); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(ev.Options(), fresh.Options()) {
			t.Errorf("options % x, want % x", ev.Options(), fresh.Options())
		}
		ev.opt, fresh.opt = [MaxOptions]byte{}, [MaxOptions]byte{}
		if diff := diffEvents(fresh, ev); diff != "" {
			t.Error(diff)
		}
	}
}

// TestFrameOf is about frames of which the capture kept a part.
func TestFrameOf(t *testing.T) {
	d, err := NewDecoder(LinkEthernet)
	if err != nil {
		t.Fatal(err)
	}
	whole := unhex(t, macs+"0800"+udp4+"0000")
	offload := unhex(t, macs+"0800"+"45000000 0000 4000 40 06 0000 c0000207 c6336401 | d558 0050 00000001 00000002 50 18 faf0 0000 0000 64656164")
	for _, tt := range []struct {
		name                 string
		frame                []byte
		size                 int
		captured, want, long int
	}{
		{"whole", whole, len(whole), 0, 0, 32},
		{"size below what there is", whole, 0, 0, 0, 32},
		{"cut inside the padding", whole[:46], 48, 0, 0, 32},
		{"cut inside the payload", whole[:44], 48, 44, 48, 32},
		{"cut, size not in the capture", whole[:44], 44, 30, 32, 32},
		{"offload, cut", offload, 70000, 58, 70000, 65535},
	} {
		var ev Event
		if err := d.FrameOf(tt.size, tt.frame, time.Time{}, &ev); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if int(ev.Captured) != tt.captured || int(ev.Whole) != tt.want || int(ev.Len) != tt.long {
			t.Errorf("%s: %d of %d bytes, length %d; want %d of %d, %d", tt.name, ev.Captured, ev.Whole, ev.Len, tt.captured, tt.want, tt.long)
		}
		if len(d.Packet(tt.frame)) != len(tt.frame)-14 {
			t.Errorf("%s: packet of %d bytes", tt.name, len(d.Packet(tt.frame)))
		}
	}
	var ev Event
	arp := unhex(t, macs+"0806 0001")
	if err := d.Frame(arp, time.Time{}, &ev); err == nil || d.Packet(arp) != nil {
		t.Errorf("ARP: %v, packet % x", err, d.Packet(arp))
	}
}
