package config

import (
	"errors"
	"io/fs"
	"net"
	"os"
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
	if !reads || s.Interface == ingest.AnyInterface || s.PcapFile != "" {
		return nil
	}
	if _, err := net.InterfaceByName(s.Interface); err == nil {
		return nil
	}
	text := "there is no interface " + s.Interface + " at present: the daemon would wait for it"
	switch {
	case !place.Set:
		text = "is not set, and there is no interface " + s.Interface + ": the daemon does not start"
	case s.ExitAtIntfDown:
		text = "there is no interface " + s.Interface + " at present: the daemon does not start"
	}
	return conf.Problems{{Pos: place.Pos, Keyword: place.Name, Severity: conf.Warning, Text: text}}
}

// checkLog warns of a log of the kernel that knock sequences need and that is not there.
func (l *Loaded) checkLog() conf.Problems {
	s := l.Server
	if !s.FollowLog || !slices.Contains(s.AuthModes, "KNOCK") {
		return nil
	}
	if _, err := os.Stat(s.LogFile); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	place := l.Values.Place("IPT_SYSLOG_FILE")
	return conf.Problems{{Pos: place.Pos, Keyword: place.Name, Severity: conf.Warning,
		Text: "there is no " + s.LogFile + " at present: the daemon would wait for it, and no knock is seen; AUTH_MODE JOURNAL reads the journal"}}
}
