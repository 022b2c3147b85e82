package setup

import (
	"cmp"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// defaultRoutes returns the default routes that can be used, IPv4 before IPv6, those of
// smaller metric first.
func defaultRoutes() []route {
	v4, _ := os.ReadFile("/proc/net/route")
	v6, _ := os.ReadFile("/proc/net/ipv6_route")
	return append(routes4(string(v4)), routes6(string(v6))...)
}

// routes4 parses /proc/net/route, proc(5): a header, then for each route interface,
// destination, gateway, flags, references, uses, metric (decimal) and mask.
func routes4(text string) (list []route) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 8 || f[1] != "00000000" || f[7] != "00000000" {
			continue
		}
		list = appendRoute(list, route{intf: f[0]}, f[3], f[6], 10)
	}
	return sorted(list)
}

// routes6 parses /proc/net/ipv6_route: destination and its length, source and its length, next
// hop, metric (hexadecimal), references, uses, flags and interface.
func routes6(text string) (list []route) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 10 || f[1] != "00" || f[3] != "00" {
			continue
		}
		list = appendRoute(list, route{intf: f[9], v6: true}, f[8], f[5], 16)
	}
	return sorted(list)
}

// appendRoute appends a route unless it is down, or refuses packets.
func appendRoute(list []route, r route, flags, metric string, base int) []route {
	bits, err := strconv.ParseUint(flags, 16, 32)
	if err != nil || bits&unix.RTF_UP == 0 || bits&unix.RTF_REJECT != 0 {
		return list
	}
	if r.metric, err = strconv.ParseUint(metric, base, 32); err != nil {
		return list
	}
	return append(list, r)
}

func sorted(list []route) []route {
	slices.SortStableFunc(list, func(a, b route) int { return cmp.Compare(a.metric, b.metric) })
	return list
}
