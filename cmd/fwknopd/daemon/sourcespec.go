package daemon

import (
	"slices"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/policy/conf"
)

// A frame is kept as long as MAX_SNIFF_BYTES, which 1.9 took for the payload alone.
const (
	minSnaplen = 1500
	linkSlack  = 512 // headers of all layers, and what tells a payload that is too long
)

// A feed is where packets come from: which source, and what it is told. Two equal
// feeds need not be opened again.
type sourceSpec struct {
	Mode    string
	Path    string
	Port    int
	Filter  string
	Match   []string
	Kernel  bool
	Promisc bool
	Both    bool // directions
	Snaplen int
	Group   int
	Once    bool
	Discard bool // what is received is dropped
	Tail    bool // LOG_FOLLOWER tail
}

// feeds are what AUTH_MODE or INGEST ask for, and the switches of the two old
// daemons.
func sourceSpecs(l *config.Loaded) []sourceSpec {
	var list []sourceSpec
	for _, mode := range l.Server.AuthModes {
		if mode == "PCAP" && l.Server.Dialect == conf.C26 && l.Server.UDPServer {
			mode = "UDP" // the 2.6 daemon listens in place of sniffing
		}
		list = append(list, newSourceSpec(mode, l.Server))
	}
	return append(list, listeners(list, l)...)
}

// listeners are those of ENABLE_TCP_SERVER and ENABLE_UDP_SERVER that are not among
// the feeds. With AUTH_MODE SOCKET they feed us, as fwknop_serv did. Otherwise
// they only let clients connect: what they send is sniffed.
func listeners(list []sourceSpec, l *config.Loaded) (more []sourceSpec) {
	has := func(mode string) bool {
		return slices.ContainsFunc(list, func(f sourceSpec) bool { return f.Mode == mode })
	}
	add := func(mode string, on bool) {
		if on && !has(mode) {
			f := newSourceSpec(mode, l.Server)
			f.Discard = !has("SOCKET")
			more = append(more, f)
		}
	}
	add("TCP", l.Server.TCPServer)
	add("UDP", l.Server.UDPServer)
	return more
}

func newSourceSpec(mode string, s *conf.Server) sourceSpec {
	f := sourceSpec{Mode: mode}
	switch mode {
	case "PCAP":
		f.Path, f.Filter = s.Interface, s.PcapFilter
		f.Promisc, f.Both, f.Snaplen = s.Promiscuous, s.AnyDirection, max(s.MaxSniffBytes, minSnaplen)+linkSlack
		if s.PcapFile != "" {
			f = sourceSpec{Mode: mode, Path: s.PcapFile, Filter: s.PcapFilter, Once: true}
		}
	case "FILE_PCAP", "ULOG_PCAP":
		f.Path, f.Filter = s.PcapPktFile, s.PcapFilter
		if s.PcapFile != "" {
			f.Path, f.Once = s.PcapFile, true
		}
	case "KNOCK":
		f.Path, f.Match, f.Kernel = s.LogFile, s.FWMsgSearch, s.KernelLogOnly
		f.Tail = s.LogFollower == "tail"
		if !s.FollowLog {
			f.Mode, f.Path = "FIFO", s.LogFIFO
		}
	case "JOURNAL":
		f.Match, f.Kernel = s.FWMsgSearch, s.KernelLogOnly
	case "NFLOG":
		f.Group, f.Filter = s.NFLogGroup, s.PcapFilter
	case "UDP":
		f.Port = s.UDPPort
	case "TCP":
		f.Port = s.TCPPort
	case "SOCKET":
		f.Path = s.ServerSocket
	}
	return f
}
