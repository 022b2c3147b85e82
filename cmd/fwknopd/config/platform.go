package config

import (
	"slices"

	"fwknopd/ingest"
	"fwknopd/policy/conf"
)

// linuxSources are the values of AUTH_MODE and INGEST that need Linux.
var linuxSources = []string{"JOURNAL", "KMSG", "NFLOG"}

// checkPlatform refuses values that need Linux on other systems.
func (l *Loaded) checkPlatform(goos string) (problems conf.Problems) {
	if goos == "linux" {
		return nil
	}
	refuse := func(keyword, value string) {
		at := l.Values.Place(keyword)
		problems = append(problems, conf.Problem{Pos: at.Pos, Keyword: at.Name, Text: value + ": not on " + goos})
	}
	if kind := l.Server.FirewallType; kind == "iptables" || kind == "nftables" || kind == "firewalld" {
		refuse("FIREWALL_TYPE", kind)
	}
	keyword := "AUTH_MODE"
	if l.Values.IsSet("INGEST") {
		keyword = "INGEST"
	}
	for _, mode := range l.Server.AuthModes {
		if slices.Contains(linuxSources, mode) {
			refuse(keyword, mode)
		}
	}
	if l.Server.Interface == ingest.AnyInterface && slices.Contains(l.Server.AuthModes, "PCAP") {
		refuse("PCAP_INTF", ingest.AnyInterface)
	}
	if l.Server.ConntrackPersist {
		refuse("ENABLE_CONNTRACK_PERSIST", "Y")
	}
	return append(problems, closesConnections(l.Access, goos)...)
}

// closesConnections refuses CLOSE_CONNECTIONS, for which connections are looked up by netlink.
func closesConnections(a *conf.Access, goos string) (problems conf.Problems) {
	if a == nil {
		return nil
	}
	for i := range a.Stanzas {
		if st := &a.Stanzas[i]; st.CloseConnections {
			at := st.Values.Place("CLOSE_CONNECTIONS")
			problems = append(problems, conf.Problem{Pos: at.Pos, Keyword: at.Name, Text: "Y: not on " + goos})
		}
	}
	return problems
}
