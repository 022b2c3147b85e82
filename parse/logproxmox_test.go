package parse

import (
	"bytes"
	"strings"
	"testing"
)

// TestLogLineProxmox: records of Proxmox VE's log, which leaves out what a packet has
// not, with options and without, and as grep shows them.
func TestLogLineProxmox(t *testing.T) {
	const (
		head = "101 1 tap101i0-IN 03/Jul/2026:04:05:06 +0200 "
		ip   = "SRC=192.0.2.7 DST=198.51.100.10 LEN=60 TOS=0x00 PREC=0x00 TTL=57 ID=33561 DF PROTO=TCP SPT=47594 DPT=22 WINDOW=5840 "
		opt  = "OPT (020405B40402080A001046E40000000001030300) "
		bare = "OPT (020405B40402080A001046E40000000001030300)"
	)
	for _, front := range []string{"", "pve-firewall.log:", "/var/log/pve-firewall.log.1:12:", "12:"} {
		for _, links := range []string{"IN=eth0 MAC=33:10:a9:e2:3a:0e:75:87:8f:c8:66:d3:08:00 ", "IN=eth0 OUT=eth1 ", "IN=eth0 PHYSIN=tap101i0 ", "IN=eth0 "} {
			for _, tail := range []string{"SYN ", "SYN", "SYN " + opt, "SYN " + bare, "SYN URGP=7 " + opt, "SYN ACK " + opt, "RES=0x00 SYN URGP=0 " + opt} {
				line := front + head + "policy DROP: " + links + ip + tail
				ev := parseLine(t, line)
				if ev.Origin != OriginKernel || string(ev.Prefix) != "policy DROP: " || string(ev.In) != "eth0" || ev.Flags&SYN == 0 ||
					ev.Src.String() != "192.0.2.7:47594" || !ev.Time.Equal(mustTime(t, "2026-07-03T02:05:06Z")) {
					t.Errorf("%s: origin %d, prefix %q, time %v, %s", line, ev.Origin, ev.Prefix, ev.Time, show(ev))
				}
				if strings.Contains(tail, "OPT") && !bytes.HasPrefix(ev.Options(), []byte{2, 4, 5, 0xb4}) {
					t.Errorf("%s: options %x", line, ev.Options())
				}
			}
		}
	}
	for _, torn := range []string{"SYN OPT", "SYN OPT (0204", "SYN OPT (020405B", "OPT (0204)", "SYN SY", "SYN OPTION"} {
		var ev Event
		if err := LogLine([]byte(head+"IN=eth0 OUT= "+ip+torn), logRef, &ev); err == nil {
			t.Errorf("%s: read as %s", torn, show(&ev))
		}
	}
}
