package conntrack

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/mdlayher/netlink"

	"fwknopd/enforce"
)

// wireEntry is laid out as the kernel does for a connection from 192.0.2.7 to tcp/22.
const wireEntry = `02000000
	34000180 14000180 08000100c0000207 08000200c6336401 1c000280 05000100 06000000 06000200d4310000 0600030000160000
	08000300 0000000e
	20000480 1c000180 05000100 03000000 05000200 07000000 05000300 07000000`

func bytesOf(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParse(t *testing.T) {
	b := bytesOf(t, wireEntry)
	want := tuple{netip.MustParseAddrPort("192.0.2.7:54321"), netip.MustParseAddrPort("198.51.100.1:22")}
	if e, ok := parse(b); !ok || e.orig != want || e.proto != enforce.TCP || !e.established() || !e.alive() {
		t.Errorf("%v, %v", e, ok)
	}
	if n := testing.AllocsPerRun(100, func() { parse(b) }); n != 0 {
		t.Errorf("%v allocations for an entry", n)
	}
	for _, c := range []struct {
		name                   string
		changes                []string
		ok, established, alive bool
	}{
		{"half closed", []string{"05000100 03000000", "05000100 04000000"}, true, false, true},
		{"closed", []string{"05000100 03000000", "05000100 08000000"}, true, false, false},
		{"UDP, answered", []string{"05000100 06000000", "05000100 11000000"}, true, false, true},
		{"UDP, no answer", []string{"05000100 06000000", "05000100 11000000", "08000300 0000000e", "08000300 00000008"}, true, false, false},
		{"ICMP", []string{"05000100 06000000", "05000100 01000000"}, false, false, false},
		{"no state", []string{"05000100 03000000", "05000900 03000000"}, false, false, false},
	} {
		text := strings.Join(strings.Fields(wireEntry), " ")
		e, ok := parse(bytesOf(t, strings.NewReplacer(c.changes...).Replace(text)))
		if ok != c.ok || ok && (e.established() != c.established || e.alive() != c.alive) {
			t.Errorf("%s: %v, %v", c.name, e, ok)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(bytesOf(f, wireEntry))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, ok := parse(b)
		if ok && (!got.orig.src.IsValid() || !got.orig.dst.IsValid()) {
			t.Errorf("%v", got)
		}
		if want, known := decodeEntry(b); known && (got.orig != want || !ok) {
			t.Errorf("%v, %v, want %v", got, ok, want)
		}
		entryName(b)
		parseSocket(b)
	})
}

// decodeEntry is parse with netlink's own decoder, for well-formed entries of established
// TCP connections of IPv4.
func decodeEntry(b []byte) (t tuple, ok bool) {
	if len(b) < headerLen {
		return t, false
	}
	get := func(b []byte, kind uint16) []byte {
		attrs, err := netlink.UnmarshalAttributes(b)
		size := 0
		for _, a := range attrs {
			size += (int(a.Length) + 3) &^ 3
		}
		ok = ok && err == nil && size >= len(b) // else attributes without a length were passed over
		for _, a := range attrs {
			if a.Type&^(netlink.Nested|netlink.NetByteOrder) == kind {
				return a.Data
			}
		}
		ok = false
		return nil
	}
	ok = true
	b = b[headerLen:]
	orig := get(b, tupleOrig)
	proto, ip := get(orig, tupleProto), get(orig, tupleIP)
	number, from, to := get(proto, protoNum), get(proto, protoSrcPort), get(proto, protoDstPort)
	state := get(get(get(b, protoInfo), infoTCP), tcpState)
	src, dst := get(ip, ip4Src), get(ip, ip4Dst)
	if !ok || len(number) != 1 || number[0] != 6 || len(from) != 2 || len(to) != 2 || len(state) != 1 || len(src) != 4 || len(dst) != 4 {
		return t, false
	}
	return tuple{netip.AddrPortFrom(netip.AddrFrom4([4]byte(src)), binary.BigEndian.Uint16(from)),
		netip.AddrPortFrom(netip.AddrFrom4([4]byte(dst)), binary.BigEndian.Uint16(to))}, true
}
