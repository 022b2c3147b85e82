package keyring

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fwknopd/fixtures/jsonl"
	"fwknopd/policy/conf"
	"fwknopd/policy/spa"
)

type vector struct {
	Name       string `json:"name"`
	Wire       []byte `json:"wire_base64"`
	Encryption string `json:"encryption"`
	Clock      int64  `json:"clock"`
	HMAC       *struct {
		Key struct {
			Base64 []byte `json:"base64"`
		} `json:"key"`
		Type string `json:"type"`
	} `json:"hmac"`
	Server struct {
		C    string `json:"c_access"`
		Perl string `json:"perl_access"`
	} `json:"server"`
	Profile string `json:"profile"`
	Expect  string `json:"expect"`
}

func vectors(t testing.TB) (all []vector) {
	t.Helper()
	for _, v := range jsonl.Read[vector](t, "../../../fixtures/spa/vectors.jsonl") {
		if v.Encryption == "gpg" && v.Name != "c-gpg-to-rijndael-only-server" {
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		t.Fatal("no vectors with OpenPGP")
	}
	return all
}

// word returns the value of a keyword in a stanza of either syntax.
func (v *vector) word(key string) string {
	st := v.Server.C
	if v.Profile == "perl" {
		st = v.Server.Perl
	}
	for line := range strings.Lines(st) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.TrimSuffix(name, ":") == key {
			return strings.TrimSuffix(strings.TrimSpace(value), ";")
		}
	}
	return ""
}

// conf returns the OpenPGP part of the vector's stanza.
func (v *vector) conf() *conf.GPG {
	list := func(key string) []string {
		return strings.FieldsFunc(v.word(key), func(r rune) bool { return r == ',' })
	}
	return &conf.GPG{
		DecryptIDs: []string{v.word("GPG_DECRYPT_ID")}, DecryptPW: conf.NewSecret([]byte(v.word("GPG_DECRYPT_PW"))),
		RemoteIDs: list("GPG_REMOTE_ID"), Fingerprints: list("GPG_FINGERPRINT_ID"), Prefix: spa.DefaultGPGPrefix,
		DisableSig: v.word("GPG_DISABLE_SIG") == "Y", IgnoreSigErr: v.word("GPG_IGNORE_SIG_VERIFY_ERROR") == "Y",
		CheckTrust: v.Profile == "c",
	}
}

// opens reports whether the keyring returned by Load decrypts the packet.
func (v *vector) opens(t *testing.T, g *conf.GPG) bool {
	t.Helper()
	ring, err := Load(t.Context(), g)
	if ring == nil {
		t.Fatalf("%s: %v", v.Name, err)
	}
	if err != nil && !errors.Is(err, spa.ErrLocked) {
		t.Errorf("%s: %v", v.Name, err)
	}
	k := spa.GPGKey{Keyring: ring, Prefix: g.Prefix, RemoteIDs: g.RemoteIDs, Fingerprints: g.Fingerprints,
		DisableSig: g.DisableSig, IgnoreSigErr: g.IgnoreSigErr, Rules: spa.Rules{Perl19: v.Profile == "perl"}}
	if v.HMAC != nil {
		k.HMACKey, k.HMACType = v.HMAC.Key.Base64, v.HMAC.Type
	}
	o, err := spa.NewGPGOpener(k)
	if err != nil {
		t.Fatalf("%s: %v", v.Name, err)
	}
	err = o.Open(v.Wire, time.Unix(v.Clock, 0), new(spa.Message))
	return err == nil
}

// beyond are the vectors that the 2.6 server refuses and we accept: it compares only
// eight digits of an id with the signing subkey, and it cannot decode messages to ECC
// keys.
var beyond = []string{"c-gpg-remote-id-16hex", "c-gpg-signing-subkey-primary-id", "c-gpg-ecc-recipient"}

func (v *vector) want() bool { return v.Expect == "accept" || slices.Contains(beyond, v.Name) }

// TestHomes decrypts every OpenPGP vector with the GnuPG home its stanza names.
func TestHomes(t *testing.T) {
	server := newHome(t)
	server.importKeys("server*.sec.asc", "*.pub.asc")
	server.trust(server.fingerprints()...)
	untrusted := newHome(t)
	untrusted.importKeys("server*.sec.asc", "*.pub.asc")
	untrusted.trust("EC9A51595FA942380DEF9B45145A5482EF3434A2", "B180B6CEEC56EFA75DFFE375D95C07134F8731AC")
	homes := map[string]string{
		"$WORK/g_server":           server.dir,
		"$WORK/g_server_untrusted": untrusted.dir,
		"$WORK/g_p_server":         classicHome(t, []string{"server.pub.asc", "client.pub.asc", "stranger.pub.asc"}, []string{"server.sec.asc"}),
	}
	server.stop()
	for _, v := range vectors(t) {
		g := v.conf()
		if g.HomeDir = homes[v.word("GPG_HOME_DIR")]; g.HomeDir == "" {
			t.Fatalf("%s: home %s", v.Name, v.word("GPG_HOME_DIR"))
		}
		if got := v.opens(t, g); got != v.want() {
			t.Errorf("%s: opens: %v", v.Name, got)
		}
	}
	if server.agentRuns() {
		t.Error("an agent was left behind")
	}
}

// TestFiles does the same with exported files, which have no web of trust.
func TestFiles(t *testing.T) {
	files := keyFiles(t, "*.pub.asc", "server*.sec.asc")
	for _, v := range vectors(t) {
		g := v.conf()
		g.KeyFiles, g.Exe = files, "/nonexistent/gpg"
		want := v.want() || v.Name == "c-gpg-signer-untrusted"
		if got := v.opens(t, g); got != want {
			t.Errorf("%s: opens: %v", v.Name, got)
		}
	}
}

// TestAgentCacheDecidesNothing checks that a wrong GPG_DECRYPT_PW is refused even if the
// agent has cached the right passphrase.
func TestAgentCacheDecidesNothing(t *testing.T) {
	h := newHome(t)
	h.importKeys("serverpw.sec.asc", "client.pub.asc")
	secret := filepath.Join(h.dir, "m")
	h.gpg("hello", "--trust-model", "always", "-r", "E3246F99", "-o", secret, "-e")
	h.gpg("server-pass-1\n", "--pinentry-mode", "loopback", "--passphrase-fd", "0", "-d", secret)
	h.gpg("", "-d", secret) // the agent caches the passphrase
	g := &conf.GPG{HomeDir: h.dir, DecryptIDs: []string{"E3246F99"}, RemoteIDs: []string{"4F8731AC"}}
	for pw, want := range map[string]error{"server-pass-1": nil, "wrong": spa.ErrLocked, "": spa.ErrLocked} {
		g.DecryptPW = conf.NewSecret([]byte(pw))
		ring, err := Load(t.Context(), g)
		if ring == nil || !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", pw, err, want)
		}
	}
	if !h.agentRuns() {
		t.Error("an agent that is not ours was ended")
	}
}

func TestProblems(t *testing.T) {
	files := keyFiles(t, "server.sec.asc", "client.pub.asc")
	missing := filepath.Join(t.TempDir(), "none")
	for name, c := range map[string]struct {
		g    conf.GPG
		want error
		ring bool
	}{
		"nothing":          {conf.GPG{}, nil, false},
		"no file":          {conf.GPG{KeyFiles: []string{missing}}, os.ErrNotExist, false},
		"no home":          {conf.GPG{HomeDir: missing}, os.ErrNotExist, false},
		"not keys":         {conf.GPG{KeyFiles: keyFiles(t, "shadow")}, nil, false},
		"unknown key":      {conf.GPG{KeyFiles: files, DecryptIDs: []string{"00000000"}}, spa.ErrNoSecretKey, true},
		"no secret key":    {conf.GPG{KeyFiles: files, DecryptIDs: []string{"4F8731AC"}}, spa.ErrNoSecretKey, true},
		"unknown signer":   {conf.GPG{KeyFiles: files, RemoteIDs: []string{"00000000"}}, ErrNoSigner, true},
		"unknown print":    {conf.GPG{KeyFiles: files, Fingerprints: []string{strings.Repeat("0", 40)}}, ErrNoSigner, true},
		"locked":           {conf.GPG{KeyFiles: keyFiles(t, "serverpw.sec.asc"), DecryptPW: conf.NewSecret([]byte("wrong"))}, spa.ErrLocked, true},
		"no gpg":           {conf.GPG{HomeDir: t.TempDir(), Exe: missing, DecryptIDs: []string{"EF3434A2"}}, os.ErrNotExist, false},
		"no id for a home": {conf.GPG{HomeDir: t.TempDir()}, nil, false},
	} {
		ring, err := Load(t.Context(), &c.g)
		if err == nil || c.want != nil && !errors.Is(err, c.want) || (ring != nil) != c.ring {
			t.Errorf("%s: %v, %v", name, ring != nil, err)
		}
		if err != nil && strings.Contains(err.Error(), "wrong") {
			t.Errorf("%s: the error tells the passphrase: %v", name, err)
		}
	}
}

// TestHomeProblems checks the errors for missing keys.
func TestHomeProblems(t *testing.T) {
	h := newHome(t)
	h.importKeys("server.sec.asc", "client.pub.asc")
	for name, c := range map[string]struct {
		g    conf.GPG
		want error
	}{
		"unknown key":    {conf.GPG{DecryptIDs: []string{"00000000"}, RemoteIDs: []string{"4F8731AC"}}, spa.ErrNoSecretKey},
		"unknown signer": {conf.GPG{DecryptIDs: []string{"EF3434A2"}, RemoteIDs: []string{"00000000"}}, ErrNoSigner},
		"option as id":   {conf.GPG{DecryptIDs: []string{"--version"}, RemoteIDs: []string{"4F8731AC"}}, spa.ErrNoSecretKey},
		"any":            {conf.GPG{DecryptIDs: []string{"EF3434A2"}, RemoteIDs: []string{"ANY"}}, nil},
		"by user id":     {conf.GPG{DecryptIDs: []string{"server"}, RemoteIDs: []string{"ANY"}}, nil},
	} {
		c.g.HomeDir = h.dir
		ring, err := Load(t.Context(), &c.g)
		if ring == nil || !errors.Is(err, c.want) {
			t.Errorf("%s: %v, %v", name, ring != nil, err)
		}
	}
}

func TestLoadEndsInTime(t *testing.T) {
	slow := filepath.Join(t.TempDir(), "gpg")
	if err := os.WriteFile(slow, []byte("#!/bin/sh\nexec sleep 30\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := Load(ctx, &conf.GPG{HomeDir: t.TempDir(), Exe: slow, DecryptIDs: []string{"EF3434A2"}, RemoteIDs: []string{"ANY"}})
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 10*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

// TestPassphraseIsNoArgument runs a gpg that records its arguments.
func TestPassphraseIsNoArgument(t *testing.T) {
	dir := t.TempDir()
	spy, log := filepath.Join(dir, "gpg"), filepath.Join(dir, "log")
	script := "#!/bin/sh\nprintf '%s\\n' \"$*\" >> " + log + "\ncase \"$*\" in *--passphrase-fd*) cat <&3 > " + dir + "/fd;; esac\n"
	if err := os.WriteFile(spy, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, options := range []bool{false, true} {
		g := &conf.GPG{HomeDir: t.TempDir(), Exe: spy, UseOptions: options, DecryptIDs: []string{"EF3434A2"},
			DecryptPW: conf.NewSecret([]byte("open sesame")), RemoteIDs: []string{"4F8731AC"}}
		if _, err := Load(t.Context(), g); err == nil {
			t.Error("keys out of nothing")
		}
		args, err := os.ReadFile(log)
		if err != nil || len(args) == 0 || strings.Contains(string(args), "sesame") {
			t.Errorf("gpg was told %q, %v", args, err)
		}
		if strings.Contains(string(args), "--no-options") == options {
			t.Errorf("GPG_USE_OPTIONS %v: gpg was told %q", options, args)
		}
		if fd, err := os.ReadFile(filepath.Join(dir, "fd")); string(fd) != "open sesame\n" {
			t.Errorf("descriptor 3 held %q, %v", fd, err)
		}
		os.Remove(log)
	}
}

func TestIsClassic(t *testing.T) {
	dir := classicHome(t, []string{"server.pub.asc"}, []string{"server.sec.asc"})
	if !isClassic(dir) {
		t.Error("two rings are a classic home")
	}
	for _, later := range []string{migrated, keybox} {
		name := filepath.Join(dir, later)
		if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if isClassic(dir) {
			t.Errorf("with %s it is not", later)
		}
		os.Remove(name)
	}
}

// TestClassicRing reads a keyring written by gpg, with its trust packets between the
// keys.
func TestClassicRing(t *testing.T) {
	dir := classicHome(t, []string{"server.pub.asc"}, []string{"server.sec.asc"})
	ring := filepath.Join(dir, pubring)
	if err := os.Remove(ring); err != nil {
		t.Fatal(err)
	}
	files := keyFiles(t, "client.pub.asc", "clientsub.pub.asc", "server.pub.asc", "serverecc.pub.asc", "stranger.pub.asc")
	newHome(t).gpg("", append([]string{"--no-default-keyring", "--keyring", "gnupg-ring:" + ring, "--import"}, files...)...)
	data, err := os.ReadFile(ring)
	if err != nil || !bytes.Contains(data, []byte("gpg\x00")) {
		t.Fatalf("no trust packets in %d bytes, %v", len(data), err)
	}
	for _, v := range vectors(t) {
		if g := v.conf(); slices.Equal(g.DecryptIDs, []string{"EF3434A2"}) && v.Name != "c-gpg-signer-untrusted" {
			g.HomeDir, g.Exe = dir, "/nonexistent/gpg"
			if got := v.opens(t, g); got != v.want() {
				t.Errorf("%s: opens: %v", v.Name, got)
			}
		}
	}
}
