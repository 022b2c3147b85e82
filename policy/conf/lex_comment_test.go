package conf

import (
	"strings"
	"testing"
)

// TestCommentsAfterValues: which values of 2.6 files end before a comment. The 2.6.10
// daemon takes and refuses the same lines; "" is a refusal.
func TestCommentsAfterValues(t *testing.T) {
	for _, tt := range []struct{ keyword, value, want string }{
		{"OPEN_PORTS", "tcp/22 # ssh", "tcp/22"},
		{"OPEN_PORTS", "tcp/22\t# ssh", "tcp/22"},
		{"OPEN_PORTS", "tcp/22#ssh", "tcp/22"},
		{"OPEN_PORTS", "tcp/22, udp/53 # ssh and names", "tcp/22, udp/53"},
		{"OPEN_PORTS", "tcp/22 # ssh, udp/53 # names", "tcp/22, udp/53"},
		{"OPEN_PORTS", "tcp/22 # ssh, names", ""},
		{"RESTRICT_PORTS", "tcp/25 # no mail", "tcp/25"},
		{"DESTINATION", "192.0.2.1 # us", "192.0.2.1"},
		{"DESTINATION", "192.0.2.0/24, 198.51.100.0/255.255.255.0 # us", "192.0.2.0/24, 198.51.100.0/255.255.255.0"},
		{"DESTINATION", "ANY # us", ""},
		{"FW_ACCESS_TIMEOUT", "60 # a minute", "60"},
		{"MAX_FW_TIMEOUT", "600# ten", "600"},
		{"ENABLE_CMD_EXEC", "Y # for ops", "Y"},
		{"ENABLE_CMD_EXEC", "N # not yet", "N"},
		{"ENABLE_CMD_EXEC", "# not yet", ""},
		{"REQUIRE_SOURCE_ADDRESS", "Y # always", "Y"},
		{"FORCE_NAT", "192.0.2.1 22 # inside", "192.0.2.1 22"},
		{"ACCESS_EXPIRE", "01/02/2035 # contract ends", "01/02/2035"},
		{"ACCESS_EXPIRE_EPOCH", "2051226061 # contract ends", "2051226061"},
		{"HMAC_DIGEST_TYPE", "sha512 # strong", ""},
		{"ENCRYPTION_MODE", "CBC # usual", ""},
		{"HMAC_KEY_BASE64", "c2l4dGVlbiBsZXR0ZXJzIQ== # alice", ""},
		{"HMAC_KEY", "another # long one", "another # long one"},
		{"HMAC_KEY", "another#long#one", "another#long#one"},
		{"REQUIRE_USERNAME", "alice # at home", "alice # at home"},
		{"CMD_REGEX", "^echo # .*$", "^echo # .*$"},
	} {
		_, _, a, problems := Load(Options{FS: memFS{"fwknopd.conf": "ENABLE_IPT_FORWARDING Y\n", "a": c26(tt.keyword + " " + tt.value)},
			Server: "fwknopd.conf", Access: "a"})
		switch {
		case tt.want == "" && !problems.Failed():
			t.Errorf("%s %s is taken", tt.keyword, tt.value)
		case tt.want != "" && problems.Failed():
			t.Errorf("%s %s: %v", tt.keyword, tt.value, problems)
		case tt.want != "":
			if got := a.Stanzas[0].Values.lookup(tt.keyword).Text; got != tt.want {
				t.Errorf("%s %s is %q, want %q", tt.keyword, tt.value, got, tt.want)
			}
		}
	}
}

// TestCommentAdvice: the problem of a value that cannot be followed by a comment names the
// remedy, and a comment that becomes part of the value is warned of.
func TestCommentAdvice(t *testing.T) {
	for line, want := range map[string]string{
		"DESTINATION ANY # us":            `a:3: DESTINATION: "ANY # us" is no address: ` + ownLine,
		"HMAC_DIGEST_TYPE md5 # old":      `a:3: HMAC_DIGEST_TYPE: "md5 # old" is not one of md5, sha1, sha256, sha384, sha512, sha3_256, sha3_512: ` + ownLine + " (did you mean md5?)",
		"HMAC_KEY_BASE64 c2l4dGVl # mine": "a:3: HMAC_KEY_BASE64: not base64: " + ownLine,
		"HMAC_KEY sesame street # mine":   "a:3: warning: HMAC_KEY: goes on to the end of the line, # and all: " + ownLine,
		"REQUIRE_USERNAME alice # mine":   "a:3: warning: REQUIRE_USERNAME: goes on to the end of the line, # and all: " + ownLine,
	} {
		_, _, _, problems := Load(Options{FS: memFS{"a": c26(line)}, Access: "a", Dialect: C26})
		if !strings.Contains(problems.Error(), strings.TrimSuffix(want, " (did you mean md5?)")) {
			t.Errorf("%s:\n%v\nwant\n%s", line, problems, want)
		}
	}
}

// TestCommentsInServerFiles: the same for fwknopd.conf.
func TestCommentsInServerFiles(t *testing.T) {
	_, v, problems := LoadServer(Options{FS: memFS{"fwknopd.conf": "MAX_SPA_PACKET_AGE 60 # a minute\nENABLE_IPT_FORWARDING Y # inside\n" +
		"SNAT_TRANSLATE_IP 192.0.2.1 # us\nPCAP_INTF lo # here\nVERBOSE 99\n"}, Server: "fwknopd.conf"})
	wantProblems(t, problems, "fwknopd.conf:4: warning: PCAP_INTF: goes on to the end of the line, # and all: a remark needs a line of its own")
	if got := v.lookup("MAX_SPA_PACKET_AGE").Text + v.lookup("ENABLE_IPT_FORWARDING").Text + v.lookup("SNAT_TRANSLATE_IP").Text + v.lookup("PCAP_INTF").Text; got != "60Y192.0.2.1lo # here" {
		t.Errorf("values %s", got)
	}
	_, _, problems = LoadServer(Options{FS: memFS{"fwknopd.conf": "SYSLOG_FACILITY LOG_LOCAL1 # x\nIPT_INPUT_ACCESS ACCEPT, filter, INPUT, 1, FWKNOP_INPUT, 1 # x\nVERBOSE -1 # x\n"}, Server: "fwknopd.conf"})
	for i, want := range []string{`SYSLOG_FACILITY: "LOG_LOCAL1 # x" is not one of`, "IPT_INPUT_ACCESS: ", "VERBOSE: -1 is out of range"} {
		if i >= len(problems) || !strings.Contains(problems[i].String(), want) {
			t.Errorf("problem %d of %v, want %s", i, problems, want)
		}
	}
}

// TestBehindTheSemicolon: what stands there is never lost without a word.
func TestBehindTheSemicolon(t *testing.T) {
	const list = "behind the semicolon is not read: commas separate the entries of a list"
	for _, tt := range []struct{ name, access, want string }{
		{"exception", "SOURCE ANY;!10.0.0.0/8\nKEY sixteen letters!\n", `a:1: SOURCE: "!10.0.0.0/8" ` + list},
		{"ports", c26("RESTRICT_PORTS tcp/22;tcp/23"), `a:3: RESTRICT_PORTS: "tcp/23" ` + list},
		{"ports and a remark", c26("RESTRICT_PORTS tcp/22; tcp/23 # mail"), `a:3: RESTRICT_PORTS: "tcp/23" ` + list},
		{"users", perl19("REQUIRE_USERNAME: alice; bob;"), `a:4: REQUIRE_USERNAME: "bob" ` + list},
		{"flag or list", c26("REQUIRE_SOURCE_ADDRESS N;Y"), `a:3: REQUIRE_SOURCE_ADDRESS: "Y" ` + list},
		{"two keywords on a line", perl19("FW_ACCESS_TIMEOUT: 30; REQUIRE_USERNAME: bob;"),
			"a:4: FW_ACCESS_TIMEOUT: REQUIRE_USERNAME stands behind the semicolon and is not read: each keyword needs a line of its own"},
		{"number", perl19("FW_ACCESS_TIMEOUT: 30;60"), `a:4: warning: FW_ACCESS_TIMEOUT: the value ends at the semicolon, "60" behind it is not read`},
		{"prose", perl19("REQUIRE_SOURCE_ADDRESS: Y; because of laptops"), `a:4: warning: REQUIRE_SOURCE_ADDRESS: the value ends at the semicolon, "because of laptops" behind it is not read`},
		{"key", c26("HMAC_KEY another one;for;alice"), "a:3: warning: HMAC_KEY: the value ends at the first semicolon of the line"},
		{"remark", perl19("FW_ACCESS_TIMEOUT: 30; # REQUIRE_USERNAME: bob;"), ""},
		{"semicolon in a remark of 2.6", c26("RESTRICT_PORTS tcp/22 # ssh; tcp/23 later"), ""},
		{"two semicolons", perl19("FW_ACCESS_TIMEOUT: 30;;"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, _, problems := Load(Options{FS: memFS{"a": tt.access}, Access: "a"})
			if tt.want == "" {
				wantProblems(t, problems)
				return
			}
			wantProblems(t, problems, tt.want)
		})
	}
}
