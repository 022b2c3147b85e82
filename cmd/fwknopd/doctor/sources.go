package doctor

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/ingest"
	"fwknopd/ingest/filter"
)

// examineSources looks at each source that the daemon would open.
func examineSources(l *config.Loaded) (list []finding) {
	running := runningDaemon(l.Server) > 0
	for _, f := range privsep.SourceSpecs(l) {
		switch {
		case f.Mode == "PCAP" && !f.Once:
			list = append(list, examineInterface(f.Path)...)
			list = append(list, examineFilter(f.Filter, f.Path)...)
		case f.Mode == "KNOCK":
			list = append(list, examineLog(f.Path, l.Access.WantsSystem()))
		case (f.Mode == "UDP" || f.Mode == "TCP") && !running: // else it has the port itself
			list = append(list, examinePort(strings.ToLower(f.Mode), f.Port)...)
		}
	}
	return list
}

// examineInterface looks for the interface to capture from.
func examineInterface(name string) []finding {
	if name == ingest.AnyInterface {
		return nil
	}
	i, err := net.InterfaceByName(name)
	switch {
	case err != nil:
		return []finding{{"interface", fix, "there is no interface " + name, "set PCAP_INTF to one of " + strings.Join(interfaces(), ", ")}}
	case i.Flags&net.FlagUp == 0:
		return []finding{{"interface", fix, name + " is down", "ip link set " + name + " up"}}
	}
	return []finding{{"interface", ok, name + " is up", ""}}
}

// interfaces returns the names of the interfaces that are up.
func interfaces() (names []string) {
	all, _ := net.Interfaces()
	for _, i := range all {
		if i.Flags&net.FlagUp != 0 {
			names = append(names, i.Name)
		}
	}
	return names
}

// examineFilter tries packets to an interface on PCAP_FILTER.
func examineFilter(expr, intf string) []finding {
	f, err := filter.Parse(expr)
	if err != nil { // the configuration is refused for that
		return nil
	}
	return []finding{judgeFilter(f, addressesOf(intf))}
}

// examinePort looks for another process on the port of the UDP or TCP server.
func examinePort(proto string, port int) []finding {
	what := fmt.Sprintf("%s port %d", strings.ToUpper(proto), port)
	taken, known := localPorts(proto)
	switch {
	case !known:
		return nil
	case slices.Contains(taken, port):
		return []finding{{"port", fix, what + " is taken by another process", fmt.Sprintf("ss -lnp sport = :%d shows which; or another %sSERV_PORT", port, strings.ToUpper(proto))}}
	}
	return []finding{{"port", ok, what + " is free", ""}}
}
