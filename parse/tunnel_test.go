package parse

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Headers of what carries a packet, with the length that they give it.
func ip4Around(proto byte, hex string) string {
	return fmt.Sprintf("4500%04x 0001 0000 40 %02x 0000 0a000001 0a000002 | %s", 20+size(hex), proto, hex)
}

func ip6Around(proto byte, hex string) string {
	return fmt.Sprintf("60000000 %04x %02x 40 fd000000000000000000000000000001 fd000000000000000000000000000002 | %s", size(hex), proto, hex)
}

func udpAround(port uint16, hex string) string {
	return fmt.Sprintf("c000 %04x %04x 0000 | %s", port, 8+size(hex), hex)
}

// size returns the number of bytes that hex stands for.
func size(hex string) int {
	return len(strings.NewReplacer(" ", "", "|", "", "\n", "").Replace(hex)) / 2
}

const innerEth = "0a0000000001 0a0000000002 "

// tunnels are packets with one in them. want is "" if it is not looked for.
var tunnels = []struct{ name, packet, inner, want string }{
	{"VXLAN", ip4Around(17, udpAround(4789, "08000000 00002a00"+innerEth+"0800"+syn4)), syn4, "vxlan 42"},
	{"VXLAN over IPv6", ip6Around(17, udpAround(4789, "08000000 ffffff00"+innerEth+"86dd"+udp6)), udp6, "vxlan 16777215"},
	{"VXLAN at the kernel's port", ip4Around(17, udpAround(8472, "08000000 00000100"+innerEth+"0800"+syn4)), syn4, "vxlan 1"},
	{"VXLAN, group policy", ip4Around(17, udpAround(4789, "88000007 00000100"+innerEth+"0800"+syn4)), syn4, "vxlan 1"},
	{"VXLAN, tag inside", ip4Around(17, udpAround(4789, "08000000 00000100"+innerEth+"8100 0007 0800"+syn4)), syn4, "vxlan 1"},
	{"VXLAN, PPPoE inside", ip4Around(17, udpAround(4789, "08000000 00000100"+innerEth+"8864 11 00 0001 003e 0021"+syn4)), syn4, "vxlan 1"},
	{"VXLAN without an identifier", ip4Around(17, udpAround(4789, "00000000 00002a00"+innerEth+"0800"+syn4)), "", ""},
	{"VXLAN at another port", ip4Around(17, udpAround(4790, "08000000 00002a00"+innerEth+"0800"+syn4)), "", ""},
	{"VXLAN, ARP inside", ip4Around(17, udpAround(4789, "08000000 00002a00"+innerEth+"0806 0001")), "", ""},
	{"VXLAN, seven bytes", ip4Around(17, udpAround(4789, "08000000 00002a")), "", ""},
	{"GENEVE, frame", ip4Around(17, udpAround(6081, "00 00 6558 00002a00"+innerEth+"0800"+syn4)), syn4, "geneve 42"},
	{"GENEVE, IPv6", ip4Around(17, udpAround(6081, "00 00 86dd 00002a00"+udp6)), udp6, "geneve 42"},
	{"GENEVE, options", ip6Around(17, udpAround(6081, "02 40 0800 00000000 01028001 00000000"+syn4)), syn4, "geneve 0"},
	{"GENEVE, options longer than the packet", ip4Around(17, udpAround(6081, "3f 00 0800 00000000 01028001"+syn4)), "", ""},
	{"GENEVE, control", ip4Around(17, udpAround(6081, "00 80 0800 00000000"+syn4)), "", ""},
	{"GENEVE, version 1", ip4Around(17, udpAround(6081, "40 00 0800 00000000"+syn4)), "", ""},
	{"GRE", ip4Around(47, "0000 0800"+syn4), syn4, "gre"},
	{"GRE over IPv6", ip6Around(47, "0000 86dd"+udp6), udp6, "gre"},
	{"GRE, key", ip4Around(47, "2000 0800 00000005"+syn4), syn4, "gre 5"},
	{"GRE, checksum, key, sequence", ip4Around(47, "b000 0800 abcd0000 00000005 00000009"+syn4), syn4, "gre 5"},
	{"GRE, checksum and sequence", ip4Around(47, "9000 0800 abcd0000 00000009"+syn4), syn4, "gre"},
	{"GRE, frame", ip4Around(47, "2000 6558 00000005"+innerEth+"0800"+syn4), syn4, "gre 5"},
	{"GRE, source route", ip4Around(47, "4000 0800 00000000"+syn4), "", ""},
	{"GRE, version 1", ip4Around(47, "3001 880b 00000000 00000001"+syn4), "", ""},
	{"GRE, ERSPAN", ip4Around(47, "1000 88be 00000001 10000000 00000000"+innerEth+"0800"+syn4), "", ""},
	{"GRE, half a key", ip4Around(47, "2000 0800 0000"), "", ""},
	{"GRE, half a sequence number", ip4Around(47, "1000 0800 0000"), "", ""},
	{"IPv4 in IPv4", ip4Around(4, syn4), syn4, "ipip"},
	{"IPv6 in IPv4", ip4Around(41, udp6), udp6, "6in4"},
	{"IPv4 in IPv6", ip6Around(4, syn4), syn4, "4in6"},
	{"IPv6 in IPv6", ip6Around(41, udp6), udp6, "6in6"},
	{"IPv6 where IPv4 is promised", ip4Around(4, udp6), "", ""},
	{"nothing in it", ip4Around(4, ""), "", ""},
	{"one in the other", ip4Around(17, udpAround(4789, "08000000 00002a00"+innerEth+"86dd"+ip6Around(41, ip6Around(47, "2000 0800 00000005"+syn4)))), syn4, "vxlan 42, 6in6, gre 5"},
	{"four", ip4Around(4, ip4Around(4, ip4Around(4, ip4Around(41, udp6)))), udp6, "ipip, ipip, ipip, 6in4"},
	{"five", ip4Around(4, ip4Around(4, ip4Around(4, ip4Around(4, ip4Around(4, syn4))))), ip4Around(4, syn4), "ipip, ipip, ipip, ipip"},
	{"broken at the second", ip4Around(4, ip4Around(47, "2000 0800 00")), ip4Around(47, "2000 0800 00"), "ipip"},
	{"first fragment", strings.Replace(ip4Around(4, syn4), "0001 0000", "0001 2000", 1), "", ""},
	{"fragment inside", ip4Around(4, strings.Replace(syn4, "0001 4000", "0001 0001", 1)), "", ""},
}

func TestInner(t *testing.T) {
	for _, tt := range tunnels {
		t.Run(tt.name, func(t *testing.T) {
			frame := unhex(t, macs+map[bool]string{true: "86dd", false: "0800"}[tt.packet[0] == '6']+tt.packet)
			d, got := decoded(t, LinkEthernet, frame)
			outer := got
			d.Inner(&got)
			if path := got.Tunnels().String(); path != tt.want || got.Tunnelled() != (tt.want != "") {
				t.Errorf("in %q, want %q", path, tt.want)
			}
			if tt.want == "" {
				if diff := diffEvents(outer, got); diff != "" {
					t.Errorf("changed: %s", diff)
				}
				return
			}
			sameAsAlone(t, got, unhex(t, tt.inner))
			if packet := d.Packet(frame); string(packet) != string(unhex(t, tt.inner)) {
				t.Errorf("packet % x", packet)
			}
		})
	}
}

func decoded(t testing.TB, link LinkType, frame []byte) (*Decoder, Event) {
	t.Helper()
	d, err := NewDecoder(link)
	if err != nil {
		t.Fatal(err)
	}
	var ev Event
	if err := d.Frame(frame, time.Unix(7, 0), &ev); err != nil {
		t.Fatal(err)
	}
	return d, ev
}

// sameAsAlone compares an event with that of the packet alone.
func sameAsAlone(t testing.TB, got Event, packet []byte) {
	t.Helper()
	_, want := decoded(t, LinkRaw, packet)
	want.Time, want.In, want.Prefix = got.Time, got.In, got.Prefix
	want.tunnels, want.depth = got.tunnels, got.depth
	want.opt, got.opt = [MaxOptions]byte(append(want.Options(), make([]byte, MaxOptions)...)), [MaxOptions]byte(append(got.Options(), make([]byte, MaxOptions)...))
	if diff := diffEvents(want, got); diff != "" {
		t.Error(diff)
	}
}

// What the capture says of a frame stays: interface, time, and where it was cut.
func TestInnerKeepsTheFrame(t *testing.T) {
	_, ev := decoded(t, LinkPflog, unhex(t, "3d 02 00 00"+pfName+"01 000000"+ip4Around(4, syn4)))
	d, _ := decoded(t, LinkPflog, unhex(t, "3d 02 00 00"+pfName+"01 000000"+ip4Around(4, syn4)))
	d.Inner(&ev)
	if string(ev.In) != "igb0" || !ev.Time.Equal(time.Unix(7, 0)) || ev.Flags != SYN {
		t.Errorf("%+v", ev)
	}
	frame := unhex(t, ip4Around(4, syn4))
	d, err := NewDecoder(LinkRaw)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.FrameOf(len(frame), frame[:len(frame)-10], time.Time{}, &ev); err != nil {
		t.Fatal(err)
	}
	d.Inner(&ev)
	if !ev.Tunnelled() || ev.HasOptions || ev.Captured != 70 || ev.Whole != 80 {
		t.Errorf("options %v, %d of %d bytes", ev.HasOptions, ev.Captured, ev.Whole)
	}
}

// FuzzInner: the walk ends, refers only to the frame, and gives what the inner packet alone gives.
func FuzzInner(f *testing.F) {
	for _, tt := range tunnels {
		f.Add(unhex(f, tt.packet))
		f.Add(unhex(f, tt.packet)[:size(tt.packet)*3/4])
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		d, err := NewDecoder(LinkRaw)
		if err != nil {
			t.Fatal(err)
		}
		var ev Event
		if d.Frame(packet, time.Unix(7, 0), &ev) != nil {
			return
		}
		outer := ev
		d.Inner(&ev)
		checkEvent(t, &ev, len(packet))
		inner := d.Packet(packet)
		if !ev.Tunnelled() {
			if diff := diffEvents(outer, ev); diff != "" || len(inner) != len(packet) {
				t.Fatalf("changed: %s", diff)
			}
			return
		}
		if len(inner) >= len(packet) || ev.Tunnels().String() == "" {
			t.Fatalf("%d bytes in %d, in %q", len(inner), len(packet), ev.Tunnels())
		}
		var alone Event
		if err := d.Frame(inner, time.Unix(7, 0), &alone); err != nil {
			t.Fatalf("alone: %v", err)
		}
		compareInner(t, &ev, &alone)
	})
}

// compareInner compares an event with that of the rest of the frame from its IP header on. What
// is behind the packet in its tunnel can differ only in where a packet without a length ends.
func compareInner(t *testing.T, got, alone *Event) {
	t.Helper()
	if got.Src != alone.Src || got.Dst != alone.Dst || got.Proto != alone.Proto || got.TTL != alone.TTL || got.ID != alone.ID || got.Flags != alone.Flags ||
		got.Window != alone.Window || got.Fragment != alone.Fragment || got.IPOptions != alone.IPOptions || len(got.Payload) > len(alone.Payload) {
		t.Fatalf("got %+v, alone %+v", got, alone)
	}
	if string(got.Payload) != string(alone.Payload[:len(got.Payload)]) {
		t.Fatalf("payload % x, alone % x", got.Payload, alone.Payload)
	}
}

func TestInnerAllocatesNothing(t *testing.T) {
	for _, tt := range tunnels {
		packet := unhex(t, tt.packet)
		d, err := NewDecoder(LinkRaw)
		if err != nil {
			t.Fatal(err)
		}
		var ev Event
		if n := testing.AllocsPerRun(100, func() {
			if d.Frame(packet, time.Time{}, &ev) == nil {
				d.Inner(&ev)
				_ = ev.Tunnels()
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", tt.name, n)
		}
	}
}

func BenchmarkInner(b *testing.B) {
	for _, i := range []int{0, 17, 33} {
		tt := tunnels[i]
		b.Run(tt.name, func(b *testing.B) {
			packet := unhex(b, tt.packet)
			d, err := NewDecoder(LinkRaw)
			if err != nil {
				b.Fatal(err)
			}
			var ev Event
			b.ReportAllocs()
			for b.Loop() {
				_ = d.Frame(packet, time.Time{}, &ev)
				d.Inner(&ev)
			}
		})
	}
}
