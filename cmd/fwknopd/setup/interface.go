package setup

import (
	"fmt"
	"net"
	"slices"
	"strings"
)

// A route is a default route of the kernel.
type route struct {
	intf   string
	v6     bool
	metric uint64
}

// chooseInterface returns the interface to watch, and why: that of the default route, or the
// only one that is up besides lo, or any.
func chooseInterface() (name, why string) {
	if routes := defaultRoutes(); len(routes) > 0 {
		return chooseRoute(routes)
	}
	all, err := net.Interfaces()
	if err != nil {
		return "any", err.Error()
	}
	var up []string
	for _, i := range all {
		if i.Flags&net.FlagUp != 0 && i.Flags&net.FlagLoopback == 0 {
			up = append(up, i.Name)
		}
	}
	switch len(up) {
	case 0:
		return "any", "no interface is up"
	case 1:
		return up[0], "it is the only one that is up"
	}
	return "any", fmt.Sprintf("there is no default route, and %s are up", strings.Join(up, ", "))
}

// chooseRoute returns the interface of the first of some default routes, which are in the order
// of preference, and why; other interfaces that have one are named.
func chooseRoute(routes []route) (name, why string) {
	first := routes[0]
	var others []string
	for _, r := range routes {
		if r.intf != first.intf && !slices.Contains(others, r.intf) {
			others = append(others, r.intf)
		}
	}
	why = "it has the default route"
	if first.v6 {
		why += " of IPv6, and none has one of IPv4"
	}
	switch {
	case len(others) == 0:
		return first.intf, why
	case first.v6 || slices.ContainsFunc(routes, func(r route) bool { return !r.v6 && r.intf != first.intf }):
		why = fmt.Sprintf("its default route has the least metric (%d)", first.metric)
	default:
		why = "it has the default route of IPv4"
	}
	return first.intf, fmt.Sprintf("%s; %s has one too: --interface %s, or any, if packets come in there", why, strings.Join(others, " and "), others[0])
}

// serverName returns what the client is to send to: --server, or the address of the interface
// that packets come in by, or a placeholder.
func (r *run) serverName() string {
	if r.SendTo != "" {
		return r.SendTo
	}
	name := r.Interface
	if routes := defaultRoutes(); name == "" && len(routes) > 0 {
		name = routes[0].intf
	}
	i, err := net.InterfaceByName(name)
	if err != nil {
		return noServer
	}
	addrs, err := i.Addrs()
	if err != nil {
		return noServer
	}
	v6 := noServer
	for _, a := range addrs {
		switch n, ok := a.(*net.IPNet); {
		case !ok:
		case n.IP.To4() != nil:
			return n.IP.String()
		case n.IP.IsGlobalUnicast() && v6 == noServer:
			v6 = n.IP.String()
		}
	}
	return v6
}
