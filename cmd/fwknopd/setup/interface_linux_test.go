package setup

import (
	"strings"
	"testing"
)

func TestDefaultRoutes(t *testing.T) {
	const (
		head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
		eth0 = "eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
		wlan = "wlan0\t00000000\t010300C0\t0003\t0\t0\t50\t00000000\t0\t0\t0\n"
		none = "*\t00000000\t00000000\t0200\t0\t0\t0\t00000000\t0\t0\t0\neth1\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"

		zero  = "00000000000000000000000000000000"
		eth0r = zero + " 00 " + zero + " 00 fd000000000000000000000000000001 00000400 00000002 00000000 00000003     eth0\n"
		wg0r  = zero + " 00 " + zero + " 00 " + zero + " 00000100 00000002 00000000 00000001      wg0\n"
		lo    = zero + " 00 " + zero + " 00 " + zero + " ffffffff 00000001 00000000 00200200       lo\n"
	)
	for _, c := range []struct{ v4, v6, name, why string }{
		{head + eth0, lo, "eth0", "it has the default route"},
		{head + eth0, eth0r + lo, "eth0", "it has the default route"},
		{head + none, eth0r + lo, "eth0", "it has the default route of IPv6, and none has one of IPv4"},
		{head + eth0 + wlan, lo, "wlan0", "its default route has the least metric (50); eth0 has one too: --interface eth0, or any, if packets come in there"},
		{head + eth0, wg0r, "eth0", "it has the default route of IPv4; wg0 has one too: --interface wg0, or any, if packets come in there"},
		{"", eth0r + wg0r, "wg0", "its default route has the least metric (256); eth0 has one too: --interface eth0, or any, if packets come in there"},
	} {
		name, why := chooseRoute(append(routes4(c.v4), routes6(c.v6)...))
		if name != c.name || why != c.why {
			t.Errorf("%s%s: %s, as %s; want %s, as %s", c.v4, c.v6, name, why, c.name, c.why)
		}
	}
	if list := append(routes4(head+none), routes6(lo)...); list != nil {
		t.Errorf("%v of %s", list, strings.TrimSpace(none+lo))
	}
}
