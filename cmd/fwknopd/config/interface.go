package config

import (
	"net"
	"slices"

	"fwknopd/ingest"
	"fwknopd/policy/conf"
)

// checkInterface warns of a capture interface that this host does not have now.
func (l *Loaded) checkInterface() conf.Problems {
	s, place := l.Server, l.Values.Place("PCAP_INTF")
	reads := slices.Contains(s.AuthModes, "PCAP")
	if s.Dialect == conf.C26 {
		reads = !s.UDPServer
	}
	if !reads || s.Interface == ingest.AnyInterface || !place.Set || s.PcapFile != "" {
		return nil
	}
	if _, err := net.InterfaceByName(s.Interface); err == nil {
		return nil
	}
	return conf.Problems{{Pos: place.Pos, Keyword: place.Name, Severity: conf.Warning,
		Text: "there is no interface " + s.Interface + " at present: the daemon would wait for it"}}
}
