package fingerprint

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"fwknopd/parse"
)

// fieldCases are SYNs that were seen in the field, and who sent them: what some label
// must contain, and what none may.
var fieldCases = []struct {
	file, source string // no source: all
	want, never  string
}{
	{"hops/far.pcap", "192.0.2.1", `^Linux:3\.11`, ""},
	{"hops/far.pcap", "192.0.2.2", `^Windows:`, ""},
	{"hops/far.pcap", "192.0.2.3", `^Windows:`, ""},
	{"hops/far.pcap", "192.0.2.4", `^Windows:`, ""},
	{"hops/masscan.log", "", `^\*masscan:`, ""},
	{"nmap-ttl64/router.pcap", "", ``, `(?i)nmap`},
	{"solaris-mss/solaris.pcap", "", `^Solaris:10:`, ""},
	{"zmap/zmap.pcap", "", `^\*zmap:`, ""},
	{"zmap/zmap.log", "", `^\*zmap:`, ""},
	{"signatures/signatures.pcap", "192.0.2.1", `^\*masscan:`, "(?i)nmap"},
	{"signatures/signatures.pcap", "192.0.2.2", `^\*zmap:`, ""},
	{"signatures/signatures.pcap", "192.0.2.3", `^\*scanner:IoT:`, ""},
	{"signatures/signatures.pcap", "192.0.2.4", `^\*scanner:port 6000:`, ""},
	{"signatures/signatures.pcap", "192.0.2.5", `^\*Scapy:`, ""},
	{"signatures/signatures.pcap", "192.0.2.6", `^Linux:3\.11.*blanked`, ""},
	{"signatures/signatures.pcap", "192.0.2.7", `^Windows:`, "FreeBSD"},
	{"signatures/signatures.pcap", "192.0.2.8", `^Windows:.*MSS`, ""},
	{"signatures/signatures.pcap", "192.0.2.9", `^Linux:3\.0-3\.10:.*MSS alone`, ""},
	{"signatures/signatures.pcap", "192.0.2.10", `^NetBSD:`, ""},
	{"signatures/signatures.pcap", "192.0.2.11", `^Nintendo:Switch:`, "FreeBSD"},
	{"signatures/signatures.pcap", "192.0.2.12", `^lwIP:`, ""},
	{"signatures/signatures.pcap", "192.0.2.13", `^Cisco:IOS:md5:`, ""},
	{"signatures/signatures.pcap", "192.0.2.14", `^Cisco:IOS:`, ""},
	{"signatures/signatures.pcap", "192.0.2.15", `^Linux:.*MD5`, ""},
	{"signatures/signatures.pcap", "192.0.2.16", `^Linux:.*TCP Fast Open, with a cookie and data`, ""},
	{"signatures/signatures.pcap", "192.0.2.17", `^Linux:.*Multipath TCP 0`, ""},
	{"signatures/signatures.pcap", "192.0.2.18", `^Linux:3\.11.*w/o SACK and timestamps`, ""},
	{"signatures/signatures.pcap", "192.0.2.19", `Linux.*TTL 1`, ""},
	{"signatures/signatures.pcap", "192.0.2.20", `^F5:`, ""},
	{"signatures/signatures.pcap", "192.0.2.21", `^IXIA:`, ""},
}

func TestFieldCases(t *testing.T) {
	m := NewMatcher(Default(), DefaultMaxHops)
	for _, tc := range fieldCases {
		read := readLog
		if strings.HasSuffix(tc.file, ".pcap") {
			read = readCapture
		}
		seen := 0
		for _, ev := range read(t, "../cases/os/"+tc.file) {
			if tc.source != "" && ev.Src.Addr() != netip.MustParseAddr(tc.source) {
				continue
			}
			seen++
			got := labels(matches(m, ev))
			checkLabels(t, tc.file+" "+tc.source, ev, got, tc.want, tc.never)
		}
		if seen == 0 {
			t.Errorf("%s: no SYN of %s", tc.file, tc.source)
		}
	}
}

// checkLabels requires a label that contains want, unless that is "", and none that
// contains never.
func checkLabels(t *testing.T, name string, ev *parse.Event, got []string, want, never string) {
	t.Helper()
	found := want == ""
	for _, label := range got {
		found = found || regexp.MustCompile(want).MatchString(label)
		if never != "" && regexp.MustCompile(never).MatchString(label) {
			t.Errorf("%s: %s: %q contains %s", name, AppendSignature(nil, ev), label, never)
		}
	}
	if !found {
		t.Errorf("%s: %s: got %q, want %s", name, AppendSignature(nil, ev), got, want)
	}
}

// More of the kinds that the field showed, each from its own way of saying it.
func TestFieldKinds(t *testing.T) {
	const (
		mac       = "M1460,N,W6,N,N,T,S,E,E"
		linuxNOPs = "M1460,S,N,N,N,N,N,N,N,N,N,N,N,W7"
	)
	for _, tc := range []struct{ syn, want, never string }{
		// The same systems on other paths.
		{"64240:45:1:60:M1360,S,T,N,W7", `^Linux:4\.20`, ""},
		{"65160:33:1:60:M1440,S,T,N,W7", `Linux`, ""},
		{"29200:34:1:60:M1400,S,T,N,W7", `^Linux:3\.11.*MSS lowered`, ""},
		{"14600:40:1:60:M1360,S,T,N,W5", `^Linux:3\.0.*MSS lowered`, ""},
		{"14600:40:1:52:M1460,N,N,S,N,W5", `^Linux:3\.0`, ""},
		{"62720:60:1:60:M8960,S,T,N,W7", `^Linux:4\.20`, ""},
		{"64240:1:1:60:M1460,S,T,N,W7", `^Linux:4\.20.*TTL 1`, ""},
		{"5840:60:1:48:M1460,N,W7", `^Linux:2\.4-2\.6`, ""},
		{"64240:60:1:60:" + linuxNOPs, `^Linux:4\.20.*blanked`, ""},
		{"12345:100:1:60:" + linuxNOPs, `^@Linux::nops`, ""},
		{"64240:255:1:72:N,N,?19,M1460,N,N,S,N,W7", `^Linux::md5`, ""},
		{"64240:64:1:68:N,N,?19,M1460,N,W7", `^Linux::md5`, ""},
		{"64240:64:1:64:M1460,S,T,N,W9,?34,N,N", `asks for TCP Fast Open`, "cookie"},
		{"64240:64:1:64:M1460,S,T,N,W9,?254", `Fast Open`, ""},
		// Hops: no system begins with a TTL in the gaps, but the layout names it.
		{"64240:80:1:60:M1460,S,T,N,W7", `^@Linux::ttl`, "^Linux"},
		{"64240:180:1:60:M1460,S,T,N,W7", `^@Linux::ttl`, "^Linux"},
		{"8192:200:1:52:M1460,N,W8,N,N,S", `^@Windows::ttl`, "^Windows"},
		{"64240:97:1:52:M1460,N,W8,N,N,S", `^Windows:10-11`, ""},
		{"64240:118:0:52:M1460,N,W8,N,N,S", `^@Windows:`, ""},
		{"64240:64:1:52:M1460,N,W8,N,N,S", `^Windows:10-11:ttl`, ""},
		{"64240:118:1:48:N,W8,N,N,S", `^Windows:10-11:mss`, ""},
		{"64240:52:1:48:N,W8,N,N,S", `^@Windows::mss`, ""},
		{"64240:52:1:60:M1460,N,W8,S,T", `^Windows:10-11:ts ttl`, "FreeBSD"},
		{"65535:52:1:60:M1460,N,W6,S,T", `^FreeBSD`, "Windows|other TTL"},
		{"65535:118:1:60:M1460,N,W6,S,T", `^@FreeBSD::ttl`, ""},
		{"16384:52:1:64:M1460,N,N,S,N,W6,N,N,T", `^OpenBSD`, "other TTL"},
		{"16384:118:1:64:M1460,N,N,S,N,W6,N,N,T", `^@OpenBSD::ttl`, ""},
		{"64240:118:1:52:M1460,N,W8,N,N,S", `^Windows:10`, "other TTL"},
		{"64240:52:1:60:M1460,S,T,N,W7", `^Linux:4`, "other TTL"},
		{"64240:52:1:52:M1460,N,N,S,N,W7", `^Linux:4`, "other TTL"},
		{"65535:52:1:64:M1460,N,W6,N,N,T,S,E,E", `^MacOS`, "other TTL"},
		{"32768:52:1:60:M1300,N,W6,S,T", `^Nintendo:Switch`, "FreeBSD"},
		{"65535:52:0:64:" + mac, `^MacOS:X:.*no DF`, ""},
		{"65535:52:1:64:" + mac, `^MacOS:X:`, "no DF"},
		{"32768:52:1:64:M1460,N,W3,S,N,N,N,N,T", `^NetBSD:`, ""},
		{"65535:52:1:64:M1460,N,W4,S,N,N,N,N,T", `^@NetBSD:`, ""},
		{"49640:50:1:52:M1400,N,W0,N,N,S", `^Solaris:10:mss`, ""},
		{"49640:50:1:52:M1460,N,W0,N,N,S", `^Solaris:10:`, "lowered on the way"},
		{"64240:50:1:60:S,T,M1460,N,W5", `^Solaris:11`, ""},
		// Devices.
		{"5840:250:0:44:M1460", `^lwIP:`, ""},
		{"5744:250:0:44:M1436", `^lwIP:`, ""},
		{"16384:1:0:64:M1460,?19,E", `^Cisco:IOS:md5 ttl 1`, ""},
		{"16384:1:1:64:M1460,N,W0,N,N,T,S,E,E", `^Juniper:`, ""},
		{"8190:250:1:52:M1460,N,W8,N,N,S", `^Citrix:`, ""},
		{"4380:255:1:48:M1380,S,E,E", `F5:`, ""},
		{"16383:250:0:48:M1452,W0,N", `^IXIA:`, ""},
		// Scanners.
		{"1024:240:0:44:M1360", `^\*masscan:`, "(?i)nmap"},
		{"1024:59:0:44:M1460", `^\*NMAP:`, "masscan"},
		{"1024:37:0:44:M1460", `^\*NMAP:`, ""},
		{"4096:20:0:44:M1460", `^\*NMAP:`, ""},
		{"1024:60:0:44:M1460", "", "(?i)nmap"},
		{"2048:64:0:44:M1460", "", "(?i)nmap"},
		{"512:57:1:40:.", `^\*hping:`, ""},
		{"512:57:0:52:N,N,T", `^\*hping:`, ""},
		{"31000:50:0:40:.", `^@\*raw:`, ""},
		{"31000:200:1:40:.", `^@\*raw:`, ""},
	} {
		ev := synOf(t, tc.syn)
		got := labels(matches(NewMatcher(Default(), DefaultMaxHops), ev))
		checkLabels(t, tc.syn, ev, got, tc.want, tc.never)
	}
}

// Numbers that make a scanner known, and the same SYN with others.
func TestFieldNumbers(t *testing.T) {
	for _, tc := range []struct {
		why, syn    string
		change      func(ev *parse.Event)
		want, never string
	}{
		{"zmap", "65535:240:0:40:.", func(ev *parse.Event) { ev.ID = 54321 }, `^\*zmap:2`, ""},
		{"perhaps zmap", "65535:240:0:40:.", func(ev *parse.Event) { ev.ID = 54320 }, `^@\*zmap:`, `^\*zmap`},
		{"zmap, MSS lowered", "65535:240:0:44:M1400", func(ev *parse.Event) { ev.ID = 54321 }, `^\*zmap:3`, ""},
		{"not zmap", "65535:240:0:44:M1400", func(ev *parse.Event) { ev.ID = 1 }, "", `zmap`},
		{"zmap as Windows", "65535:240:1:52:M1460,N,W8,N,N,S", func(ev *parse.Event) { ev.ID = 54321 }, `^\*zmap:4`, ""},
		{"zmap as Linux", "65535:240:1:60:M1460,S,T,N,W7", func(ev *parse.Event) { ev.ID = 54321 }, `^\*zmap:4`, ""},
		{"port 6000", "16384:100:0:40:.", func(ev *parse.Event) {
			ev.ID, ev.Src = 256, netip.AddrPortFrom(ev.Src.Addr(), 6000)
		}, `^\*scanner:port 6000:`, ""},
		{"another port", "16384:100:0:40:.", func(ev *parse.Event) { ev.ID = 256 }, `^@\*scanner:`, `6000`},
		{"Scapy", "8192:64:0:40:.", func(ev *parse.Event) { ev.Seq = 0 }, `^\*Scapy:`, ""},
		{"Scapy with options", "8192:60:0:44:M1460", func(*parse.Event) {}, `^\*Scapy:`, ""},
		{"not Scapy", "8192:60:0:44:M1460", func(ev *parse.Event) { ev.ID = 4711 }, "", `Scapy`},
		{"Mirai", "31337:50:0:40:.", func(ev *parse.Event) { ev.Seq = 198<<24 | 51<<16 | 100<<8 | 1 }, `^\*Mirai:`, ""},
		{"not Mirai", "31337:50:0:40:.", func(ev *parse.Event) { ev.Seq++ }, "", `Mirai`},
		{"perhaps Mirai, not on record", "31337:50:0:40:.", func(ev *parse.Event) { ev.HasSeq = false }, "", `Mirai`},
	} {
		ev := synOf(t, tc.syn)
		tc.change(ev)
		got := labels(matches(NewMatcher(Default(), DefaultMaxHops), ev))
		checkLabels(t, tc.why, ev, got, tc.want, tc.never)
	}
}

// synOf makes the SYN that a signature with nothing left open describes; its TTL is
// that of the packet.
func synOf(t *testing.T, text string) *parse.Event {
	t.Helper()
	var window, size uint16
	var ttl uint8
	var df int
	cells := strings.SplitN(text, ":", 5)
	if _, err := fmt.Sscanf(strings.Join(cells[:4], " "), "%d %d %d %d", &window, &ttl, &df, &size); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	ev := newSYN(window, ttl, df == 1, optionBytes(t, cells[4]))
	ev.Len = size
	return ev
}

// optionBytes writes a layout as it goes over the wire.
func optionBytes(t *testing.T, layout string) []byte {
	t.Helper()
	var b []byte
	if layout == "." {
		return b
	}
	for element := range strings.SplitSeq(layout, ",") {
		var n uint16
		fmt.Sscanf(element[1:], "%d", &n)
		switch element[0] {
		case 'M':
			b = append(b, kindMSS, 4, byte(n>>8), byte(n))
		case 'W':
			b = append(b, kindScale, 3, byte(n))
		case 'S':
			b = append(b, kindSACKPermitted, 2)
		case 'T':
			b = append(b, kindTimestamp, 10, 0, 0, 1, 2, 0, 0, 0, 0)
		case 'N':
			b = append(b, kindNOP)
		case 'E':
			b = append(b, kindEnd)
		case '?':
			body := map[uint16]int{19: 16, 30: 10, 34: 0, 254: 2}[n]
			b = append(append(b, byte(n), byte(2+body)), make([]byte, body)...)
		default:
			t.Fatalf("no option %q", element)
		}
	}
	return b
}
