package privsep

import (
	"strings"
	"testing"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/policy/conf"
)

// The sources that the keywords of both dialects select.
func TestSourceSpecs(t *testing.T) {
	for _, c := range []struct{ server, want string }{
		{"PCAP_INTF lo;", "PCAP lo"},
		{"PCAP_INTF lo;\nENABLE_UDP_SERVER Y;\nUDPSERV_PORT 4000;", "UDP port 4000"},
		{"AUTH_MODE KNOCK;\nIPT_SYSLOG_FILE /var/log/k;", "KNOCK /var/log/k"},
		{"AUTH_MODE KNOCK;\nENABLE_SYSLOG_FILE N;\nKNOPMD_FIFO /run/f;", "FIFO /run/f"},
		{"AUTH_MODE ULOG_PCAP;\nPCAP_PKT_FILE /var/log/u;", "ULOG_PCAP /var/log/u"},
		{"AUTH_MODE SOCKET;\nFWKNOP_SERV_SOCK /run/s;", "SOCKET /run/s"},
		{"INGEST PCAP,NFLOG,TCP;\nPCAP_INTF lo;\nNFLOG_GROUP 4;", "PCAP lo, NFLOG group 4, TCP port 62201"},
		{"PCAP_FILE /tmp/x.pcap;", "PCAP /tmp/x.pcap"},
		{"PCAP_INTF lo;\nENABLE_TCP_SERVER Y;", "PCAP lo, deaf TCP port 62201"},
		{"AUTH_MODE SOCKET;\nFWKNOP_SERV_SOCK /run/s;\nENABLE_TCP_SERVER Y;\nTCPSERV_PORT 5;", "SOCKET /run/s, TCP port 5"},
	} {
		l, problems := config.Load(config.Options{Config: "fwknopd.conf", Access: "access.conf", Offline: true,
			FS: recordedFS{&Config{Files: map[string]FileResult{
				"fwknopd.conf": {Data: []byte(c.server + "\n"), Info: conf.FileInfo{Regular: true}},
				"access.conf":  {Data: []byte("SOURCE ANY\nKEY sometestkey1\n"), Info: conf.FileInfo{Regular: true}},
			}}}})
		if problems.Failed() {
			t.Errorf("%s: %v", c.server, problems)
			continue
		}
		var names []string
		for _, f := range SourceSpecs(l) {
			name := f.Name()
			if f.Discard {
				name = "deaf " + name
			}
			names = append(names, name)
		}
		if got := strings.Join(names, ", "); got != c.want {
			t.Errorf("%s: sources %s, want %s", c.server, got, c.want)
		}
	}
}
