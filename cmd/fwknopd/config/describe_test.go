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
		{"prefixes", "MAX_GRANT_PREFIX 20/48;\n", c26("OPEN_PORTS tcp/22", "GRANT_PREFIX 20/64"), []string{
			"packets from anywhere", "an SPA message with the key (cbc)",
			"opens what the client asks for of tcp/22 for 30 seconds or as long as the client says, at most 300 seconds",
			"lets in the /20 of an IPv4 client (4096 addresses) and the /64 of an IPv6 client (2^64 addresses)"}},
		{"always", "", c26("OPEN_PORTS tcp/22", "ACCESS_WINDOW daily 00:00-24:00"), []string{
			"packets from anywhere", "an SPA message with the key (cbc)",
			"opens what the client asks for of tcp/22 for 30 seconds or as long as the client says, at most 300 seconds",
			"grants daily 00:00-24:00 UTC, which is at any time"}},
		{"wider than a site", "MAX_GRANT_PREFIX /32\n", c26("OPEN_PORTS tcp/22", "GRANT_PREFIX /40"), []string{
			"packets from anywhere", "an SPA message with the key (cbc)",
			"opens what the client asks for of tcp/22 for 30 seconds or as long as the client says, at most 300 seconds",
			"lets in the /40 of an IPv6 client (2^88 addresses), of one with 6to4 or a unique local address the /48"}},
		{"both addresses", "", c26("OPEN_PORTS tcp/22", "GRANT_ADDRESS both"), []string{
			"packets from anywhere", "an SPA message with the key (cbc)",
			"opens what the client asks for of tcp/22 for 30 seconds or as long as the client says, at most 300 seconds",
			"lets in the address in the message and the source of the packet"}},
		{"prefix of the packet", "MAX_GRANT_PREFIX 24/;\n", c26("OPEN_PORTS tcp/22", "GRANT_ADDRESS packet", "GRANT_PREFIX 24/"), []string{
			"packets from anywhere", "an SPA message with the key (cbc)",
			"opens what the client asks for of tcp/22 for 30 seconds or as long as the client says, at most 300 seconds",
			"lets in the source of the packet, with the /24 of an IPv4 client (256 addresses)"}},
		{"connections", "", c26("CLOSE_CONNECTIONS Y", "OPEN_PORTS tcp/22", "PERMIT_CLIENT_TIMEOUT N"), []string{
			"packets from anywhere", "an SPA message with the key (cbc)", "opens what the client asks for of tcp/22 for 30 seconds",
			"ends the connections through it at its end, but for those that another open grant lets in"}},
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
		{"one-time code", "", c26("OPEN_PORTS tcp/22", "PERMIT_CLIENT_TIMEOUT N", "REQUIRE_AUTH_METHOD totp", "TOTP_SECRET GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), []string{
			"packets from anywhere", "an SPA message with the key (cbc) and a one-time code (TOTP)", "opens what the client asks for of tcp/22 for 30 seconds"}},
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

func TestDescriptionsHoldNoSecrets(t *testing.T) {
	_, _, a := loadText(t, "", c26("HMAC_KEY another secret", "REQUIRE_AUTH_METHOD totp", "TOTP_SECRET GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "GPG_DECRYPT_ID ABCD1234", "GPG_DECRYPT_PW a third one", "GPG_REMOTE_ID ANY"))
	text := strings.Join(describeStanza(&a.Stanzas[0]), "\n")
	for _, secret := range []string{"sixteen letters!", "another secret", "a third one", "GEZD", "1234567890"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in %s", secret, text)
		}
	}
}
