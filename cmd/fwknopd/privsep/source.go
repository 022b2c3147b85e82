package privsep

import (
	"fmt"
	"slices"
	"strings"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/ingest"
	"fwknopd/ingest/filter"
	"fwknopd/policy"
	"fwknopd/policy/conf"
)

// The snapshot length of a capture is MAX_SNIFF_BYTES, which 1.9 took for the payload
// alone, plus linkSlack.
const (
	minSnaplen = 1500
	linkSlack  = 512 // headers of all layers, and room to detect a payload that is too long
)

// A SourceSpec describes a source of packets and its settings. A source whose
// SourceSpec has not changed need not be reopened.
type SourceSpec struct {
	ingest.Spec
	Discard bool // drop what is received
}

// ReadsOnce reports whether some input is read to its end.
func ReadsOnce(l *config.Loaded) bool {
	return slices.ContainsFunc(SourceSpecs(l), func(f SourceSpec) bool { return f.Once })
}

// SourceSpecs returns the sources of AUTH_MODE or INGEST, and those that the switches
// of the old daemons enable.
func SourceSpecs(l *config.Loaded) []SourceSpec {
	var list []SourceSpec
	for _, mode := range l.Server.AuthModes {
		if mode == "PCAP" && l.Server.Dialect == conf.C26 && l.Server.UDPServer {
			mode = "UDP" // the 2.6 daemon listens instead of sniffing
		}
		list = append(list, newSourceSpec(mode, l.Server))
	}
	list = append(list, listeners(list, l)...)
	for i := range list {
		if f := &list[i]; !f.Once && (f.Mode == "PCAP" || f.Mode == "UDP") {
			f.Payload = filter.Payload(policy.FormOf(l.Server, l.Access))
		}
	}
	return list
}

// KernelForm returns which UDP payloads the kernel keeps for every source of packets of a
// configuration; the zero value if some source gets all of them, or none has packets.
func KernelForm(l *config.Loaded) (form filter.Payload) {
	for _, f := range SourceSpecs(l) {
		switch f.Mode {
		case "TCP", "KNOCK", "FIFO", "KMSG", "JOURNAL", "KAFKA": // no UDP packets with a payload
		case "PCAP", "UDP":
			expr, err := filter.Parse(f.Filter)
			switch {
			case f.Discard:
			case f.Mode == "UDP" && !ingest.NarrowsUDP:
				return filter.Payload{}
			case err != nil || !expr.Narrows() || f.Payload.IsZero():
				return filter.Payload{}
			default:
				form = f.Payload
			}
		default:
			return filter.Payload{}
		}
	}
	return form
}

// DescribeForm says what the kernel drops by its form, "" if nothing.
func DescribeForm(l *config.Loaded) string {
	form := KernelForm(l)
	if form.IsZero() {
		return ""
	}
	return fmt.Sprintf("UDP packets that no key here can open by their form (shorter than %d bytes, not base64, or, below %d bytes, not begun as an SPA packet) never reach the daemon: the kernel drops them, and no decision is logged",
		form.Least, form.Free)
}

// listeners returns the sources of ENABLE_TCP_SERVER and ENABLE_UDP_SERVER that are not
// in list. With AUTH_MODE SOCKET their packets are processed, as with fwknop_serv.
// Otherwise they only let clients connect: the packets are captured.
func listeners(list []SourceSpec, l *config.Loaded) (more []SourceSpec) {
	has := func(mode string) bool {
		return slices.ContainsFunc(list, func(f SourceSpec) bool { return f.Mode == mode })
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

func newSourceSpec(mode string, s *conf.Server) SourceSpec {
	f := SourceSpec{Spec: ingest.Spec{Mode: mode}}
	switch mode {
	case "PCAP":
		f.Path, f.Filter = s.Interface, s.PcapFilter
		f.Promisc, f.Both, f.Snaplen = s.Promiscuous, s.AnyDirection, max(s.MaxSniffBytes, minSnaplen)+linkSlack
		if s.PcapFile != "" {
			f.Spec = ingest.Spec{Mode: mode, Path: s.PcapFile, Filter: s.PcapFilter, Once: true}
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
	case "KMSG":
		f.Path, f.Match = "/dev/kmsg", s.FWMsgSearch
	case "JOURNAL":
		f.Match, f.Kernel = s.FWMsgSearch, s.KernelLogOnly
	case "KAFKA":
		f.Path, f.Match, f.Kernel = strings.Join(s.KafkaTopics, ","), s.FWMsgSearch, s.KernelLogOnly
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

// Label names a source in messages.
func (f *SourceSpec) Label() string { return f.Mode + ": " + f.Path }
