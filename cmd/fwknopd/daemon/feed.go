package daemon

import (
	"slices"

	"fwknopd/cmd/fwknopd/config"
)

// A frame is kept as long as MAX_SNIFF_BYTES, which 1.9 took for the payload alone.
const (
	minSnaplen = 1500
	linkSlack  = 512 // headers of all layers, and what tells a payload that is too long
)

// A feed is where packets come from: which source, and what it is told. Two equal
// feeds need not be opened again.
type feed struct {
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
	Deaf    bool // what is received is dropped
	Tail    bool // LOG_FOLLOWER tail
}

// feeds are what AUTH_MODE or INGEST ask for, and the switches of the two old
// daemons.
func feeds(l *config.Loaded) []feed {
	var list []feed
	for _, mode := range l.Server.AuthModes {
		if mode == "PCAP" && l.Server.CSyntax && l.Values.Bool("ENABLE_UDP_SERVER") {
			mode = "UDP" // the 2.6 daemon listens in place of sniffing
		}
		list = append(list, feedOf(mode, l))
	}
	return append(list, listeners(list, l)...)
}

// listeners are those of ENABLE_TCP_SERVER and ENABLE_UDP_SERVER that are not among
// the feeds. With AUTH_MODE SOCKET they feed us, as fwknop_serv did. Otherwise
// they only let clients connect: what they send is sniffed.
func listeners(list []feed, l *config.Loaded) (more []feed) {
	has := func(mode string) bool { return slices.ContainsFunc(list, func(f feed) bool { return f.Mode == mode }) }
	for _, mode := range []string{"TCP", "UDP"} {
		if l.Values.Bool("ENABLE_"+mode+"_SERVER") && !has(mode) {
			f := feedOf(mode, l)
			f.Deaf = !has("SOCKET")
			more = append(more, f)
		}
	}
	return more
}

func feedOf(mode string, l *config.Loaded) feed {
	v, s := l.Values, l.Server
	f := feed{Mode: mode}
	switch mode {
	case "PCAP":
		f.Path, f.Filter = v.String("PCAP_INTF"), s.PcapFilter
		f.Promisc, f.Both, f.Snaplen = v.Bool("ENABLE_PCAP_PROMISC"), v.Bool("ENABLE_PCAP_ANY_DIRECTION"), max(s.MaxSniffBytes, minSnaplen)+linkSlack
		if file := v.Path("PCAP_FILE"); file != "" {
			f = feed{Mode: mode, Path: file, Filter: s.PcapFilter, Once: true}
		}
	case "FILE_PCAP", "ULOG_PCAP":
		f.Path, f.Filter = v.Path("PCAP_PKT_FILE"), s.PcapFilter
		if file := v.Path("PCAP_FILE"); file != "" {
			f.Path, f.Once = file, true
		}
	case "KNOCK":
		f.Path, f.Match, f.Kernel = v.Path("IPT_SYSLOG_FILE"), s.FWMsgSearch, s.KernelLogOnly
		f.Tail = v.String("LOG_FOLLOWER") == "tail"
		if !v.Bool("ENABLE_SYSLOG_FILE") {
			f.Mode, f.Path = "FIFO", v.Path("KNOPMD_FIFO")
		}
	case "JOURNAL":
		f.Match, f.Kernel = s.FWMsgSearch, s.KernelLogOnly
	case "NFLOG":
		f.Group, f.Filter = v.Int("NFLOG_GROUP"), s.PcapFilter
	case "UDP":
		f.Port = v.Int("UDPSERV_PORT")
	case "TCP":
		f.Port = v.Int("TCPSERV_PORT")
	case "SOCKET":
		f.Path = v.Path("FWKNOP_SERV_SOCK")
	}
	return f
}
