package conntrack

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
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
		if c, ok := parse(b); ok && !c.src.IsValid() {
			t.Errorf("%v", c)
		}
	})
}
