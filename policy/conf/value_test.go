package conf

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestNets(t *testing.T) {
	type hits map[string]bool
	for _, tt := range []struct {
		text string
		want hits
	}{
		{"ANY", hits{"192.0.2.1": true, "2001:db8::1": true}},
		{"any", hits{"192.0.2.1": true}},
		{"192.0.2.1", hits{"192.0.2.1": true, "192.0.2.2": false, "2001:db8::1": false}},
		{"192.0.2.0/24", hits{"192.0.2.255": true, "192.0.3.0": false}},
		{"192.0.2.77/24", hits{"192.0.2.1": true}}, // host bits are cut
		{"192.0.2.0/255.255.255.128", hits{"192.0.2.127": true, "192.0.2.128": false}},
		{"0.0.0.0/0", hits{"192.0.2.1": true, "2001:db8::1": false}},
		{"0.0.0.0", hits{"192.0.2.1": false, "0.0.0.0": true}},
		{"ANY, !192.0.2.0/24", hits{"192.0.2.1": false, "198.51.100.1": true}},
		{"10.0.0.0/8, ! 10.9.0.0/16 ,172.16.0.1", hits{"10.8.0.1": true, "10.9.0.1": false, "172.16.0.1": true}},
		{"!10.0.0.0/8", hits{"10.0.0.1": false, "192.0.2.1": false}}, // exceptions alone include nothing
		{"ANY, !ANY", hits{"192.0.2.1": false}},
		{"192.0.2.1, NONE", hits{"192.0.2.1": false}},
		{"2001:db8::/32, !2001:db8:1::/48", hits{"2001:db8::1": true, "2001:db8:1::1": false, "192.0.2.1": false}},
		{"::ffff:192.0.2.1", hits{"192.0.2.1": true}},
		{"::ffff:10.0.0.0/104", hits{"10.255.0.1": true, "11.0.0.1": false, "::a00:1": false}},
		{"::ffff:10.0.0.1/128", hits{"10.0.0.1": true, "10.0.0.2": false}},
	} {
		n, err := parseNets(tt.text)
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
			continue
		}
		for addr, want := range tt.want {
			if got := n.Contains(netip.MustParseAddr(addr)); got != want {
				t.Errorf("%q contains %s: %v, want %v", tt.text, addr, got, want)
			}
		}
	}
	for _, bad := range []string{"", ",", "192.0.2.1,", "host", "300.1.2.3", "192.0.2", "192.0.2.1.5", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/",
		"192.0.2.0/255.0.255.0", "192.0.2.0/255.255.300.0", "192.0.2.0/24/8", "2001:db8::/129", "::ffff:10.0.0.0/24", "::ffff:10.0.0.0/129", "::ffff:10.0.0.0/255.0.0.0", "2001:db8::/255.255.0.0", "fe80::1%eth0", "!", "192.0.2.1 198.51.100.1", "192.0.2.0/0x18", "0192.0.2.1"} {
		if n, err := parseNets(bad); err == nil {
			t.Errorf("%q is accepted as %v", bad, n)
		}
	}
}

func TestPorts(t *testing.T) {
	for _, tt := range []struct {
		text string
		icmp bool
		want string // "" for an error
	}{
		{"tcp/22", false, "[tcp/22]"},
		{"TCP/22, udp/53 ,tcp/65535", false, "[tcp/22 udp/53 tcp/65535]"},
		{"icmp, tcp/1", true, "[icmp tcp/1]"},
		{"icmp/8", true, "[icmp]"},
		{"icmp", false, ""},
		{"icmp/x", true, ""},
		{"tcp", true, ""},
		{"tcp/", true, ""},
		{"tcp/22 udp/53", true, ""},
		{"tcp/70000", true, ""},
		{"tcp/-1", true, ""},
		{"tcp/1-5", true, ""},
		{"tcp-22", true, ""},
		{"22", true, ""},
		{"22/tcp", true, ""},
		{"sctp/9", true, ""},
		{"tcp/22,,udp/53", true, ""},
		{"tcp/ssh", true, ""},
	} {
		got, err := parsePorts(tt.text, tt.icmp)
		if (err != nil) != (tt.want == "") || err == nil && fmt.Sprint(got) != tt.want {
			t.Errorf("%q = %v, %v; want %s", tt.text, got, err, tt.want)
		}
	}
	if _, err := parsePorts(strings.Repeat("tcp/1,", maxPorts)+"tcp/2", false); err == nil {
		t.Error("no limit on the number of ports")
	}
}

func TestChain(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"ACCEPT, src, filter, INPUT, 1, FWKNOP_INPUT, 1", "ACCEPT, src, filter, INPUT, 1, FWKNOP_INPUT, 1"},
		{"ACCEPT,filter,INPUT,3,FWKNOP_INPUT,2", "ACCEPT, src, filter, INPUT, 3, FWKNOP_INPUT, 2"},
		{"ACCEPT, filter, OUTPUT, 1, FWKNOP_OUTPUT, 1", "ACCEPT, dst, filter, OUTPUT, 1, FWKNOP_OUTPUT, 1"},
		{"ACCEPT, both, filter, DOCKER-USER, FWKNOP_FORWARD", "ACCEPT, both, filter, DOCKER-USER, 1, FWKNOP_FORWARD, 1"},
		{"MASQUERADE, nat, POSTROUTING, 1, FWKNOP_MASQUERADE, 1", "MASQUERADE, src, nat, POSTROUTING, 1, FWKNOP_MASQUERADE, 1"},
		{"ACCEPT, src, filter, INPUT, 1, FWKNOP_INPUT", ""},
		{"ACCEPT, filter, INPUT, 1, FWKNOP_INPUT", ""},
		{"ACCEPT, filter, INPUT, 1, FWKNOP", ""},
		{"ACCEPT, sideways, filter, INPUT, 1, FWKNOP_INPUT, 1", ""},
		{"ACCEPT, src, filtre, INPUT, 1, FWKNOP_INPUT, 1", ""},
		{"DROP, src, filter, INPUT, 1, FWKNOP_INPUT, 1", ""},
		{"ACCEPT, src, filter, INPUT, 1, INPUT, 1", ""},
		{"ACCEPT, src, filter, MINE, 1, INPUT, 1", ""},
		{"ACCEPT, src, filter, INPUT, one, FWKNOP_INPUT, 1", ""},
		{"ACCEPT, src, filter, INPUT, 65537, FWKNOP_INPUT, 1", ""},
		{"ACCEPT, src, filter, INPUT, 1, FWKNOP INPUT, 1", ""},
		{"ACCEPT, src, filter, INPUT, 1, -F, 1", ""},
		{"ACCEPT, src, filter, INPUT, 1, FWKNOP;id, 1", ""},
		{"ACCEPT, src, filter, INPUT, 1, " + strings.Repeat("X", 29) + ", 1", ""},
		{"", ""},
	} {
		got, err := ParseChain(tt.text)
		if (err != nil) != (tt.want == "") || err == nil && got.String() != tt.want {
			t.Errorf("%q = %q, %v; want %q", tt.text, got, err, tt.want)
		}
	}
}

// TestKinds: one row a kind and way to be wrong.
func TestKinds(t *testing.T) {
	for _, tt := range []struct {
		keyword, text string
		ok            bool
	}{
		{"ENABLE_CMD_EXEC", "Y", true}, {"ENABLE_CMD_EXEC", "n", true}, {"ENABLE_CMD_EXEC", "yes", true},
		{"ENABLE_CMD_EXEC", "perhaps", false}, {"ENABLE_CMD_EXEC", "Y N", false}, {"ENABLE_CMD_EXEC", "1", false}, {"ENABLE_CMD_EXEC", "__NONE__", false},
		{"KNOCK_LIMIT", "0", true}, {"KNOCK_LIMIT", "many", false}, {"KNOCK_LIMIT", "-1", false}, {"KNOCK_LIMIT", "1.5", false}, {"KNOCK_LIMIT", "+1", false},
		{"FW_ACCESS_TIMEOUT", "99999999999999999999", false}, {"FW_ACCESS_TIMEOUT", "2m", false},
		{"PORT_OFFSET", "65280", true}, {"PORT_OFFSET", "65281", false}, {"PORT_OFFSET", "0", false},
		{"HMAC_DIGEST_TYPE", "SHA3_512", true}, {"HMAC_DIGEST_TYPE", "sha3-512", false},
		{"ENCRYPTION_MODE", "cbc", true}, {"ENCRYPTION_MODE", "PCBC", false},
		{"FORCE_NAT", "192.0.2.1 22", true}, {"FORCE_NAT", "192.0.2.1:22", false}, {"FORCE_NAT", "192.0.2.1 22 23", false}, {"FORCE_NAT", "host 22", false},
		{"FORCE_SNAT", "192.0.2.1", true}, {"FORCE_SNAT", "192.0.2.0/24", false},
		{"ACCESS_EXPIRE", "12/31/2031", true}, {"ACCESS_EXPIRE", "1/2/2031", true}, {"ACCESS_EXPIRE", "13/45/2031", false}, {"ACCESS_EXPIRE", "02/30/2031", false}, {"ACCESS_EXPIRE", "12/31/31", true}, {"ACCESS_EXPIRE", "1/2/5", true}, {"ACCESS_EXPIRE", "1/2/", false}, {"ACCESS_EXPIRE", "1/2/135", false},
		{"ACCESS_EXPIRE_EPOCH", "1999999999", true}, {"ACCESS_EXPIRE_EPOCH", "soon", false}, {"ACCESS_EXPIRE_EPOCH", "99999999999999999999999", false},
		{"CMD_REGEX", "^ls$", true}, {"CMD_REGEX", "([a-z", false}, {"CMD_REGEX", "a(?!b)", false}, {"REQUIRE_OS_REGEX", "*bsd", true}, {"REQUIRE_OS_REGEX", "+", false},
		{"KEY_BASE64", "c2l4dGVlbiBsZXR0ZXJzIQ==", true}, {"KEY_BASE64", "c2l4dGVlbiBsZXR0ZXJzIQ", true}, {"KEY_BASE64", "not*base64", false}, {"KEY_BASE64", "====", false},
		{"CMD_CYCLE_OPEN", strings.Repeat("x", 255), true}, {"CMD_CYCLE_OPEN", strings.Repeat("x", 256), false},
		{"GPG_REMOTE_ID", "0x1234abcd, 1234567890ABCDEF", true}, {"GPG_REMOTE_ID", "ANY", true}, {"GPG_REMOTE_ID", "alice", false}, {"GPG_REMOTE_ID", "12345", false},
		{"GPG_FINGERPRINT_ID", strings.Repeat("AB", 20), true}, {"GPG_FINGERPRINT_ID", "1234ABCD", false}, {"GPG_FINGERPRINT_ID", "ANY", false},
		{"REQUIRE_USERNAME", "alice, bob", true}, {"REQUIRE_USERNAME", "alice,,bob", false},
		{"REQUIRE_SOURCE_ADDRESS", "Y", true}, {"REQUIRE_SOURCE_ADDRESS", "10.0.0.0/8, !10.1.1.1", true}, {"REQUIRE_SOURCE_ADDRESS", "maybe", false}, {"REQUIRE_SOURCE_ADDRESS", "10.0.0.0/99", false},
		{"EXPECT", "granted ask tcp/22 from 192.0.2.1", true}, {"EXPECT", "granted", false},
	} {
		k := Find(AccessFile, tt.keyword)
		l := cutLine(Pos{}, tt.keyword+" "+tt.text+";")
		text, err := l.value(C26, k)
		if err == nil {
			_, err = k.parse(C26, text)
		}
		if (err == nil) != tt.ok {
			t.Errorf("%s %q: %v, want ok = %v", tt.keyword, clip(tt.text), err, tt.ok)
		}
	}
	for _, tt := range []struct {
		keyword, text string
		ok            bool
	}{
		{"EMAIL_ADDRESSES", "root@localhost, a@example.org", true}, {"EMAIL_ADDRESSES", "nobody", false}, {"EMAIL_ADDRESSES", "-oQ/tmp@x", false}, {"EMAIL_ADDRESSES", "a b@c", false},
		{"DIGEST_TYPE", "SHA256, sha1", true}, {"DIGEST_TYPE", "CRC32", false},
		{"AUTH_MODE", "KNOCK, PCAP", true}, {"AUTH_MODE", "PCAP KNOCK", false},
		{"ALERTING_METHODS", "noemail,nosyslog", true}, {"ALERTING_METHODS", "noemial", false},
		{"CONNTRACK_ESTAB_PORTS", "22, 80", true}, {"CONNTRACK_ESTAB_PORTS", "ssh", false},
		{"FWKNOP_RUN_DIR", "/run/x", true}, {"FWKNOP_RUN_DIR", "run/x", false},
		{"NFT_INPUT_ACCESS", "inet, filter, input", true}, {"NFT_INPUT_ACCESS", "filter, input", false}, {"NFT_INPUT_ACCESS", "bridge, filter, input", false},
		{"TCPSERV_PORT", "0", false}, {"TCPSERV_PORT", "65535", true}, {"TCPSERV_PORT", "65536", false},
		{"IPFW_SET_NUM", "31", true}, {"IPFW_SET_NUM", "32", false},
		{"EXIT_INTERVAL", "1440", true}, {"EXIT_INTERVAL", "0", false},
	} {
		if _, err := Find(ServerFile, tt.keyword).parse(Perl19, tt.text); (err == nil) != tt.ok {
			t.Errorf("%s %q: %v, want ok = %v", tt.keyword, tt.text, err, tt.ok)
		}
	}
}

func TestPlaceholders(t *testing.T) {
	for _, p := range []string{"__CHANGEME__", "_CHANGEME_", "_?_CHANGEME_?_"} {
		_, _, _, problems := loadText("HOSTNAME "+p+";\nSNAT_TRANSLATE_IP "+p+";\nAUTH_MODE PCAP;\n", "SOURCE: ANY;\nOPEN_PORTS: tcp/22;\nKEY: "+p+";\n")
		wantProblems(t, problems,
			"main.conf:1: HOSTNAME: still the placeholder of the shipped file",
			"access.conf:3: KEY: still the placeholder of the shipped file")
	}
	_, _, _, problems := loadText("ENABLE_IPT_SNAT Y;\nSNAT_TRANSLATE_IP __CHANGEME__;\n", c26())
	wantProblems(t, problems, "main.conf:2: SNAT_TRANSLATE_IP: still the placeholder of the shipped file")
}

func TestUnits(t *testing.T) {
	_, v, _, problems := loadText("EXIT_INTERVAL 2;\nUDPSERV_SELECT_TIMEOUT 3;\nKNOPWATCHD_CHECK_INTERVAL 4;\n", perl19())
	if problems.Failed() {
		t.Fatal(problems)
	}
	for name, want := range map[string]time.Duration{
		"EXIT_INTERVAL": 2 * time.Minute, "UDPSERV_SELECT_TIMEOUT": 3 * time.Microsecond, "KNOPWATCHD_CHECK_INTERVAL": 4 * time.Second, "IPT_CMD_ALARM": 30 * time.Second,
	} {
		var got time.Duration
		val := v.lookup(name)
		n, err := val.Keyword.parse(v.Dialect, val.Text)
		if err != nil {
			t.Fatal(err)
		}
		if val.Keyword.assign(&got, n, false); got != want {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	_, _, a, problems := loadText("", c26("HMAC_KEY another secret"))
	if problems.Failed() {
		t.Fatal(problems)
	}
	s := a.Stanzas[0]
	all := fmt.Sprintf("%v %+v %#v %s %v", s.Key, s.HMACKey, s.Key, s.Values.lookup("KEY").String(), s.Vars) + a.Format(true)
	for _, secret := range []string{"sixteen letters!", "another secret"} {
		if strings.Contains(all, secret) {
			t.Errorf("%q is printed in %s", secret, all)
		}
	}
	if !strings.Contains(a.Format(false), "sixteen letters!") {
		t.Error("Format without redaction lacks the key")
	}
}
