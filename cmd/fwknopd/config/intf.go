package config

import (
	"net"
	"slices"

	"fwknopd/ingest"
	"fwknopd/policy/conf"
)

// interfaces warns of a capture interface that this host does not have now.
func (l *Loaded) interfaces() conf.Problems {
	val := l.Values.Lookup("PCAP_INTF")
	name := l.Values.String("PCAP_INTF")
	reads := slices.Contains(l.Server.AuthModes, "PCAP") && !l.Server.CSyntax || l.Server.CSyntax && !l.Values.Bool("ENABLE_UDP_SERVER")
	if !reads || name == ingest.AnyInterface || !l.Values.IsSet("PCAP_INTF") || l.Values.Path("PCAP_FILE") != "" {
		return nil
	}
	if _, err := net.InterfaceByName(name); err == nil {
		return nil
	}
	return conf.Problems{{Pos: val.Pos, Keyword: val.Name, Severity: conf.Warning,
		Text: "there is no interface " + name + " at present: the daemon would wait for it"}}
}
