package spa

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fwknopd/fixtures/jsonl"
)

const keyDir = "../../fixtures/spa/keys"

func exports(t testing.TB, globs ...string) (all [][]byte) {
	t.Helper()
	for _, g := range globs {
		files, err := filepath.Glob(filepath.Join(keyDir, g))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", g, len(files), err)
		}
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, data)
		}
	}
	return all
}

// stanzaWord is the value of a keyword in the text of a stanza of either syntax.
func stanzaWord(stanza, key string) string {
	for line := range strings.Lines(stanza) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.TrimSuffix(name, ":") == key {
			return strings.TrimSuffix(strings.TrimSpace(value), ";")
		}
	}
	return ""
}

func words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

// gpgKey is the OpenPGP side of the vector's stanza.
func (v *vector) gpgKey(t testing.TB) GPGKey {
	t.Helper()
	st := v.Server.CAccess
	if v.perl() {
		st = v.Server.PAccess
	}
	ring, err := NewKeyring(exports(t, "*.pub.asc", "server*.sec.asc"), []string{stanzaWord(st, "GPG_DECRYPT_ID")}, []byte(stanzaWord(st, "GPG_DECRYPT_PW")))
	if err != nil && !errors.Is(err, ErrLocked) {
		t.Fatal(err)
	}
	k := GPGKey{Keyring: ring, Prefix: DefaultGPGPrefix,
		RemoteIDs:    words(stanzaWord(st, "GPG_REMOTE_ID")),
		Fingerprints: words(stanzaWord(st, "GPG_FINGERPRINT_ID")),
		DisableSig:   stanzaWord(st, "GPG_DISABLE_SIG") == "Y",
		IgnoreSigErr: stanzaWord(st, "GPG_IGNORE_SIG_VERIFY_ERROR") == "Y",
	}
	k.Perl19 = v.perl()
	if v.HMAC != nil {
		k.HMACKey, k.HMACType = v.HMAC.Key.Base64, v.HMAC.Type
	}
	return k
}

// gpgRefusals are the vectors whose packet is refused, with the kind of error.
var gpgRefusals = map[string]error{
	"c-gpg-hmac-wrong":           ErrHMAC,
	"c-gpg-passphrase-wrong":     ErrDecrypt,
	"c-gpg-unsigned":             ErrSigner,
	"c-gpg-stranger-signed":      ErrSigner,
	"c-gpg-fingerprint-mismatch": ErrSigner,
	"p-gpg-stranger":             ErrSigner,
}

// gpgBeyond are the vectors that the 2.6 server refused for a reason we do not
// have: it compares eight digits of an id and only with the subkey that signed, it
// cannot decode messages to ECC keys, and exported files have no web of trust.
var gpgBeyond = []string{"c-gpg-remote-id-16hex", "c-gpg-signing-subkey-primary-id", "c-gpg-ecc-recipient", "c-gpg-signer-untrusted"}

// TestGPGVectors opens the OpenPGP packets of real clients with the exported keys.
func TestGPGVectors(t *testing.T) {
	seen := 0
	for _, v := range jsonl.Read[vector](t, vectorFile) {
		if v.Encryption != "gpg" || v.Name == "c-gpg-to-rijndael-only-server" { // its stanza has no OpenPGP part
			continue
		}
		want := gpgRefusals[v.Name]
		if want != nil {
			seen++
		}
		o := gpgOpener(t, v.gpgKey(t))
		m := new(Message)
		err := o.Open(v.Wire, time.Unix(v.Clock, 0), m)
		if !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%s: %v, want %v", v.Name, err, want)
		}
		if opens := v.Expect == "accept" || slices.Contains(gpgBeyond, v.Name); opens != (want == nil) {
			t.Errorf("%s: the table of refusals is wrong", v.Name)
		}
		if err == nil {
			v.compare(t, m)
			v.compareSigner(t, m.Signer)
		}
	}
	if seen != len(gpgRefusals) {
		t.Errorf("%d of the %d refusals are among the vectors", seen, len(gpgRefusals))
	}
}

// compareSigner: the key that signed is one of the signer's.
func (v *vector) compareSigner(t *testing.T, signer string) {
	t.Helper()
	if v.GPG.Signer == "" {
		if signer != "" {
			t.Errorf("%s: unsigned, but %s signed it", v.Name, signer)
		}
		return
	}
	keys, err := readKeys(exports(t, v.GPG.Signer+".pub.asc")[0])
	if err != nil || !slices.Contains(fingerprints(keys[0]), signer) {
		t.Errorf("%s: signed by %s, %v", v.Name, signer, err)
	}
}

// TestRijndaelIsNotGPG: no symmetric packet costs public-key work or is called
// anything but not ours.
func TestRijndaelIsNotGPG(t *testing.T) {
	k := GPGKey{Keyring: fixtureRing(t), Prefix: DefaultGPGPrefix, RemoteIDs: []string{AnyKey}, HMACKey: []byte("public hmac key")}
	o := gpgOpener(t, k)
	n := 0
	for _, v := range jsonl.Read[vector](t, vectorFile) {
		if v.Encryption == "rijndael" && len(v.Wire) >= minGPGText && len(v.Wire) <= MaxGPGText {
			n++
			if err := o.Gate(v.Wire); !errors.Is(err, ErrNotSPA) {
				t.Errorf("%s: %v", v.Name, err)
			}
		}
	}
	if n == 0 {
		t.Error("no vectors")
	}
}

func fixtureRing(t testing.TB) *Keyring {
	t.Helper()
	ring, err := NewKeyring(exports(t, "*.pub.asc", "server.sec.asc", "serverecc.sec.asc"), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func gpgOpener(t testing.TB, k GPGKey) *GPGOpener {
	t.Helper()
	o, err := NewGPGOpener(k)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func BenchmarkGPG(b *testing.B) {
	for _, v := range jsonl.Read[vector](b, vectorFile) {
		if !slices.Contains([]string{"c-gpg-signed", "c-gpg-ecc-recipient", "c-gpg-signed-hmac-sha256", "c-gpg-hmac-wrong"}, v.Name) {
			continue
		}
		b.Run(v.Name, func(b *testing.B) {
			o, m, now := gpgOpener(b, v.gpgKey(b)), new(Message), time.Unix(v.Clock, 0)
			b.ReportAllocs()
			for b.Loop() {
				if err := o.Open(v.Wire, now, m); err != nil && !errors.Is(err, ErrHMAC) {
					b.Fatal(err)
				}
			}
		})
	}
	o, text := gpgOpener(b, GPGKey{Keyring: fixtureRing(b), Prefix: DefaultGPGPrefix, RemoteIDs: []string{AnyKey}}), wire(b, sample(), plainKey)
	b.Run("rijndael", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = o.Gate(text)
		}
	})
}
