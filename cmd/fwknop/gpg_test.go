package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fwknopd/fixtures/gnupg"
	"fwknopd/fixtures/short"
	"fwknopd/policy/spa"
)

const gpgKeys = "../../fixtures/spa/keys/"

// keyOf returns the fingerprint of a key among the fixtures, and its passphrase.
func keyOf(t *testing.T, name string) (fingerprint, passphrase string) {
	t.Helper()
	data, err := os.ReadFile(gpgKeys + "keys.json")
	if err != nil {
		t.Fatal(err)
	}
	var keys map[string]struct{ Fpr, Pw string }
	if err := json.Unmarshal(data, &keys); err != nil || keys[name].Fpr == "" {
		t.Fatalf("%s: %v", name, err)
	}
	return keys[name].Fpr, keys[name].Pw
}

// openGPG opens a packet with the keys of the server as the server does.
func openGPG(t *testing.T, text []byte, hmacKey string, now time.Time) *spa.Message {
	t.Helper()
	var exports [][]byte
	for _, name := range []string{"server.sec.asc", "client.pub.asc", "clientpw.pub.asc"} {
		data, err := os.ReadFile(gpgKeys + name)
		if err != nil {
			t.Fatal(err)
		}
		exports = append(exports, data)
	}
	ring, err := spa.NewKeyring(exports, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	o, err := spa.NewGPGOpener(spa.GPGKey{Keyring: ring, Prefix: spa.DefaultGPGPrefix, RemoteIDs: []string{spa.AnyKey}, HMACKey: []byte(hmacKey)})
	if err != nil {
		t.Fatal(err)
	}
	m := new(spa.Message)
	if err := o.Open(text, now, m); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return m
}

// TestGPGKeyFiles: exported keys are enough, and a passphrase is asked for if one is
// needed.
func TestGPGKeyFiles(t *testing.T) {
	short.Skip(t)
	r := newRunner(t)
	server, _ := keyOf(t, "server")
	client, _ := keyOf(t, "client")
	locked, passphrase := keyOf(t, "clientpw")
	base := []string{"-D", "127.0.0.1", "-s", "-A", "tcp/22", "--gpg-key-file", gpgKeys + "server.pub.asc", "--gpg-recipient-key", server}
	m := openGPG(t, r.packet(t, append(base, "--gpg-key-file", gpgKeys+"client.sec.asc", "--gpg-signer-key", client, "--key-hmac", "hmactest1")...), "hmactest1", clock)
	if m.Text != "0.0.0.0,tcp/22" || m.Signer != client {
		t.Errorf("got %+v", m)
	}
	lockedArgs := append(base, "--gpg-key-file", gpgKeys+"clientpw.sec.asc", "--gpg-signer-key", locked)
	r.typed = map[string]string{"Passphrase of the signing key: ": passphrase}
	openGPG(t, r.packet(t, lockedArgs...), "", clock)
	r.typed = nil
	openGPG(t, r.packet(t, append(lockedArgs, "--key-rijndael", passphrase)...), "", clock)
	if code := r.run(t, append(lockedArgs, "--key-rijndael", "wrong")...); code != exitError || !strings.Contains(r.stderr.String(), spa.ErrLocked.Error()) {
		t.Errorf("%d %s", code, r.stderr.String())
	}
	if code := r.run(t, append(lockedArgs, "--gpg-no-signing-pw")...); code != exitError || !strings.Contains(r.stderr.String(), spa.ErrLocked.Error()) {
		t.Errorf("%d %s", code, r.stderr.String())
	}
	if code := r.run(t, "-D", "127.0.0.1", "-s", "-A", "tcp/22", "-g"); code != exitUsage || !strings.Contains(r.stderr.String(), "--gpg-recipient-key ID") {
		t.Errorf("%d %s", code, r.stderr.String())
	}
	r.rc(t, "[gw]\nUSE_GPG Y\nSPA_SERVER 127.0.0.1\nALLOW_IP source\nACCESS tcp/22\nGPG_RECIPIENT "+server+"\nGPG_SIGNER "+locked+
		"\nGPG_KEY_FILE "+gpgKeys+"server.pub.asc,"+gpgKeys+"clientpw.sec.asc\nGPG_SIGNING_PW "+passphrase+"\n")
	openGPG(t, r.packet(t, "-n", "gw"), "", clock)
}

// TestGPGProgram: gpg gets the message and the passphrase.
func TestGPGProgram(t *testing.T) {
	if _, err := exec.LookPath("gpg"); err != nil {
		t.Skip("there is no gpg")
	}
	dir := gnupg.Home(t, gpgKeys, "server.pub.asc", "client.sec.asc", "clientpw.sec.asc")
	r := newRunner(t)
	server, _ := keyOf(t, "server")
	client, _ := keyOf(t, "client")
	locked, passphrase := keyOf(t, "clientpw")
	base := []string{"-D", "127.0.0.1", "-s", "-A", "tcp/22", "--gpg-home-dir", dir, "--gpg-recipient-key", server}
	for _, args := range [][]string{
		{"--gpg-signer-key", client, "--gpg-no-signing-pw"},
		{"--gpg-signer-key", locked, "--key-rijndael", passphrase},
	} {
		text := r.packet(t, append(base, args...)...)
		if m := openGPG(t, text, "", time.Now()); m.Text != "0.0.0.0,tcp/22" {
			t.Errorf("got %+v", m)
		}
	}
	if code := r.run(t, append(base, "--gpg-exe", filepath.Join(dir, "none"))...); code != exitError || !strings.Contains(r.stderr.String(), "none") {
		t.Errorf("%d %s", code, r.stderr.String())
	}
	if code := r.run(t, append(base, "--gpg-signer-key", "stranger", "--gpg-no-signing-pw")...); code != exitError || !strings.Contains(r.stderr.String(), "stranger") {
		t.Errorf("%d %s", code, r.stderr.String())
	}
}
