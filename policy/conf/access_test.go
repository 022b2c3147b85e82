package conf

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestStanzaProblems: what single lines cannot show, in both syntaxes.
func TestStanzaProblems(t *testing.T) {
	const forwarding = "ENABLE_IPT_FORWARDING Y;\n"
	for _, tt := range []struct {
		name, server, access string
		want                 []string
	}{
		{"1.9: what may be opened", "", "SOURCE: ANY;\nKEY: sixteen letters!;\n", []string{
			"access.conf:1: OPEN_PORTS: is missing, and there is neither PERMIT_CLIENT_PORTS nor an external command"}},
		{"2.6: anything may be opened", "", "SOURCE ANY\nKEY sixteen letters!\n", nil},
		{"no key", "", "SOURCE ANY\n", []string{"access.conf:1: KEY: is missing, and there is no complete GnuPG configuration either"}},
		{"shared sequence needs no key", "", "SOURCE: ANY;\nOPEN_PORTS: tcp/22;\nSHARED_SEQUENCE: tcp/1, udp/2;\n", nil},
		{"shared sequence without ports", "", "SOURCE: ANY;\nPERMIT_CLIENT_PORTS;\nSHARED_SEQUENCE: tcp/1;\n", []string{
			"access.conf:1: OPEN_PORTS: is missing, SHARED_SEQUENCE needs it"}},
		{"encrypted sequence without ports", "", "SOURCE: ANY;\nENCRYPT_SEQUENCE;\nKEY: sixteen letters!;\n", nil},
		{"encrypted sequence without key", "", "SOURCE: ANY;\nENCRYPT_SEQUENCE;\nGPG_REMOTE_ID: ANY;\nGPG_DECRYPT_ID: 1;\nGPG_DECRYPT_PW: x;\nOPEN_PORTS: tcp/22;\n", []string{
			"access.conf:1: KEY: is missing, ENCRYPT_SEQUENCE needs it"}},
		{"two modes", "", perl19("ENCRYPT_SEQUENCE;", "SHARED_SEQUENCE: tcp/1;"), []string{
			"access.conf:4: ENCRYPT_SEQUENCE: does not go with another mode in the same stanza"}},
		{"mode without sequence", "", perl19("DATA_COLLECT_MODE: SHARED_SEQUENCE;"), []string{
			"access.conf:4: SHARED_SEQUENCE: is missing, DATA_COLLECT_MODE asks for it"}},
		{"two keys", "", c26("KEY_BASE64 c2l4dGVlbiBsZXR0ZXJzIQ=="), []string{
			"access.conf:3: KEY_BASE64: does not go with KEY in the same stanza"}},
		{"equal keys in two spellings", "", c26("HMAC_KEY_BASE64 c2l4dGVlbiBsZXR0ZXJzIQ=="), []string{
			"access.conf:3: HMAC_KEY_BASE64: is the same key as KEY"}},
		{"a key in base64 as text", "", c26("HMAC_KEY c2l4dGVlbiBsZXR0ZXJzIQ"), []string{
			"access.conf:3: warning: HMAC_KEY: is KEY in another spelling: take a key of its own"}},
		{"HMAC key and passphrase", "", c26("GPG_DECRYPT_ID ABCD1234", "GPG_DECRYPT_PW same-pass-12", "HMAC_KEY same-pass-12", "GPG_REMOTE_ID ANY"), []string{
			"access.conf:5: HMAC_KEY: is the same key as GPG_DECRYPT_PW"}},
		{"HMAC key and passphrase without id", "", c26("GPG_DECRYPT_PW same-pass-12", "HMAC_KEY_BASE64 c2FtZS1wYXNzLTEy", "GPG_REMOTE_ID ANY"), []string{
			"access.conf:1: GPG_DECRYPT_ID: is missing, GnuPG needs a key to decrypt with",
			"access.conf:4: HMAC_KEY_BASE64: is the same key as GPG_DECRYPT_PW"}},
		{"group of a user", "", c26("CMD_EXEC_GROUP nobody", "CMD_SUDO_EXEC_GROUP root"), nil},
		{"placeholders in any letters", "", "SOURCE ANY\nKEY __changeme__\nHMAC_KEY __ChangeMe__\nSOURCE ANY\nKEY changeme\nHMAC_KEY Le_Changement_12\nSOURCE ANY\nKEY xCHANGEMEx\n", []string{
			"access.conf:2: KEY: still the placeholder of the shipped file", "access.conf:3: HMAC_KEY: still the placeholder of the shipped file",
			"access.conf:5: KEY: still the placeholder of the shipped file", "access.conf:8: KEY: still the placeholder of the shipped file"}},
		{"masks that cover nothing", "", strings.Replace(c26("DESTINATION 0.0.0.0/0, 2001:db8::/0", "REQUIRE_SOURCE_ADDRESS !10.0.0.0/0.0.0.0"), "ANY", "10.0.0.0/0, 192.0.2.0/24", 1), []string{
			"access.conf:1: warning: SOURCE: 10.0.0.0/0 is every address, for its mask covers nothing; write ANY, or the mask that is meant",
			"access.conf:3: warning: DESTINATION: 2001:db8::/0 is every address, for its mask covers nothing; write ANY, or the mask that is meant",
			"access.conf:4: warning: REQUIRE_SOURCE_ADDRESS: !10.0.0.0/0.0.0.0 is every address, for its mask covers nothing; write ANY, or the mask that is meant"}},
		{"empty entry", "", c26("REQUIRE_USERNAME alice,,bob", "RESTRICT_PORTS tcp/22,"), []string{
			"access.conf:3: REQUIRE_USERNAME: empty entry in the list", "access.conf:4: RESTRICT_PORTS: empty entry in the list"}},
		{"short HMAC key as text", "", c26("HMAC_KEY short"), []string{
			"access.conf:3: warning: HMAC_KEY: a key of 5 bytes can be guessed from one recorded packet: put the HMAC_KEY_BASE64 line of `fwknopd --key-gen` here and at the client"}},
		{"short HMAC key of a generator", "", c26("HMAC_KEY_BASE64 c2hvcnQ="), []string{
			"access.conf:3: warning: HMAC_KEY_BASE64: a key of 5 bytes can be guessed from one recorded packet: put the HMAC_KEY_BASE64 line of `fwknopd --key-gen` here and at the client"}},
		{"digest without key", "", c26("HMAC_DIGEST_TYPE sha512"), []string{
			"access.conf:3: warning: HMAC_DIGEST_TYPE: has no effect without HMAC_KEY"}},
		{"forwarding off", "", perl19("ENABLE_FORWARD_ACCESS;"), []string{
			"access.conf:4: ENABLE_FORWARD_ACCESS: needs ENABLE_IPT_FORWARDING Y in fwknop.conf"}},
		{"forwarding on", forwarding, perl19("ENABLE_FORWARD_ACCESS;"), nil},
		{"forward access N", "", perl19("ENABLE_FORWARD_ACCESS: N;"), nil},
		{"output off", "", perl19("ENABLE_OUTPUT_ACCESS: Y;"), []string{
			"access.conf:4: warning: ENABLE_OUTPUT_ACCESS: has no effect without ENABLE_IPT_OUTPUT Y in fwknop.conf"}},
		{"NAT off", "", c26("FORCE_NAT 192.0.2.1 22"), []string{
			"access.conf:3: FORCE_NAT: needs ENABLE_IPT_FORWARDING Y or ENABLE_IPT_LOCAL_NAT Y in fwknop.conf"}},
		{"local NAT will do", "ENABLE_IPT_LOCAL_NAT Y;\n", c26("FORCE_NAT 192.0.2.1 22"), nil},
		{"SNAT of nothing", forwarding, c26("FORCE_SNAT 192.0.2.1"), []string{"access.conf:3: FORCE_SNAT: needs FORCE_NAT or FORWARD_ALL"}},
		{"SNAT and masquerading", forwarding, c26("FORWARD_ALL Y", "FORCE_SNAT 192.0.2.1", "FORCE_MASQUERADE Y"), []string{
			"access.conf:5: FORCE_MASQUERADE: does not go with FORCE_SNAT"}},
		{"masquerading N", forwarding, c26("FORCE_MASQUERADE N"), nil},
		{"open without close", "", perl19("EXTERNAL_CMD_OPEN: /bin/a;"), []string{"access.conf:4: EXTERNAL_CMD_CLOSE: is missing, EXTERNAL_CMD_OPEN needs it"}},
		{"external commands of nobody", "", perl19("ENABLE_EXTERNAL_CMDS: Y;"), []string{"access.conf:4: EXTERNAL_CMD_OPEN: is missing here and in fwknop.conf"}},
		{"no firewall but commands, and none", "FIREWALL_TYPE external_cmd;\n", perl19(), []string{"access.conf:1: EXTERNAL_CMD_OPEN: is missing here and in fwknop.conf"}},
		{"cycle without close", "", c26("CMD_CYCLE_OPEN /a"), []string{"access.conf:3: CMD_CYCLE_CLOSE: is missing, CMD_CYCLE_OPEN needs it (NONE for no command)"}},
		{"cycle without timer", "", c26("CMD_CYCLE_OPEN /a", "CMD_CYCLE_CLOSE /b"), []string{"access.conf:4: CMD_CYCLE_TIMER: is missing, CMD_CYCLE_CLOSE needs it"}},
		{"timer alone", "", c26("CMD_CYCLE_TIMER 3"), []string{"access.conf:3: CMD_CYCLE_OPEN: is missing, CMD_CYCLE_TIMER needs it"}},
		{"unknown account", "", c26("CMD_SUDO_EXEC_USER nosuch", "CMD_SUDO_EXEC_GROUP nosuch"), []string{
			`access.conf:3: CMD_SUDO_EXEC_USER: this host has no user "nosuch"`, `access.conf:4: CMD_SUDO_EXEC_GROUP: this host has neither a group nor a user "nosuch"`}},
		{"GnuPG without signer", "", c26("GPG_DECRYPT_ID ABCD1234", "GPG_DECRYPT_PW x"), []string{
			"access.conf:1: GPG_REMOTE_ID: is missing: signatures are required, but of whom"}},
		{"GnuPG with fingerprints", "", c26("GPG_DECRYPT_ID ABCD1234", "GPG_ALLOW_NO_PW Y", "GPG_FINGERPRINT_ID "+strings.Repeat("AB", 20)), nil},
		{"GnuPG without passphrase", "", perl19("GPG_REMOTE_ID: ABCD1234;", "GPG_DECRYPT_ID: ABCD1234;"), []string{
			"access.conf:1: GPG_DECRYPT_PW: is missing; a key without one needs GPG_ALLOW_NO_PW"}},
		{"GnuPG with key files alone", "", c26("GPG_KEY_FILE server.sec", "GPG_ALLOW_NO_PW Y", "GPG_REMOTE_ID ANY"), nil},
		{"GnuPG program missing", "", c26("GPG_EXE /nonexistent"), []string{
			"access.conf:3: GPG_EXE: not usable as a program: no such program",
			"access.conf:3: warning: GPG_EXE: has no effect: the stanza has no key for GnuPG"}},
		{"GnuPG options without key", "", c26("GPG_REQUIRE_SIG Y", "GPG_IGNORE_SIG_VERIFY_ERROR N"), []string{
			"access.conf:3: warning: GPG_REQUIRE_SIG: has no effect: the stanza has no key for GnuPG",
			"access.conf:4: warning: GPG_IGNORE_SIG_VERIFY_ERROR: has no effect: the stanza has no key for GnuPG"}},
		{"time between knocks", "", "SOURCE: ANY;\nOPEN_PORTS: tcp/22;\nSHARED_SEQUENCE: tcp/1;\nMAX_TIME_DIFF: 2;\nMIN_TIME_DIFF: 9;\n", []string{
			"access.conf:4: MAX_TIME_DIFF: is below MIN_TIME_DIFF"}},
		{"connections of commands", "", c26("CLOSE_CONNECTIONS Y", "EXTERNAL_CMD_OPEN /bin/true", "EXTERNAL_CMD_CLOSE /bin/true"),
			[]string{"access.conf:3: warning: CLOSE_CONNECTIONS: has no effect: the stanza opens by commands, and what they let in is not known"}},
		{"knock keyword in SPA", "", perl19("KNOCK_LIMIT: 3;"), []string{"access.conf:4: warning: KNOCK_LIMIT: is for knock sequences and has no effect in this stanza"}},
		{"for ever, 1.9", "", perl19("FW_ACCESS_TIMEOUT: 0;"), []string{"access.conf:4: warning: FW_ACCESS_TIMEOUT: 0 opens for ever"}},
		{"for ever, 2.6", "", c26("FW_ACCESS_TIMEOUT 0"), []string{"access.conf:3: warning: FW_ACCESS_TIMEOUT: 0 means the default of 30 seconds in 2.6 files"}},
		{"no cap", "", c26("MAX_FW_TIMEOUT 0"), []string{"access.conf:3: warning: MAX_FW_TIMEOUT: 0 means 300 seconds"}},
		{"semicolon in a remark", "", "SOURCE: ANY;\nOPEN_PORTS: tcp/22; # a; b\nKEY: sixteen letters!; # a; b\n", []string{
			"access.conf:3: warning: KEY: the value goes on to the last semicolon of the line"}},
		{"semicolon in a key of 2.6", "", "SOURCE ANY\nKEY sixteen;letters!\nHMAC_KEY another one; # b\n", []string{
			"access.conf:2: warning: KEY: the value ends at the first semicolon of the line", "access.conf:2: warning: KEY: a key of 7 bytes can be guessed from one recorded packet: put the KEY_BASE64 line of `fwknopd --key-gen` here and at the client"}},
		{"short key, 1.9", "", "SOURCE: ANY;\nOPEN_PORTS: tcp/22;\nKEY: short;\n", []string{"access.conf:3: KEY: shorter than 8 characters"}},
		{"short key in base64", "", "SOURCE ANY\nKEY_BASE64 dGVzdA==\nHMAC_KEY something else\n", []string{
			"access.conf:2: warning: KEY_BASE64: a key of 4 bytes can be guessed from one recorded packet: put the KEY_BASE64 line of `fwknopd --key-gen` here and at the client"}},
		{"never used", "", perl19() + "SOURCE: !10.0.0.0/8;\nOPEN_PORTS: tcp/22;\nKEY: sixteen letters!;\n", []string{
			"access.conf:5: warning: SOURCE: includes no address, the stanza is never used"}},
		{"all excluded", "", strings.Replace(perl19(), "ANY", "10.0.0.0/8, ANY, !ANY", 1), []string{
			"access.conf:1: warning: SOURCE: excludes every address that it includes, the stanza is never used"}},
		{"some excluded", "", strings.Replace(perl19(), "ANY", "10.0.0.0/8, 11.0.0.0/8, !10.0.0.0/7, 172.16.0.0/12, !172.16.0.0/16", 1), nil},
		{"two IP versions", "", strings.Replace(c26("DESTINATION 2001:db8::1"), "ANY", "10.0.0.0/8", 1), []string{
			"access.conf:3: warning: DESTINATION: has no address of the IP version of SOURCE, the stanza is never used"}},
		{"no port is left", "", c26("OPEN_PORTS tcp/22,udp/53", "RESTRICT_PORTS udp/53,tcp/22"), []string{
			"access.conf:4: warning: RESTRICT_PORTS: has all of OPEN_PORTS: the stanza opens no port"}},
		{"a port is left", "", c26("OPEN_PORTS tcp/22,udp/53", "RESTRICT_PORTS udp/53"), nil},
		{"too slow for the interval", "", shared("MIN_TIME_DIFF: 10;", "KNOCK_INTERVAL: 20;"), []string{
			"access.conf:4: warning: MIN_TIME_DIFF: kept 2 times it takes all of KNOCK_INTERVAL: no sequence is in time"}},
		{"just in time", "", shared("MIN_TIME_DIFF: 9;", "KNOCK_INTERVAL: 20;"), nil},
		{"no time between", "", shared("MIN_TIME_DIFF: 5;", "MAX_TIME_DIFF: 5;"), []string{
			"access.conf:4: warning: MIN_TIME_DIFF: is MAX_TIME_DIFF: no time between two knocks is longer than the one and shorter than the other"}},
		{"nobody's address", "", strings.Replace(perl19(), "ANY", "0.0.0.0", 1), []string{
			"access.conf:1: warning: SOURCE: 0.0.0.0 is one address that no client has; write ANY for all"}},
		{"twice", "", perl19("KEY: another long one;"), []string{"access.conf:4: KEY: given twice, first in line 3"}},
		{"alias twice", "", perl19("FW_ACCESS_TIMEOUT: 3;", "MAX_ACCESS_TIMEOUT: 4;"), []string{
			"access.conf:5: MAX_ACCESS_TIMEOUT: is FW_ACCESS_TIMEOUT of line 4, with another value"}},
		{"ports add up in 1.9", "", perl19("OPEN_PORTS: udp/53;"), nil},
		{"ports do not add up in 2.6", "", c26("OPEN_PORTS tcp/22", "OPEN_PORTS udp/53"), []string{"access.conf:4: OPEN_PORTS: given twice, first in line 3"}},
		{"before the first SOURCE", "", "REQUIRE_USERNAME: a;\n" + perl19(), []string{
			"access.conf:1: warning: REQUIRE_USERNAME: stands before the first SOURCE and belongs to no stanza"}},
		{"nothing", "", "# nothing\n", []string{"access.conf: SOURCE: no stanza: a SOURCE line must begin one"}},
		{"keyword of the other file", "", perl19("PCAP_INTF: lo;"), []string{"access.conf:4: PCAP_INTF: unknown keyword here, it belongs into fwknop.conf"}},
		{"a wrong value is not a missing one", "", "SOURCE: ANY;\nOPEN_PORTS: x;\nKEY: __CHANGEME__;\n", []string{
			`access.conf:2: OPEN_PORTS: "x" is not proto/port`, "access.conf:3: KEY: still the placeholder of the shipped file"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, _, problems := loadText(tt.server, tt.access)
			wantProblems(t, problems, tt.want...)
		})
	}
}

// TestDialectDefaults: the same stanza means what its own daemon made of it.
func TestDialectDefaults(t *testing.T) {
	show := func(access string) string {
		t.Helper()
		_, _, a, problems := loadText("", access)
		if problems.Failed() {
			t.Fatal(problems)
		}
		s := a.Stanzas[0]
		return fmt.Sprint(s.AccessTimeout, s.MaxAccessTimeout > time.Hour, s.OpenPortsAny, s.PermitClientTimeout, s.Dialect)
	}
	if got, want := show(perl19()), "5m0s true false false 1.9"; got != want {
		t.Errorf("1.9: %s, want %s", got, want)
	}
	if got, want := show(c26()), "30s false true true 2.6"; got != want {
		t.Errorf("2.6: %s, want %s", got, want)
	}
	if got, want := show(c26("PERMIT_CLIENT_TIMEOUT N", "OPEN_PORTS tcp/22")), "30s false false false 2.6"; got != want {
		t.Errorf("2.6 with what it does not know: %s, want %s", got, want)
	}
}

func TestStanzaTypes(t *testing.T) {
	_, _, a, problems := Load(Options{
		FS: memFS{
			"fwknop.conf": "GPG_DEFAULT_HOME_DIR /srv/gpg;\nFIREWALL_TYPE external_cmd;\nEXTERNAL_CMD_OPEN /bin/o $SRC;\nEXTERNAL_CMD_CLOSE /bin/c;\nEXTERNAL_CMD_ALARM 7;\n",
			"d/access.conf": perl19("GPG_REMOTE_ID: 0xabcd1234;", "GPG_DECRYPT_ID: ABCD1234;", "GPG DECRYPT_PW: the passphrase;", "GPG_NO_REQUIRE_PREFIX;", "GPG_USE_OPTIONS;",
				"GPG_KEY_FILE: a.asc, /b.asc;", "SHADOW;", "REQUIRE_AUTH_METHOD: crypt;", "ACCESS_EXPIRE: 12/31/2031;", "ACCESS_EXPIRE_EPOCH: 1;", "REQUIRE_USERNAME: a, b;"),
			"d/a.asc": "",
		}, Server: "fwknop.conf", Access: "d/access.conf"})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	s := a.Stanzas[0]
	g := s.GPG
	for _, tt := range []struct{ name, got, want string }{
		{"remote", fmt.Sprint(g.RemoteIDs), "[ABCD1234]"},
		{"passphrase", string(g.DecryptPW.Bytes()), "the passphrase"},
		{"home", g.HomeDir, "/srv/gpg"},
		{"exe", g.Exe, "/usr/bin/gpg"},
		{"prefix", g.Prefix, ""},
		{"options", fmt.Sprint(g.UseOptions), "true"},
		{"key files are beside the file", fmt.Sprint(g.KeyFiles), "[d/a.asc /b.asc]"},
		{"shadow", fmt.Sprintf("%v %v %s", s.Shadow, s.AuthMethod, s.ShadowFile), "true crypt /etc/shadow"},
		{"the earlier end holds", s.Expires.String(), time.Unix(1, 0).UTC().String()},
		{"users", fmt.Sprint(s.Usernames), "[a b]"},
		{"commands of the server", fmt.Sprint(s.ExternalOpen, s.ExternalClose, s.ExternalTimeout), "/bin/o $SRC/bin/c7s"},
		{"vars", s.Vars["REQUIRE_USERNAME"] + s.Vars["KEY"] + s.Vars["GPG_DECRYPT_PW"], "a, b"},
		{"knock limits", fmt.Sprint(s.KnockLimit, s.MinTimeDiff, s.MaxTimeDiff), "-1 -1ns -1ns"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, tt.got, tt.want)
		}
	}
}

func TestExpireInLocalTime(t *testing.T) {
	o := Options{FS: memFS{"a": c26("ACCESS_EXPIRE 12/31/2031")}, Access: "a", Location: time.FixedZone("", 3600)}
	_, _, a, _ := Load(o)
	if got, want := a.Stanzas[0].Expires.UTC().Format(time.RFC3339), "2031-12-30T23:00:00Z"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestRequireOSRegexIgnoresCase(t *testing.T) {
	_, _, a, problems := loadText("", "SOURCE: ANY;\nOPEN_PORTS: tcp/22;\nSHARED_SEQUENCE: tcp/1;\nREQUIRE_OS_REGEX: *bsd|linux;\n")
	if problems.Failed() {
		t.Fatal(problems)
	}
	re := a.Stanzas[0].RequireOSRegex
	for os, want := range map[string]bool{"FreeBSD:5": true, "Linux:2.4": true, "Windows": false} {
		if re.MatchString(os) != want {
			t.Errorf("%s: %v, want %v", os, !want, want)
		}
	}
}

// TestTOTP: secrets as authenticators show them, and what does not make a second factor.
func TestTOTP(t *testing.T) {
	const secret = "TOTP_SECRET GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	const method = "REQUIRE_AUTH_METHOD totp"
	for _, tt := range []struct{ name, access, want string }{
		{"both", c26(method, secret), ""},
		{"capitals", c26("REQUIRE_AUTH_METHOD TOTP", secret), ""},
		{"groups", c26(method, "TOTP_SECRET gezd gnbv gy3t qojq gezd gnbv gy3t qojq"), ""},
		{"1.9", perl19("REQUIRE_AUTH_METHOD: totp;", "TOTP_SECRET: GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ;"), ""},
		{"padding", c26(method, "TOTP_SECRET GEZDGNBVGY3TQOJQGEZDGNBVGY======"), ""},
		{"no secret", c26(method), "access.conf:3: TOTP_SECRET: is missing, REQUIRE_AUTH_METHOD totp needs it"},
		{"no method", c26(secret), "access.conf:3: warning: TOTP_SECRET: has no effect without REQUIRE_AUTH_METHOD totp"},
		{"a file of passwords", c26("SHADOW_FILE /etc/shadow"), "access.conf:3: warning: SHADOW_FILE: has no effect without REQUIRE_AUTH_METHOD crypt"},
		{"another method", c26("REQUIRE_AUTH_METHOD crypt", secret), "access.conf:4: warning: TOTP_SECRET: has no effect without REQUIRE_AUTH_METHOD totp"},
		{"short", c26(method, "TOTP_SECRET GEZDGNBVGY3TQOJQ"), "access.conf:4: TOTP_SECRET: has 10 bytes, which can be guessed from a few codes: take one of 16 or more, 20 are usual"},
		{"a byte", c26(method, "TOTP_SECRET GE"), "access.conf:4: TOTP_SECRET: has 1 byte, which can be guessed from a few codes: take one of 16 or more, 20 are usual"},
		{"one too many", c26(method, "TOTP_SECRET GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQA"), "access.conf:4: TOTP_SECRET: not base32: no number of bytes has 33 characters, one is missing or too many"},
		{"no base32", c26(method, "TOTP_SECRET GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ1"), "access.conf:4: TOTP_SECRET: not base32"},
		{"padding alone", c26(method, "TOTP_SECRET ===="), "access.conf:4: TOTP_SECRET: not base32"},
		{"the key", c26(method, "HMAC_KEY 12345678901234567890", secret), "access.conf:5: TOTP_SECRET: is a key of the stanza: who has that has the codes too"},
		{"a sequence", "SOURCE: ANY;\nOPEN_PORTS: tcp/22;\nSHARED_SEQUENCE: tcp/1;\nREQUIRE_AUTH_METHOD: totp;\nTOTP_SECRET: GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ;\n",
			"access.conf:4: REQUIRE_AUTH_METHOD: is for SPA: a knock sequence holds neither password nor code"},
		{"a password in a sequence", "SOURCE: ANY;\nOPEN_PORTS: tcp/22;\nSHARED_SEQUENCE: tcp/1;\nREQUIRE_AUTH_METHOD: crypt;\n",
			"access.conf:4: REQUIRE_AUTH_METHOD: is for SPA: a knock sequence holds neither password nor code"},
		{"another word", c26("REQUIRE_AUTH_METHOD top"), "access.conf:3: REQUIRE_AUTH_METHOD: \"top\" is not one of crypt, totp (did you mean totp?)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, a, problems := loadText("", tt.access)
			var lines []string
			for _, p := range problems {
				lines = append(lines, p.String())
			}
			if got := strings.Join(lines, "\n"); got != tt.want {
				t.Fatalf("%s\nwant\n%s", got, tt.want)
			}
			if tt.want != "" {
				return
			}
			s := a.Stanzas[0]
			if got := string(s.TOTPSecret.Bytes()); s.AuthMethod != AuthTOTP || !strings.HasPrefix("12345678901234567890", got) || s.ShadowFile != "" {
				t.Errorf("%q %q %q", s.AuthMethod, got, s.ShadowFile)
			}
			if text := a.Format(true); strings.Contains(text, "GEZD") || strings.Contains(fmt.Sprintf("%+v %#v", s, s), "GEZD") {
				t.Errorf("the secret is in %s", text)
			}
		})
	}
}
