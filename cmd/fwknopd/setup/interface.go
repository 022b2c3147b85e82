package setup

import (
	"fmt"
	"net"
	"strings"
)

// chooseInterface returns the interface to watch, and why: that of the default route, or the
// only one that is up besides lo, or any.
func chooseInterface() (name, why string) {
	if name := routeInterface(); name != "" {
		return name, "it has the default route"
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
