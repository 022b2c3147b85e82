package config

import (
	"strings"
	"testing"

	"fwknopd/policy/conf"
)

// CLOSE_CONNECTIONS needs Linux too.
func TestForeignStanza(t *testing.T) {
	_, _, access := loadText(t, "", c26("CLOSE_CONNECTIONS Y"))
	l := Loaded{Server: &conf.Server{}, Values: &conf.Values{}, Access: access}
	if got := l.checkPlatform("freebsd").Error(); !strings.HasSuffix(strings.TrimSpace(got), ": CLOSE_CONNECTIONS: Y: not on freebsd") {
		t.Errorf("%q", got)
	}
	if on := l.checkPlatform("linux"); on != nil {
		t.Errorf("on linux: %v", on)
	}
}

// Values that need Linux, and no others, are refused on other systems.
func TestForeign(t *testing.T) {
	for text, want := range map[string]string{
		"AUTH_MODE PCAP;\nPCAP_INTF em0;\n":                "",
		"AUTH_MODE FILE_PCAP;\nFIREWALL_TYPE ipfw;\n":      "",
		"FIREWALL_TYPE external_cmd;\n":                    "",
		"FIREWALL_TYPE nftables;\n":                        "main.conf:1: FIREWALL_TYPE: nftables: not on freebsd",
		"FIREWALL_TYPE firewalld;\n":                       "main.conf:1: FIREWALL_TYPE: firewalld: not on freebsd",
		"FIREWALL_TYPE iptables;\n":                        "main.conf:1: FIREWALL_TYPE: iptables: not on freebsd",
		"AUTH_MODE JOURNAL;\n":                             "main.conf:1: AUTH_MODE: JOURNAL: not on freebsd",
		"INGEST KNOCK, NFLOG;\n":                           "main.conf:1: INGEST: NFLOG: not on freebsd",
		"AUTH_MODE PCAP;\nPCAP_INTF any;\n":                "main.conf:2: PCAP_INTF: any: not on freebsd",
		"ENABLE_CONNTRACK_PERSIST Y;\nPCAP_INTF em0;\n":    "main.conf:1: ENABLE_CONNTRACK_PERSIST: Y: not on freebsd",
		"AUTH_MODE FILE_PCAP;\nPCAP_INTF any;\n":           "",
		"AUTH_MODE PCAP;\nPCAP_INTF em0;\nVERBOSE 1;\n":    "",
		"INGEST UDP, TCP, SOCKET;\nFIREWALL_TYPE auto;\n":  "",
		"INGEST ULOG_PCAP;\nENABLE_CONNTRACK_PERSIST N;\n": "",
	} {
		dir := tempFiles(t, map[string]string{"main.conf": text})
		l, problems := Load(Options{Config: dir + "/main.conf", Offline: true, ServerOnly: true})
		if problems.Failed() {
			t.Fatalf("%s: %v", text, problems)
		}
		if got := strings.ReplaceAll(l.checkPlatform("freebsd").Error(), dir+"/", ""); strings.TrimSpace(got) != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		if on := l.checkPlatform("linux"); on != nil {
			t.Errorf("%q on linux: %v", text, on)
		}
	}
}
