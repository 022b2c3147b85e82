package main

import (
	"strings"
	"testing"

	"fwknopd/policy/spa"
)

// TestRCOf26 reads stanzas that fwknop 2.6.10 has saved.
func TestRCOf26(t *testing.T) {
	const file = "testdata/fwknoprc-2.6"
	r := newRunner(t)
	dryRun := func(args ...string) string {
		t.Helper()
		if code := r.run(t, append(args, "--rc-file", file, "-T")...); code != exitOK {
			t.Fatalf("%q: %s", args, r.stderr.String())
		}
		return r.stdout.String()
	}
	packet := func(out string) []byte { return []byte(strings.Split(out, "\n")[1]) }

	full := dryRun("-n", "full")
	k := theKey
	k.Mode, k.HMACType = "ctr", "sha512"
	m := open(t, packet(full), k)
	if m.Text != "192.0.2.7,tcp/4001" || m.NAT != "10.0.0.1,22" || m.Timeout != 60 || m.User != "bob" || m.DigestType != "sha1" || m.Time != clock.Unix()-60 || m.Type != spa.NATAccessTimeout {
		t.Errorf("full: %+v", m)
	}
	if !strings.Contains(full, "not sent to 127.0.0.1:1234 over tcp") {
		t.Error(full)
	}
	out := dryRun("-n", "base64", "-s")
	if m = open(t, packet(out), theKey); m.Text != "0.0.0.0,udp/53" || !strings.Contains(out, "over udpraw") {
		t.Errorf("base64: %+v %s", m, out)
	}
	out = dryRun("-n", "web", "-a", "192.0.2.7") // its -R would ask a server
	if m = open(t, packet(out), spa.Key{Passphrase: theKey.Passphrase}); m.NAT != "127.0.0.1,22" || m.Type != spa.LocalNATAccess {
		t.Errorf("web: %+v", m)
	}
	if strings.Contains(out, ":62201 ") || !strings.Contains(r.stderr.String(), "WGET_CMD has no effect") || !strings.Contains(r.stderr.String(), "USE_WGET_USER_AGENT has no effect") {
		t.Errorf("web: %s%s", out, r.stderr.String())
	}
	if code := r.run(t, "-n", "gpg", "-s", "--rc-file", file, "-T", "--gpg-exe", "/nonexistent/gpg"); code != exitError || !strings.Contains(r.stderr.String(), "/nonexistent/gpg") {
		t.Errorf("gpg: %d %s", code, r.stderr.String())
	}
}
