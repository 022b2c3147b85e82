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
	"fwknopd/policy/spa"
)

// examineSources looks at each source that the daemon would open.
func examineSources(l *config.Loaded) (list []finding) {
	running := runningDaemon(l.Server) > 0
	for _, f := range privsep.SourceSpecs(l) {
		switch {
		case f.Mode == "PCAP" && !f.Once:
			list = append(list, examineInterface(l, f.Path)...)
			list = append(list, examineFilter(l, f.Filter, f.Path)...)
		case f.Mode == "KNOCK":
			list = append(list, examineLog(f.Path, l.Access.WantsSystem()))
		case (f.Mode == "UDP" || f.Mode == "TCP") && !running: // else it has the port itself
			list = append(list, examinePort(strings.ToLower(f.Mode), f.Port)...)
		}
	}
	return list
}

// examineInterface looks for the interface to capture from.
func examineInterface(l *config.Loaded, name string) []finding {
	if name == ingest.AnyInterface {
		return nil
	}
	i, err := net.InterfaceByName(name)
	switch {
	case err != nil:
		return []finding{{"interface", fix, "there is no interface " + name + ", up are " + strings.Join(interfaces(), ", "), set(l, "PCAP_INTF", best(interfaces()))}}
	case i.Flags&net.FlagUp == 0:
		return []finding{{"interface", fix, name + " is down", "ip link set " + name + " up"}}
	}
	return []finding{{"interface", ok, name + " is up", ""}}
}

// best returns the first interface that is not the loopback.
func best(names []string) string {
	for _, name := range names {
		if i, err := net.InterfaceByName(name); err == nil && i.Flags&net.FlagLoopback == 0 {
			return name
		}
	}
	return ingest.AnyInterface
}

// set says in which file a keyword is to have which value.
func set(l *config.Loaded, keyword, value string) string {
	file := "fwknopd.conf"
	if len(l.Files) > 0 {
		file = l.Files[0] // the main file is read first
	}
	if at := l.Values.Place(keyword); at.Pos.File != "" {
		file = at.Pos.File
	}
	return fmt.Sprintf("set %s to %s in %s", keyword, value, file)
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
func examineFilter(l *config.Loaded, expr, intf string) []finding {
	f, err := filter.Parse(expr)
	if err != nil { // the configuration is refused for that
		return nil
	}
	return []finding{judgeFilter(f, addressesOf(intf), set(l, "PCAP_FILTER", fmt.Sprintf("udp port %d", spa.DefaultPort)))}
}

// examinePort looks for another process on the port of the UDP or TCP server.
func examinePort(proto string, port int) []finding {
	what := fmt.Sprintf("%s port %d", strings.ToUpper(proto), port)
	taken, known := localPorts(proto)
	switch {
	case !known:
		return nil
	case slices.Contains(taken, port):
		return []finding{{"port", fix, what + " is taken by another process", fmt.Sprintf("ss -ln%cp 'sport = :%d' shows which: end it, or set another %sSERV_PORT", proto[0], port, strings.ToUpper(proto))}}
	}
	return []finding{{"port", ok, what + " is free", ""}}
}
