package conntrack

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/mdlayher/netlink"
)

// entry is laid out as the kernel does for a connection from 192.0.2.7 to tcp/22.
const entry = `02000000
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
	b := bytesOf(t, entry)
	if c, ok := parse(b); !ok || c != (connection{netip.MustParseAddr("192.0.2.7"), 22}) {
		t.Errorf("%v, %v", c, ok)
	}
	if n := testing.AllocsPerRun(100, func() { parse(b) }); n != 0 {
		t.Errorf("%v allocations for an entry", n)
	}
	for name, change := range map[string][2]string{
		"not established": {"05000100 03000000", "05000100 04000000"},
		"not TCP":         {"05000100 06000000", "05000100 11000000"},
	} {
		if c, ok := parse(bytesOf(t, strings.Replace(entry, change[0], change[1], 1))); ok {
			t.Errorf("%s: %v", name, c)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(bytesOf(f, entry))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, ok := parse(b)
		if ok && !got.src.IsValid() {
			t.Errorf("%v", got)
		}
		if want, known := decodeEntry(b); known && (got != want || !ok) {
			t.Errorf("%v, %v, want %v", got, ok, want)
		}
	})
}

// decodeEntry is parse with netlink's own decoder, for well-formed entries of established
// connections.
func decodeEntry(b []byte) (c connection, ok bool) {
	if len(b) < headerLen {
		return c, false
	}
	get := func(b []byte, kind uint16) []byte {
		attrs, err := netlink.UnmarshalAttributes(b)
		ok = ok && err == nil
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
	tuple := get(b, tupleOrig)
	proto, ip := get(tuple, tupleProto), get(tuple, tupleIP)
	number, port := get(proto, protoNum), get(proto, protoDstPort)
	state := get(get(get(b, protoInfo), infoTCP), tcpState)
	src := get(ip, ip4Src)
	if !ok || len(number) != 1 || number[0] != 6 || len(port) != 2 || len(state) != 1 || state[0] != established || len(src) != 4 {
		return c, false
	}
	return connection{netip.AddrFrom4([4]byte(src)), binary.BigEndian.Uint16(port)}, true
}
