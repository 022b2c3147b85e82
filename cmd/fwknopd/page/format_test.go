package page

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestNumber(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 12: "12", 999: "999", 1000: "1,000", 123456: "123,456", 18446744073709551615: "18,446,744,073,709,551,615"} {
		if got := number(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestShare(t *testing.T) {
	for _, c := range []struct {
		part, whole uint64
		want        string
	}{{0, 0, ""}, {0, 5, "0 %"}, {1, 5000, "<0.1 %"}, {1, 30, "3.3 %"}, {1, 2, "50 %"}, {2, 2, "100 %"}} {
		if got := share(c.part, c.whole); got != c.want {
			t.Errorf("%d of %d: %q, want %q", c.part, c.whole, got, c.want)
		}
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 ms", 400 * time.Millisecond: "400 ms", 30 * time.Second: "30 s", 90 * time.Second: "1 min 30 s",
		time.Hour: "1 h", 25 * time.Hour: "1 d 1 h", 24*time.Hour + time.Minute: "1 d",
	} {
		if got := span(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestSizeOfBytes(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 B", 1023: "1023 B", 1 << 20: "1.0 MiB", 1_430_224_117: "1.3 GiB"} {
		if got := size(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

// TestKeys: addresses and ports sort as numbers.
func TestKeys(t *testing.T) {
	addresses := []string{"9.0.0.1", "10.0.0.1", "192.0.2.10", "192.0.2.100", "2001:db8::2", "2001:db8::10", "no address"}
	if !slices.IsSortedFunc(addresses, func(a, b string) int { return strings.Compare(addressKey(a), addressKey(b)) }) {
		t.Error("addresses do not sort as numbers")
	}
	ports := []string{"icmp/8", "tcp/9", "tcp/22", "tcp/443", "tcp/65535", "udp/53"}
	if !slices.IsSortedFunc(ports, func(a, b string) int { return strings.Compare(portKey(a), portKey(b)) }) {
		t.Error("ports do not sort as numbers")
	}
}

func TestSystemName(t *testing.T) {
	for label, want := range map[string]string{
		"": "", "Linux:4.20-6.x::Linux 4.20 and newer": "Linux 4.20 and newer", "@Linux:2.4-2.6::Linux: 2.4 or 2.6": "@ Linux: 2.4 or 2.6",
		"Linux:2.4::": "Linux:2.4::", "router": "router",
	} {
		if got := systemName(label); got != want {
			t.Errorf("%q: %q, want %q", label, got, want)
		}
	}
}
