package conf

import "testing"

// TestInterfaceName: the daemon waits for an interface that is not there, so a value that is no
// name of one is said.
func TestInterfaceName(t *testing.T) {
	for value, want := range map[string]string{
		"eth0":             "",
		"any":              "",
		"vlan-x.0123456":   "",
		"eth0,eth1":        `main.conf:1: warning: PCAP_INTF: "eth0,eth1" is read as the name of one interface; any stands for all`,
		"eth0 eth1":        `main.conf:1: warning: PCAP_INTF: "eth0 eth1" can be no interface`,
		"enp0s31f6.123456": `main.conf:1: warning: PCAP_INTF: "enp0s31f6.123456" can be no interface`,
	} {
		_, _, _, problems := loadText("PCAP_INTF "+value+";\n", perl19())
		if want == "" {
			wantProblems(t, problems)
		} else {
			wantProblems(t, problems, want)
		}
	}
}
