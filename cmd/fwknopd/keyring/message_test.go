package keyring

import (
	"encoding/base64"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fwknopd/policy/conf"
	"fwknopd/policy/spa"
)

// t0 is the time of all messages; keys are created a year earlier.
const (
	t0      = "20231114T221320!"
	yearAgo = "20221114T221320!"
)

var clock = time.Unix(1700000005, 0)

// plaintext returns an SPA message with its digest.
func plaintext(t testing.TB) string {
	t.Helper()
	p, err := spa.Plaintext(&spa.Message{User: "alice", Time: 1700000000, Version: "3.0.0", Type: spa.Access, Text: "10.77.0.2,tcp/22"}, "1234567890123456")
	if err != nil {
		t.Fatal(err)
	}
	return string(p)
}

// workshop is a home with many kinds of keys, all without a passphrase.
type workshop struct {
	*home
	fpr map[string]string
}

// generate creates a key, and an encryption subkey if sub is set.
func (w *workshop) generate(name, params string) {
	w.t.Helper()
	w.gpg("%no-protection\n"+params+"\nName-Real: "+name+"\n%commit\n", "--faked-system-time", yearAgo, "--gen-key")
	list := w.gpg("", "--with-colons", "--list-keys", "--", "="+name)
	for line := range strings.Lines(list) {
		if f := strings.Split(line, ":"); f[0] == "fpr" {
			w.fpr[name] = f[9]
			return
		}
	}
	w.t.Fatalf("no key %s: %s", name, list)
}

const signs = "Key-Usage: sign\n"

// allKeys are the parameters of the keys of TestMessages.
var allKeys = map[string]string{
	"curve":   "Key-Type: eddsa\nKey-Curve: ed25519\n" + signs + "Subkey-Type: ecdh\nSubkey-Curve: cv25519",
	"nist":    "Key-Type: ecdsa\nKey-Curve: nistp256\n" + signs + "Subkey-Type: ecdh\nSubkey-Curve: nistp256",
	"nist384": "Key-Type: ecdsa\nKey-Curve: nistp384\n" + signs + "Subkey-Type: ecdh\nSubkey-Curve: nistp384",
	"nist521": "Key-Type: ecdsa\nKey-Curve: nistp521\n" + signs + "Subkey-Type: ecdh\nSubkey-Curve: nistp521",
	"pool256": "Key-Type: ecdsa\nKey-Curve: brainpoolP256r1\n" + signs + "Subkey-Type: ecdh\nSubkey-Curve: brainpoolP256r1",
	"pool512": "Key-Type: ecdsa\nKey-Curve: brainpoolP512r1\n" + signs + "Subkey-Type: ecdh\nSubkey-Curve: brainpoolP512r1",
	"rsa":     "Key-Type: RSA\nKey-Length: 2048\n" + signs + "Subkey-Type: RSA\nSubkey-Length: 2048",
	"rsa1024": "Key-Type: RSA\nKey-Length: 1024\n" + signs + "Subkey-Type: RSA\nSubkey-Length: 1024",
	"dsa":     "Key-Type: DSA\nKey-Length: 2048\n" + signs + "Subkey-Type: ELG\nSubkey-Length: 1024",
	"dsa1024": "Key-Type: DSA\nKey-Length: 1024\n" + signs,
	"soon":    "Key-Type: eddsa\nKey-Curve: ed25519\n" + signs + "Expire-Date: 20231114T221321",
	"koblitz": "Key-Type: ecdsa\nKey-Curve: secp256k1\n" + signs,
	"other":   "Key-Type: eddsa\nKey-Curve: ed25519\n" + signs,
}

func newWorkshop(t testing.TB, keys map[string]string) *workshop {
	w := &workshop{newHome(t), map[string]string{}}
	for name, params := range keys {
		w.generate(name, params)
	}
	return w
}

// encrypt returns a message in base64 as a client sends it, without "=". Names of keys
// in args stand for their fingerprints.
func (w *workshop) encrypt(plain string, args ...string) string {
	w.t.Helper()
	args = slices.Clone(args)
	for i, a := range args {
		if f, ok := w.fpr[a]; ok {
			args[i] = f
		}
	}
	out := w.gpg(plain, slices.Concat([]string{"--faked-system-time", t0, "--trust-model", "always", "--no-options"}, oldCiphers(), args)...)
	return strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(out)), "=")
}

// oldCiphers returns the option that gpg 2.4 and later need to encrypt with a cipher of
// 64-bit blocks. Earlier versions do not have it.
var oldCiphers = sync.OnceValue(func() []string {
	const option = "--allow-old-cipher-algos"
	if known, err := exec.Command("gpg", "--dump-options").Output(); err != nil || !strings.Contains(string(known), option) {
		return nil
	}
	return []string{option}
})

// TestMessages lets gpg create messages that are accepted and messages that are not.
func TestMessages(t *testing.T) {
	w := newWorkshop(t, allKeys)
	plain := plaintext(t)
	for _, c := range []struct {
		name   string
		to     string   // our key
		signer string   // the listed one
		args   []string // of gpg
		change func(*spa.GPGKey)
		want   error
		rule   string // part of the error
	}{
		{name: "Curve25519", to: "curve", signer: "curve"},
		{name: "P-256", to: "nist", signer: "nist"},
		{name: "P-384", to: "nist384", signer: "nist384"},
		{name: "P-521", to: "nist521", signer: "nist521"},
		{name: "brainpool-256", to: "pool256", signer: "pool256"},
		{name: "brainpool-512", to: "pool512", signer: "pool512"},
		{name: "RSA-2048", to: "rsa", signer: "rsa"},
		{name: "ElGamal and DSA", to: "dsa", signer: "dsa"},
		{name: "RSA-1024 recipient", to: "rsa1024", signer: "rsa"},
		{name: "hidden recipient", to: "curve", signer: "rsa", args: []string{"-s", "-u", "rsa", "-e", "-R", "curve"}},
		{name: "two recipients", to: "curve", signer: "rsa", args: []string{"-s", "-u", "rsa", "-e", "-r", "nist", "-r", "curve"}},
		{name: "many recipients", to: "curve", signer: "rsa", args: []string{"-s", "-u", "rsa", "-e", "-r", "nist", "-r", "nist384", "-r", "nist521", "-r", "curve"}, want: spa.ErrDecrypt, rule: "recipients"},
		{name: "CAST5 and bzip2", to: "rsa", signer: "rsa", args: []string{"-s", "-u", "rsa", "-e", "-r", "rsa", "--cipher-algo", "CAST5", "--compress-algo", "bzip2"}},
		{name: "3DES and zlib", to: "rsa", signer: "rsa", args: []string{"-s", "-u", "rsa", "-e", "-r", "rsa", "--cipher-algo", "3DES", "--compress-algo", "zlib"}},
		{name: "text signature", to: "curve", signer: "rsa", args: []string{"-t", "-s", "-u", "rsa", "-e", "-r", "curve"}},

		{name: "for another key", to: "nist", signer: "rsa", args: []string{"-s", "-u", "rsa", "-e", "-r", "curve"}, want: spa.ErrDecrypt, rule: "another key"},
		{name: "not signed", to: "curve", signer: "rsa", args: []string{"-e", "-r", "curve"}, want: spa.ErrSigner, rule: "not signed"},
		{name: "not signed, need not be", to: "curve", signer: "rsa", args: []string{"-e", "-r", "curve"}, change: func(k *spa.GPGKey) { k.DisableSig = true }},
		{name: "signed by another, need not be", to: "curve", signer: "rsa", args: []string{"-s", "-u", "other", "-e", "-r", "curve"}, change: func(k *spa.GPGKey) { k.DisableSig = true }},
		{name: "signed by another", to: "curve", signer: "rsa", args: []string{"-s", "-u", "other", "-e", "-r", "curve"}, want: spa.ErrSigner, rule: "the signer is not in GPG_REMOTE_ID"},
		{name: "signed by anybody else", to: "curve", signer: "rsa", args: []string{"-s", "-u", "other", "-e", "-r", "curve"}, change: func(k *spa.GPGKey) { k.RemoteIDs = []string{"ANY"} }, want: spa.ErrSigner, rule: "key is not in the ring"},
		{name: "signed by a listed one without a key", to: "curve", signer: "rsa", args: []string{"-s", "-u", "other", "-e", "-r", "curve"}, change: func(k *spa.GPGKey) { k.RemoteIDs = append(k.RemoteIDs, w.fpr["other"]) }, want: spa.ErrSigner, rule: "the signer's key is not in the ring"},
		{name: "signed by another, and a listed one without a key", to: "curve", signer: "rsa", args: []string{"-s", "-u", "other", "-e", "-r", "curve"}, change: func(k *spa.GPGKey) { k.RemoteIDs = append(k.RemoteIDs, "0123456789ABCDEF") }, want: spa.ErrSigner, rule: "not in GPG_REMOTE_ID, or one whose key"},
		{name: "two signatures", to: "curve", signer: "rsa", args: []string{"-s", "-u", "other", "-u", "rsa", "-e", "-r", "curve"}, want: spa.ErrSigner, rule: "more than one"},
		{name: "expired since", to: "curve", signer: "soon", want: spa.ErrSigner, rule: "expired"},
		{name: "expired since, ignored", to: "curve", signer: "soon", change: func(k *spa.GPGKey) { k.IgnoreSigErr = true }},
		{name: "signature expired since", to: "curve", signer: "rsa", args: []string{"-s", "-u", "rsa", "-e", "-r", "curve", "--default-sig-expire", "20231114T221321"}, want: spa.ErrSigner, rule: "signature is expired"},

		{name: "SHA-1", to: "curve", signer: "rsa", args: []string{"-s", "-u", "rsa", "-e", "-r", "curve", "--digest-algo", "SHA1"}, want: spa.ErrSigner, rule: "weak"},
		{name: "SHA-1 allowed", to: "curve", signer: "rsa", args: []string{"-s", "-u", "rsa", "-e", "-r", "curve", "--digest-algo", "SHA1"}, change: func(k *spa.GPGKey) { k.AllowWeak = true }},
		{name: "RSA-1024", to: "curve", signer: "rsa1024", want: spa.ErrSigner, rule: "weak"},
		{name: "RSA-1024 allowed", to: "curve", signer: "rsa1024", change: func(k *spa.GPGKey) { k.AllowWeak = true }},
		{name: "DSA-1024", to: "curve", signer: "dsa1024", want: spa.ErrSigner, rule: "weak"},
		{name: "DSA-1024 allowed", to: "curve", signer: "dsa1024", change: func(k *spa.GPGKey) { k.AllowWeak = true }},
		{name: "secp256k1", to: "curve", signer: "koblitz", want: spa.ErrSigner, rule: "weak"},

		{name: "no integrity protection", to: "rsa", signer: "rsa", args: []string{"--rfc2440", "-s", "-u", "rsa", "-e", "-r", "rsa"}, want: spa.ErrDecrypt, rule: "integrity"},
		{name: "no integrity protection, allowed", to: "rsa", signer: "rsa", args: []string{"--rfc2440", "-s", "-u", "rsa", "-e", "-r", "rsa"}, change: func(k *spa.GPGKey) { k.AllowNoMDC = true }},
		{name: "signed but not encrypted", to: "curve", signer: "rsa", args: []string{"-s", "-u", "rsa"}, want: spa.ErrNotSPA},
		{name: "encrypted with a password", to: "curve", signer: "rsa", args: []string{"--pinentry-mode", "loopback", "--passphrase", "x", "-c"}, want: spa.ErrNotSPA},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := c.args
			if args == nil {
				args = []string{"-s", "-u", c.signer, "-e", "-r", c.to}
			}
			o := w.opener(t, c.to, c.signer, c.change)
			text := w.encrypt(plain, args...)
			for _, cut := range []int{0, 2} { // as gpg writes it, and as the 2.x client sends it
				m := new(spa.Message)
				err := o.Open([]byte(text[cut:]), clock, m)
				if !errors.Is(err, c.want) || c.want == nil && (err != nil || m.User != "alice") {
					t.Errorf("cut %d, %s: %v, want %v", cut, text[:8], err, c.want)
				}
				if err != nil && !strings.Contains(err.Error(), c.rule) {
					t.Errorf("cut %d: %q does not say %q", cut, err, c.rule)
				}
			}
		})
	}
}

// opener returns a key with the keyring of the home.
func (w *workshop) opener(t testing.TB, to, signer string, change func(*spa.GPGKey)) *spa.GPGOpener {
	t.Helper()
	ring, err := Load(t.Context(), &conf.GPG{HomeDir: w.dir, DecryptIDs: []string{w.fpr[to]}, RemoteIDs: []string{w.fpr[signer]}})
	if err != nil {
		t.Fatal(err)
	}
	k := spa.GPGKey{Keyring: ring, Prefix: spa.DefaultGPGPrefix, RemoteIDs: []string{w.fpr[signer]}}
	k.Perl19 = true // which also accepts messages that were not truncated
	if change != nil {
		change(&k)
	}
	o, err := spa.NewGPGOpener(k)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// roomFor is how many bytes may be allocated to open a message: enough for a valid one
// with a bzip2 block, but not for the content of a decompression bomb.
func roomFor(algo string) uint64 {
	if algo == "bzip2" {
		return 4 << 20
	}
	return 256 << 10
}

// TestBombs checks that decompression bombs are refused at little cost.
func TestBombs(t *testing.T) {
	w := newHome(t)
	w.importKeys("server.sec.asc", "client.sec.asc")
	shop := &workshop{w, map[string]string{"server": "EC9A51595FA942380DEF9B45145A5482EF3434A2", "client": "B180B6CEEC56EFA75DFFE375D95C07134F8731AC"}}
	o := shop.opener(t, "server", "client", nil)
	opened := 0
	for name, plain := range map[string]string{
		"zeros":      strings.Repeat("0", 20<<20),
		"long":       strings.Repeat("0", 2000),
		"nested":     plaintext(t) + strings.Repeat("\n", 1<<20),
		"a bit over": plaintext(t) + strings.Repeat(" ", 1500),
	} {
		for _, algo := range []string{"zip", "zlib", "bzip2"} {
			text := shop.encrypt(plain, "-s", "-u", "client", "-e", "-r", "server", "--compress-algo", algo)
			if len(text) > spa.MaxGPGText {
				continue
			}
			opened++
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if err := o.Open([]byte(text), clock, new(spa.Message)); err == nil {
				t.Errorf("%s, %s: opens", name, algo)
			}
			runtime.ReadMemStats(&after)
			if n := after.TotalAlloc - before.TotalAlloc; n > roomFor(algo) {
				t.Errorf("%s, %s: allocates %d bytes", name, algo, n)
			}
		}
	}
	if opened < 6 {
		t.Errorf("only %d fit into a packet", opened)
	}
}

// TestRevokedKey checks that a signature made before the revocation is refused too.
func TestRevokedKey(t *testing.T) {
	w := newWorkshop(t, map[string]string{"curve": allKeys["curve"], "other": allKeys["other"]})
	text := w.encrypt(plaintext(t), "-s", "-u", "other", "-e", "-r", "curve")
	if err := w.opener(t, "curve", "other", nil).Open([]byte(text), clock, new(spa.Message)); err != nil {
		t.Fatal(err)
	}
	rev, err := os.ReadFile(filepath.Join(w.dir, "openpgp-revocs.d", w.fpr["other"]+".rev"))
	if err != nil {
		t.Fatal(err)
	}
	w.gpg(strings.Replace(string(rev), ":-----BEGIN", "-----BEGIN", 1), "--import")
	err = w.opener(t, "curve", "other", nil).Open([]byte(text), clock, new(spa.Message))
	if !errors.Is(err, spa.ErrSigner) || !strings.Contains(err.Error(), "revoked") {
		t.Error(err)
	}
}
