package config

import (
	"strings"
	"testing"

	"fwknopd/policy/conf"
)

// TestLintOfLogs: a sequence that a plain log feeds can be forged by local users.
func TestLintOfLogs(t *testing.T) {
	for server, want := range map[string]bool{
		"AUTH_MODE KNOCK;\n": true, "INGEST PCAP, KNOCK;\n": true, "AUTH_MODE KNOCK;\nENABLE_SYSLOG_FILE N;\n": true,
		"AUTH_MODE JOURNAL;\n": false, "AUTH_MODE KMSG;\n": false, "AUTH_MODE NFLOG;\n": false, "AUTH_MODE KNOCK;\nKERNEL_LOG Y;\n": true,
	} {
		s, v, a := loadText(t, server, "SOURCE: ANY;\nOPEN_PORTS: tcp/22;\nSHARED_SEQUENCE: tcp/1;\n")
		if got := strings.Contains(Lint(s, v, a).Error(), "any local user can"); got != want {
			t.Errorf("%q: warned %v", server, got)
		}
	}
}

func TestLint(t *testing.T) {
	const safe = "REQUIRE_SOURCE_ADDRESS Y\nHMAC_KEY something else\nOPEN_PORTS tcp/22\n"
	const group = "FLEET tls://nats.example.net:4222;\nFLEET_NAME gw1;\nFLEET_GROUP edge;\n"
	for _, tt := range []struct {
		name, server, access string
		want                 []string // keywords
	}{
		{"a good one", "", c26(safe), nil},
		{"any command", "", c26(safe, "ENABLE_CMD_EXEC Y"), []string{"access.conf:7 ENABLE_CMD_EXEC"}},
		{"loose expression", "", c26(safe, "ENABLE_CMD_EXEC Y", "CMD_REGEX ls"), []string{"access.conf:8 CMD_REGEX"}},
		{"tight expression in a shell", "", c26(safe, "ENABLE_CMD_EXEC Y", "CMD_REGEX ^ls$", "CMD_SHELL Y"), []string{"access.conf:9 CMD_SHELL"}},
		{"sequence in clear", "AUTH_MODE KNOCK;\n", "SOURCE: ANY;\nOPEN_PORTS: tcp/22;\nSHARED_SEQUENCE: tcp/1;\n", []string{"access.conf:3 SHARED_SEQUENCE"}},
		{"encrypted sequence", "AUTH_MODE PCAP, JOURNAL;\n", perl19("ENCRYPT_SEQUENCE;"), []string{"access.conf:4 ENCRYPT_SEQUENCE"}},
		{"source address", "", c26("HMAC_KEY something else", "OPEN_PORTS tcp/22"), []string{"access.conf:1 REQUIRE_SOURCE_ADDRESS"}},
		{"source address for all", "REQUIRE_SOURCE_ADDRESS Y;\n", c26("HMAC_KEY something else", "OPEN_PORTS tcp/22"), nil},
		{"source of the packet", "", c26("REQUIRE_SOURCE_ADDRESS N", "HMAC_KEY something else", "OPEN_PORTS tcp/22", "GRANT_ADDRESS packet"), []string{"access.conf:6 GRANT_ADDRESS"}},
		{"source of the packet, which is in the message", "", c26(safe, "GRANT_ADDRESS packet"), nil},
		{"both, which are one", "", c26(safe, "GRANT_ADDRESS both"), []string{"access.conf:7 GRANT_ADDRESS"}},
		{"no HMAC", "", c26("REQUIRE_SOURCE_ADDRESS Y", "OPEN_PORTS tcp/22"), []string{"access.conf:1 HMAC_KEY"}},
		{"old ciphers", "", c26(safe, "HMAC_DIGEST_TYPE md5", "ENCRYPTION_MODE ECB"), []string{"access.conf:7 HMAC_DIGEST_TYPE", "access.conf:8 ENCRYPTION_MODE"}},
		{"any port", "", c26("REQUIRE_SOURCE_ADDRESS Y", "HMAC_KEY something else"), []string{"access.conf:1 OPEN_PORTS"}},
		{"short ids", "", c26(safe, "GPG_DECRYPT_ID ABCD1234", "GPG_DECRYPT_PW x", "GPG_REMOTE_ID ABCD1234"), []string{"access.conf:9 GPG_REMOTE_ID"}},
		{"any signer, forged", "", c26(safe, "GPG_DECRYPT_ID ABCD1234", "GPG_DECRYPT_PW x", "GPG_REMOTE_ID ANY", "GPG_IGNORE_SIG_VERIFY_ERROR Y", "GPG_ALLOW_NO_MDC Y", "GPG_USE_OPTIONS Y"), []string{
			"access.conf:9 GPG_REMOTE_ID", "access.conf:10 GPG_IGNORE_SIG_VERIFY_ERROR", "access.conf:11 GPG_ALLOW_NO_MDC", "access.conf:12 GPG_USE_OPTIONS"}},
		{"client's time", "", perl19("REQUIRE_SOURCE_ADDRESS: Y;", "HMAC_KEY: something else;", "PERMIT_CLIENT_TIMEOUT;"), []string{"access.conf:1 MAX_FW_TIMEOUT"}},
		{"forwarding anywhere", "ENABLE_IPT_FORWARDING Y;\n", c26(safe), []string{"access.conf:1 INTERNAL_NET_ACCESS"}},
		{"forwarding anywhere, 1.9", "ENABLE_IPT_FORWARDING Y;\n", perl19("REQUIRE_SOURCE_ADDRESS: Y;", "HMAC_KEY: something else;", "ENABLE_FORWARD_ACCESS: Y;"), []string{"access.conf:1 INTERNAL_NET_ACCESS"}},
		{"forwarding to a network", "ENABLE_IPT_FORWARDING Y;\n", c26(safe, "INTERNAL_NET_ACCESS 10.0.0.0/24"), nil},
		{"forwarding to one host", "ENABLE_IPT_FORWARDING Y;\n", c26(safe, "FORCE_NAT 10.0.0.1 22"), nil},
		{"forwarding off", "", c26(safe), nil},
		{"uses", "", c26(safe, "NAME a", "ACCESS_USES 5"), nil},
		{"uses in memory", "FWKNOP_RUN_DIR /run/x;\n", c26(safe, "NAME a", "ACCESS_USES 5"), []string{"access.conf:8 ACCESS_USES"}},
		{"uses in memory, by day", "FWKNOP_LIB_DIR /var/run/x;\n", c26(safe, "NAME a", "ACCESS_USES 5/day UTC"), []string{"access.conf:8 ACCESS_USES"}},
		{"uses of 1.9", "FWKNOP_RUN_DIR /run/x;\nFWKNOP_LIB_DIR /srv/x;\n", c26(safe, "NAME a", "ACCESS_USES 5"), nil},
		{"forwarding, and a command opens", "ENABLE_IPT_FORWARDING Y;\n", c26(safe, "CMD_CYCLE_OPEN /bin/true", "CMD_CYCLE_CLOSE NONE"), nil},
		{"forward all", "ENABLE_IPT_FORWARDING Y;\n", c26(safe, "FORWARD_ALL Y", "FORCE_NAT 10.0.0.1 22"), []string{"access.conf:7 FORWARD_ALL"}},
		{"a window", "", c26(safe, "ACCESS_WINDOW Mon-Fri 08:00-18:00 UTC"), nil},
		{"a window that is always open", "", c26(safe, "ACCESS_WINDOW daily 00:00-24:00"), []string{"access.conf:7 ACCESS_WINDOW"}},
		{"windows that are always open", "", c26(safe, "ACCESS_WINDOW Mon-Fri 00:00-24:00 UTC", "ACCESS_WINDOW Sat,Sun 00:00-24:00"), []string{"access.conf:7 ACCESS_WINDOW"}},
		{"single addresses", "MAX_GRANT_PREFIX 32/128;\n", c26(safe), []string{"main.conf:1 MAX_GRANT_PREFIX"}},
		{"one family", "MAX_GRANT_PREFIX 32/64;\n", c26(safe), nil},
		{"server", "ENABLE_SPA_PACKET_AGING N;\nENABLE_DIGEST_PERSISTENCE N;\nENABLE_X_FORWARDED_FOR Y;\nKERNEL_LOG Y;\n", c26(safe), []string{
			"main.conf:1 ENABLE_SPA_PACKET_AGING", "main.conf:2 ENABLE_DIGEST_PERSISTENCE", "main.conf:3 ENABLE_X_FORWARDED_FOR", "main.conf:4 KERNEL_LOG"}},
		{"sequence that nothing is read for", "", "SOURCE: ANY;\nOPEN_PORTS: tcp/22;\nSHARED_SEQUENCE: tcp/1;\n", []string{"access.conf:3 SHARED_SEQUENCE", "access.conf:3 SHARED_SEQUENCE"}},
		{"encrypted sequence that nothing is read for", "AUTH_MODE PCAP;\nINGEST UDP, TCP;\n", perl19("DATA_COLLECT_MODE: ENCRYPT_SEQUENCE;"), []string{"access.conf:1 ENCRYPT_SEQUENCE", "access.conf:1 ENCRYPT_SEQUENCE"}},
		{"SPA beside a log", "AUTH_MODE KNOCK;\n", c26(safe), []string{"access.conf:1 SOURCE"}},
		{"all of it at once", "AUTH_MODE NFLOG;\n", c26(safe), nil},
		{"long age", "MAX_SPA_PACKET_AGE 3600;\n", c26(safe), []string{"main.conf:1 MAX_SPA_PACKET_AGE"}},
		{"a group", group, c26(safe), nil},
		{"a group, and an interface", group, c26(safe, "RESTRICT_INTF eth1"), []string{"main.conf:3 FLEET_GROUP"}},
		{"a group, and commands", group, c26(safe, "CMD_CYCLE_OPEN /bin/true", "CMD_CYCLE_CLOSE NONE"), []string{"main.conf:3 FLEET_GROUP"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, v, a := loadText(t, tt.server, tt.access)
			var got []string
			for _, p := range Lint(s, v, a) {
				got = append(got, p.Pos.String()+" "+p.Keyword)
				if isError := p.Keyword == "INTERNAL_NET_ACCESS"; (p.Severity == conf.Error) != isError {
					t.Errorf("%v has the severity %v", p, p.Severity)
				}
			}
			if g, w := strings.Join(got, "\n"), strings.Join(tt.want, "\n"); g != w {
				t.Errorf("\n%s\nwant\n%s", g, w)
			}
		})
	}
}

// TestDescribeFleet: check says with whom a message is honoured once, and what leaves the gateway.
func TestDescribeFleet(t *testing.T) {
	for server, want := range map[string]string{
		"": "",
		"FLEET tls://nats.example.net:4222;\nFLEET_NAME gw1;\n": "claims of gw1 at tls://nats.example.net:4222; without a quorum every message is refused",
		"FLEET tls://nats.example.net:4222;\nFLEET_NAME gw1;\nFLEET_GROUP edge;\nFLEET_EVENTS N;\nFLEET_ON_PARTITION local;\n": "claims of gw1 at tls://nats.example.net:4222; " +
			"opens together with the group edge; its events and what is open stay here (FLEET_EVENTS N); without a quorum each gateway decides by itself",
	} {
		s, _, _ := loadText(t, server, c26("OPEN_PORTS tcp/22"))
		if got := describeFleet(s); got != want {
			t.Errorf("%q", got)
		}
	}
}
