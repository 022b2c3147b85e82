package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"fwknopd/fixtures/gnupg"
	"fwknopd/fixtures/netlab"
	"fwknopd/policy/spa"
)

// spaKeys returns the directory of the exported keys.
func spaKeys(t testing.TB) string {
	t.Helper()
	keys, err := filepath.Abs("../../fixtures/spa/keys")
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// gpgHome creates a GnuPG home with exported keys.
func gpgHome(t testing.TB, names ...string) string {
	t.Helper()
	return gnupg.Home(t, spaKeys(t), names...)
}

// keyID returns the fingerprint of the first key in a home.
func keyID(t testing.TB, dir string, secret bool) string {
	t.Helper()
	list := "--list-keys"
	if secret {
		list = "--list-secret-keys"
	}
	out, err := exec.Command("gpg", "--homedir", dir, "--with-colons", list).Output()
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`fpr:+([0-9A-F]{40}):`).FindStringSubmatch(string(out))[1]
}

// clientHome creates the home of a client that trusts the server's key, and also returns
// the fingerprint of the client's key.
func clientHome(t testing.TB) (dir, signer string) {
	t.Helper()
	dir = gpgHome(t, "client.sec.asc", "server.pub.asc")
	gnupg.TrustAll(t, dir)
	return dir, keyID(t, dir, true)
}

// An OpenPGP message of the Debian client is decrypted with keys from exported files and
// from a GnuPG home that only root may read.
func TestE2EOpenPGP(t *testing.T) {
	t.Parallel()
	netlab.Need(t, "gpg", "fwknop")
	keys := spaKeys(t)
	client, signer := clientHome(t)
	server := gpgHome(t, "server.sec.asc", "client.pub.asc")
	recipient := keyID(t, server, true)
	const unknown = "0123456789ABCDEF"
	files := fmt.Sprintf("GPG_KEY_FILE %s/server.sec.asc\nGPG_KEY_FILE %s/client.pub.asc", keys, keys)
	for name, c := range map[string]struct{ where, ids string }{
		"home":                         {"GPG_HOME_DIR " + server, recipient},
		"files":                        {files, recipient},
		"home, the second of two ids":  {"GPG_HOME_DIR " + server, unknown + ", " + recipient},
		"files, the second of two ids": {files, unknown + " " + recipient},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, "nftables")
			s.configure("", fmt.Sprintf("SOURCE ANY\nOPEN_PORTS tcp/%d\n%s\nGPG_REQUIRE_SIG Y\nGPG_ALLOW_NO_PW Y\nGPG_DECRYPT_ID %s\nGPG_REMOTE_ID %s\nFW_ACCESS_TIMEOUT 60\n",
				e2ePort, c.where, c.ids, signer))
			if out, code := s.command(append([]string{"check"}, s.args()...)...); code != 0 || strings.Contains(out, unknown) != strings.Contains(c.ids, unknown) {
				t.Errorf("check: %d\n%s", code, out)
			}
			s.start()
			cmd := s.Client.Command("fwknop", append(ask(), "-D", s.Server.V4.String(), "-a", s.Client.V4.String(), "--no-save-args",
				"--gpg-recipient-key", recipient, "--gpg-signer-key", signer, "--gpg-home-dir", client, "--gpg-no-signing-pw")...)
			cmd.Env = append(os.Environ(), "HOME="+s.dir)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("fwknop: %v\n%s", err, out)
			}
			if !s.open() {
				t.Error("not open")
			}
		})
	}
}

// A message with a user's password, which only the monitor can verify.
func TestE2EPassword(t *testing.T) {
	t.Parallel()
	s := newSite(t, "nftables")
	const hash = "$6$abcdefgh$OZyKPqo4Gvn1xQgZjN0GfEVcDMoIlwQa5qBHcEQ5cQtFpbLnmHkvYmPf4yIGzTM0Yl7vXMVi2Q2aDIbx/TUwa."
	out, err := exec.Command("openssl", "passwd", "-6", "-salt", "abcdefgh", "the password").Output()
	if err != nil {
		t.Skip("needs openssl")
	}
	shadow := filepath.Join(s.dir, "shadow")
	s.write("shadow", "root:"+hash+":19000:0:99999:7:::\nalice:"+strings.TrimSpace(string(out))+":19000:0:99999:7:::\n")
	s.configure("EVENT_LOG "+filepath.Join(s.dir, "log", "events.jsonl")+";\n", stanza("REQUIRE_AUTH_METHOD crypt\nSHADOW_FILE "+shadow))
	s.start()
	send := func(user, password string) {
		p, err := spa.Encode(&spa.Message{User: user, Time: time.Now().Unix(), Version: "3.0.0", Type: spa.Access, ServerAuth: "crypt," + password,
			Text: fmt.Sprintf("%s,tcp/%d", s.Client.V4, e2ePort)}, packetKey(), spa.EncodeOptions{Rand: rand.Reader})
		if err != nil {
			t.Fatal(err)
		}
		post(t, s, p)
	}
	send("alice", "another password")
	s.waitFor("spa.auth_method")
	send("root", "the password")
	s.waitFor("user root: wrong password")
	if !s.shut() {
		t.Error("open without the password")
	}
	send("alice", "the password")
	if !s.open() {
		t.Error("not open")
	}
	junk, err := spa.Encode(&spa.Message{User: "alice", Time: time.Now().Unix(), Version: "3.0.0", Type: spa.Access, Text: "192.0.2.9,tcp/22"},
		spa.Key{Passphrase: []byte("of no stanza"), HMACKey: []byte("of no stanza"), HMACType: "sha256"}, spa.EncodeOptions{Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	post(t, s, junk)
	s.waitFor("spa.hmac_mismatch")
	s.countedByFail2ban()
}

// countedByFail2ban checks what the filter of the package counts in the event log: wrong
// passwords that were checked, and not what a forged packet can cause.
func (s *site) countedByFail2ban() {
	if _, err := exec.LookPath("fail2ban-regex"); err != nil {
		netlab.SkipOrFail(s.t, err.Error())
	}
	passwords := 0
	for line := range strings.Lines(s.events()) {
		if strings.Contains(line, `"event_type":"password"`) && !strings.Contains(line, `"error":`) {
			passwords++
		}
	}
	count := func(mode string) int {
		out, err := exec.Command("fail2ban-regex", "--out", "ip", filepath.Join(s.dir, "log", "events.jsonl"),
			"unit/integration/fail2ban/filter.d/fwknopd.conf[mode="+mode+"]").Output()
		if err != nil {
			s.t.Fatal(err)
		}
		return strings.Count(string(out), s.Client.V4.String())
	}
	if normal, tcp, all := count("normal"), count("tcp"), count("forgeable"); passwords == 0 || normal != passwords || tcp != passwords || all <= passwords {
		s.t.Errorf("counts %d, %d, %d of %d wrong passwords in\n%s", normal, tcp, all, passwords, s.events())
	}
}
