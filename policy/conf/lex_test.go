package conf

import (
	"strings"
	"testing"
)

// TestServerLines: where a value of fwknop.conf ends.
func TestServerLines(t *testing.T) {
	for _, tt := range []struct{ name, line, want string }{
		{"plain", "PCAP_INTF eth1;", "eth1"},
		{"tabs and blanks", "  PCAP_INTF \t eth1  ;", "eth1"},
		{"remark behind the semicolon", "PCAP_INTF eth1;  ### the second; card", "eth1"},
		{"colon", "PCAP_INTF: eth1;", "eth1"},
		{"carriage return", "PCAP_INTF eth1;\r", "eth1"},
		{"value with blanks", "PCAP_INTF a b  c;", "a b  c"},
		{"empty by name", "PCAP_INTF __NONE__;", ""},
		{"hash inside", "PCAP_INTF eth#1;", "eth#1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, v, _, problems := loadText(tt.line+"\nAUTH_MODE PCAP;\n", perl19())
			if problems.Failed() {
				t.Fatal(problems)
			}
			if got := v.lookup("PCAP_INTF").Text; got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// TestKeyText: what belongs to a key is the one thing where the two dialects
// differ and a wrong choice locks everybody out.
func TestKeyText(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"1.9", "SOURCE: ANY;\nOPEN_PORTS: tcp/22;\nKEY: eight letters;\n", "eight letters"},
		{"1.9, to the last semicolon", "SOURCE: ANY;\nOPEN_PORTS: tcp/22;\nKEY: eight;letters;\n", "eight;letters"},
		{"1.9, blanks at the end count", "SOURCE: ANY;\nOPEN_PORTS: tcp/22;\nKEY: eight letters  ;\n", "eight letters  "},
		{"1.9, remark", "SOURCE: ANY;\nOPEN_PORTS: tcp/22;\nKEY: eight letters; # for alice\n", "eight letters"},
		{"1.9 without colons", "SOURCE: ANY;\nPERMIT_CLIENT_PORTS;\nKEY eight letters;\n", "eight letters"},
		{"2.6", "SOURCE ANY\nKEY eight letters\n", "eight letters"},
		{"2.6, to the first semicolon", "SOURCE ANY\nKEY eight letters;x\nHMAC_KEY otherwise\n", "eight letters"},
		{"2.6, dollar and hash", "SOURCE ANY\nKEY $eight#letters\n", "$eight#letters"},
		{"2.6, colon and blanks", "SOURCE ANY\nKEY:   eight letters   \n", "eight letters"},
		{"not UTF-8", "SOURCE ANY\nKEY \xff\xfe12345678\n", "\xff\xfe12345678"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, a, problems := loadText("", tt.text)
			if problems.Failed() {
				t.Fatal(problems)
			}
			if got := string(a.Stanzas[0].Key.Bytes()); got != tt.want {
				t.Errorf("key %q, want %q", got, tt.want)
			}
		})
	}
}

func TestDialect(t *testing.T) {
	const (
		semis   = "SOURCE: ANY;\nOPEN_PORTS: tcp/22;\nKEY: sixteen letters!;\n"
		bare    = "SOURCE ANY\nOPEN_PORTS tcp/22\nKEY sixteen letters!\n"
		colons  = "SOURCE: ANY\nOPEN_PORTS: tcp/22\nKEY: sixteen letters!\n"
		onlyV2  = "HMAC_KEY: something else;\n"
		onlyV1  = "PERMIT_CLIENT_TIMEOUT: Y;\n"
		neither = "ENABLE_IPT_FORWARDING Y;\n"
	)
	for _, tt := range []struct {
		name, file, server, access string
		wantServer, wantAccess     Dialect
	}{
		{"nothing shows it: as access.conf looks", "m.conf", neither, semis, Perl19, Perl19},
		{"nothing shows it: no semicolons", "m.conf", neither, bare, C26, C26},
		{"nothing shows it: colons alone", "m.conf", "", colons, C26, C26},
		{"nothing shows it: a SOURCE that no 1.9 daemon reads", "m.conf", neither, "SOURCE ANY\nKEY sixteen letters!\nOPEN_PORTS: tcp/22;\n", C26, C26},
		{"a keyword of 2.6", "m.conf", neither, semis + onlyV2, C26, C26},
		{"keywords of both", "m.conf", neither, semis + onlyV2 + onlyV1, Perl19, Perl19},
		{"name of 1.9", "fwknop.conf", neither, semis, Perl19, Perl19},
		{"name of 1.9, and colons: the semicolons of access.conf are forgotten", "fwknop.conf", neither, colons, Perl19, Perl19},
		{"name of 1.9 beside a 2.6 access.conf", "fwknop.conf", neither, bare, C26, C26},
		{"1.9 beside a 2.6 access.conf", "fwknop.conf", "AUTH_MODE PCAP;\n", bare, Perl19, C26},
		{"name of 2.6", "fwknopd.conf", neither, semis, C26, C26},
		{"name of 2.6, a keyword of 1.9 in access.conf", "fwknopd.conf", neither, semis + onlyV1, C26, C26},
		{"name of 2.6, a line of 1.9 among bare ones", "fwknopd.conf", neither, bare + onlyV1, C26, C26},
		{"nothing shows it: bare lines and one of 1.9", "m.conf", neither, bare + onlyV1, C26, C26},
		{"a keyword of 1.9", "m.conf", "AUTH_MODE PCAP;\n", semis, Perl19, Perl19},
		{"a keyword of 1.9, but no semicolons", "m.conf", "BLACKLIST 192.0.2.0/24\n", bare, C26, C26},
		{"a program of 1.9", "m.conf", "iptablesCmd /sbin/iptables;\n", semis, Perl19, Perl19},
		{"1.9 with one keyword of 2.6 in access.conf stays", "m.conf", "AUTH_MODE PCAP;\n", semis + onlyV2, Perl19, Perl19},
		{"a keyword of 2.6 in the server file", "m.conf", "RULES_CHECK_THRESHOLD 5;\n", semis, C26, C26},
		{"our keywords show nothing", "m.conf", "NFLOG_GROUP 3;\n", semis, Perl19, Perl19},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, v, a, problems := Load(Options{FS: memFS{tt.file: tt.server, "a": tt.access}, Server: tt.file, Access: "a"})
			if problems.Failed() != strings.Contains(tt.name, "forgotten") {
				t.Fatal(problems)
			}
			if v.Dialect != tt.wantServer || a.Dialect != tt.wantAccess {
				t.Errorf("server %v, access %v; want %v, %v", v.Dialect, a.Dialect, tt.wantServer, tt.wantAccess)
			}
		})
	}
}

// TestMissingSemicolon: required in 1.9 files, in the file that lacks it alone.
func TestMissingSemicolon(t *testing.T) {
	_, _, _, got := loadText("AUTH_MODE PCAP;\nPCAP_INTF lo\n", "SOURCE: ANY\nOPEN_PORTS: tcp/22\nKEY: sixteen letters!\n")
	wantProblems(t, got,
		"main.conf:2: PCAP_INTF: line does not end in a semicolon",
		"access.conf:1: SOURCE: line does not end in a semicolon",
		"access.conf:2: OPEN_PORTS: line does not end in a semicolon",
		"access.conf:3: KEY: line does not end in a semicolon",
	)
	if _, _, _, got = loadText("PCAP_INTF lo\n", c26()); got.Failed() {
		t.Errorf("2.6 files need none: %v", got)
	}
}

func TestBadBytes(t *testing.T) {
	_, _, _, got := loadText("PCAP_INTF l\x00o;\nPCAP_FILTER "+strings.Repeat("x", maxLine)+";\n", "\xef\xbb\xbf"+perl19())
	wantProblems(t, got,
		"main.conf:1: line with a NUL byte",
		"main.conf:2: line of 16397 bytes, at most 16384 are read")
	_, _, got = LoadServer(Options{FS: memFS{"m": strings.Repeat("#\n", MaxFileSize/2+1)}, Server: "m"})
	wantProblems(t, got, "m: m is larger than 16777216 bytes")
}
