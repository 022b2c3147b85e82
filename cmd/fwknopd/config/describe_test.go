package config

import (
	"io/fs"
	"strings"
	"testing"

	"fwknopd/policy/conf"
)

// memory is a conf.FS of the two files.
type memory map[string]string

func (m memory) Read(name string) ([]byte, conf.FileInfo, error) {
	text, ok := m[name]
	if !ok {
		return nil, conf.FileInfo{}, fs.ErrNotExist
	}
	return []byte(text), conf.FileInfo{Regular: true, Perm: 0o600}, nil
}
func (memory) List(string) ([]string, error) { return nil, fs.ErrNotExist }
func (m memory) Exists(name string) bool     { return m[name] != "" }

// loadText loads one server text and one access text, which must be valid.
func loadText(t *testing.T, server, access string) (*conf.Server, *conf.Values, *conf.Access) {
	t.Helper()
	s, v, a, problems := conf.Load(conf.Options{FS: memory{"main.conf": server, "access.conf": access}, Server: "main.conf", Access: "access.conf"})
	if problems.Failed() {
		t.Fatal(problems)
	}
	return s, v, a
}

// perl19 returns a 1.9 stanza that is complete but for what lines add, c26 a 2.6 one.
func perl19(lines ...string) string {
	return "SOURCE: ANY;\nOPEN_PORTS: tcp/22;\nKEY: sixteen letters!;\n" + strings.Join(lines, "\n") + "\n"
}

func c26(lines ...string) string {
	return "SOURCE ANY\nKEY sixteen letters!\n" + strings.Join(lines, "\n") + "\n"
}

func TestWords(t *testing.T) {
	const forwarding = "ENABLE_IPT_FORWARDING Y;\n"
	for _, tt := range []struct {
		name, server, access string
		want                 []string
	}{
		{"1.9", "", perl19("REQUIRE_USERNAME: alice, bob;", "REQUIRE_SOURCE_ADDRESS: Y;"), []string{
			"packets from anywhere, user alice or bob",
			"an SPA message with the key (cbc), the address to open inside",
			"opens what the client asks for of tcp/22 for 300 seconds"}},
		{"2.6", "", "SOURCE 10.0.0.0/8, !10.1.2.3\nDESTINATION 192.0.2.1\nKEY sixteen letters!\nHMAC_KEY something else\nRESTRICT_PORTS tcp/25\nACCESS_EXPIRE_EPOCH 1999999999\n", []string{
			"packets from 10.0.0.0/8 except 10.1.2.3 to 192.0.2.1",
			"an SPA message with the key (cbc, HMAC sha256)",
			"opens any port the client asks for but never tcp/25 for 30 seconds or as long as the client says, at most 300 seconds",
			"ends on 2033-05-18T03:33:19Z"}},
		{"shared sequence", "", "SOURCE: 192.0.2.0/24;\nSHARED_SEQUENCE: tcp/1, udp/2;\nOPEN_PORTS: tcp/22;\nKNOCK_LIMIT: 3;\nMIN_TIME_DIFF: 1;\nMAX_TIME_DIFF: 9;\nREQUIRE_OS_REGEX: linux;\nFW_ACCESS_TIMEOUT: 1;\n", []string{
			"packets from 192.0.2.0/24",
			"who knocks tcp/1, udp/2, within 60 seconds, more than 1 second apart, less than 9 seconds apart, at most 3 times a source, from a system like linux",
			"opens tcp/22 for 1 second"}},
		{"encrypted sequence", "", perl19("ENCRYPT_SEQUENCE;", "KNOCK_INTERVAL: 0;", "REQUIRE_OS: Linux:2.4;"), []string{
			"packets from anywhere",
			"who knocks an encrypted sequence on ports 61000 to 61255, from Linux:2.4",
			"opens tcp/22 and the port in the sequence for 300 seconds"}},
		{"GnuPG", "", c26("GPG_DECRYPT_ID ABCD1234", "GPG_ALLOW_NO_PW Y", "GPG_REMOTE_ID 1234ABCD", "RESTRICT_INTF eth0", "SHADOW Y"), []string{
			"packets from anywhere on eth0",
			"an SPA message with the key (cbc) or OpenPGP signed by 1234ABCD",
			"opens any port the client asks for for 30 seconds or as long as the client says, at most 300 seconds",
			"only reports: nothing is opened or run"}},
		{"commands", "", perl19("DISABLE_FW_ACCESS;", "ENABLE_CMD_EXEC;", "CMD_REGEX: ^ls$;", "CMD_EXEC_USER: nobody;", "CMD_SHELL: Y;", "ENABLE_CMD_SUDO_EXEC: Y;"), []string{
			"packets from anywhere", "an SPA message with the key (cbc)", "opens nothing", "runs commands like ^ls$ as nobody through sudo in a shell"}},
		{"any command", "", perl19("ENABLE_CMD_EXEC;", "REQUIRE_AUTH_METHOD: crypt;"), []string{
			"packets from anywhere", "an SPA message with the key (cbc) and the user's password", "opens what the client asks for of tcp/22 for 300 seconds", "runs any command as root"}},
		{"external", "", perl19("EXTERNAL_CMD_OPEN: /bin/o;", "EXTERNAL_CMD_CLOSE: /bin/c;", "FW_ACCESS_TIMEOUT: 0;"), []string{
			"packets from anywhere", "an SPA message with the key (cbc)", "runs /bin/o for what the client asks for of tcp/22 for ever"}},
		{"cycle", "", c26("CMD_CYCLE_OPEN /bin/o", "CMD_CYCLE_CLOSE /bin/c", "CMD_CYCLE_TIMER 9"), []string{
			"packets from anywhere", "an SPA message with the key (cbc)", "runs /bin/o, and after 9 seconds /bin/c"}},
		{"forward", forwarding + "ENABLE_IPT_OUTPUT Y;\n", perl19("ENABLE_FORWARD_ACCESS;", "INTERNAL_NET_ACCESS: 10.0.0.0/8;", "ENABLE_OUTPUT_ACCESS;"), []string{
			"packets from anywhere", "an SPA message with the key (cbc)", "opens what the client asks for of tcp/22 for 300 seconds",
			"only to hosts behind this one, in 10.0.0.0/8", "opens the output chain as well"}},
		{"forced NAT", forwarding, c26("FORCE_NAT 10.0.0.5 22", "FORCE_SNAT 192.0.2.1", "OPEN_PORTS tcp/22"), []string{
			"packets from anywhere", "an SPA message with the key (cbc)",
			"opens what the client asks for of tcp/22 for 30 seconds or as long as the client says, at most 300 seconds", "translated to 10.0.0.5:22, coming from 192.0.2.1"}},
		{"forward all", forwarding, c26("FORWARD_ALL Y", "FORCE_MASQUERADE Y"), []string{
			"packets from anywhere", "an SPA message with the key (cbc)",
			"opens every port for 30 seconds or as long as the client says, at most 300 seconds", "masqueraded"}},
		{"forward all that is asked for", forwarding, c26("FORWARD_ALL Y", "OPEN_PORTS tcp/22"), []string{
			"packets from anywhere", "an SPA message with the key (cbc)",
			"opens what the client asks for of tcp/22 for 30 seconds or as long as the client says, at most 300 seconds",
			"with NAT: every port of the host the client names"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, a := loadText(t, tt.server, tt.access)
			if got, want := strings.Join(describeStanza(&a.Stanzas[0]), "\n"), strings.Join(tt.want, "\n"); got != want {
				t.Errorf("\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestWordsOfGPG(t *testing.T) {
	_, _, a := loadText(t, "", c26("GPG_DECRYPT_ID ABCD1234", "GPG_DECRYPT_PW x", "GPG_REMOTE_ID ANY", "HMAC_KEY something else", "HMAC_DIGEST_TYPE sha512"))
	if got, want := describeStanza(&a.Stanzas[0])[1], "an SPA message with the key (cbc, HMAC sha512) or OpenPGP signed by ANY (HMAC sha512)"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

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
		{"forwarding, and a command opens", "ENABLE_IPT_FORWARDING Y;\n", c26(safe, "CMD_CYCLE_OPEN /bin/true", "CMD_CYCLE_CLOSE NONE"), nil},
		{"forward all", "ENABLE_IPT_FORWARDING Y;\n", c26(safe, "FORWARD_ALL Y", "FORCE_NAT 10.0.0.1 22"), []string{"access.conf:7 FORWARD_ALL"}},
		{"server", "ENABLE_SPA_PACKET_AGING N;\nENABLE_DIGEST_PERSISTENCE N;\nENABLE_X_FORWARDED_FOR Y;\nKERNEL_LOG Y;\n", c26(safe), []string{
			"main.conf:1 ENABLE_SPA_PACKET_AGING", "main.conf:2 ENABLE_DIGEST_PERSISTENCE", "main.conf:3 ENABLE_X_FORWARDED_FOR", "main.conf:4 KERNEL_LOG"}},
		{"sequence that nothing is read for", "", "SOURCE: ANY;\nOPEN_PORTS: tcp/22;\nSHARED_SEQUENCE: tcp/1;\n", []string{"access.conf:3 SHARED_SEQUENCE", "access.conf:3 SHARED_SEQUENCE"}},
		{"encrypted sequence that nothing is read for", "AUTH_MODE PCAP;\nINGEST UDP, TCP;\n", perl19("DATA_COLLECT_MODE: ENCRYPT_SEQUENCE;"), []string{"access.conf:1 ENCRYPT_SEQUENCE", "access.conf:1 ENCRYPT_SEQUENCE"}},
		{"SPA beside a log", "AUTH_MODE KNOCK;\n", c26(safe), []string{"access.conf:1 SOURCE"}},
		{"all of it at once", "AUTH_MODE NFLOG;\n", c26(safe), nil},
		{"long age", "MAX_SPA_PACKET_AGE 3600;\n", c26(safe), []string{"main.conf:1 MAX_SPA_PACKET_AGE"}},
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

func TestDescriptionsHoldNoSecrets(t *testing.T) {
	_, _, a := loadText(t, "", c26("HMAC_KEY another secret", "GPG_DECRYPT_ID ABCD1234", "GPG_DECRYPT_PW a third one", "GPG_REMOTE_ID ANY"))
	text := strings.Join(describeStanza(&a.Stanzas[0]), "\n")
	for _, secret := range []string{"sixteen letters!", "another secret", "a third one"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in %s", secret, text)
		}
	}
}
