package spa

import (
	"bytes"
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"fwknopd/fixtures/jsonl"
)

// FuzzGPGOpen: no text panics, and every refusal is of one kind.
func FuzzGPGOpen(f *testing.F) {
	for _, v := range jsonl.Read[vector](f, vectorFile) {
		if v.Encryption == "gpg" {
			f.Add(v.Wire)
		}
	}
	plain := GPGKey{Keyring: fixtureRing(f), Prefix: DefaultGPGPrefix, RemoteIDs: []string{AnyKey}}
	hmac := plain
	hmac.HMACKey = []byte("public hmac key!")
	perl := plain
	perl.Perl19, perl.AllowNoMDC, perl.DisableSig = true, true, true
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, k := range []GPGKey{plain, hmac, perl} {
			o := gpgOpener(t, k)
			gate := o.Gate(text)
			err := o.Open(text, time.Unix(1700000005, 0), new(Message))
			if err != nil {
				oneKind(t, err)
			}
			if gate != nil && !errors.Is(err, gate) {
				t.Errorf("Gate says %v, Open %v", gate, err)
			}
			o.Recipients(text)
		}
	})
}

// FuzzGPGInner is about what a stranger can do who has our public key: any packets
// at all inside a sound encryption. Nothing unsigned gets out of it.
func FuzzGPGInner(f *testing.F) {
	ring := fixtureRing(f)
	to := ring.EntitiesById(0x8630A8A941BC3D39)[0].Subkeys[0].PublicKey // Curve25519: quick
	literal := func(body []byte) []byte { return literalPacket(f, body) }
	plain := withDigest(head+"1:"+access, "sha256")
	f.Add(literal(plain))
	f.Add(append(literal(plain), literal(plain)...))
	f.Add(literal(bytes.Repeat([]byte("x"), 3000)))
	f.Add([]byte{})
	signed := gpgOpener(f, GPGKey{Keyring: ring, Prefix: DefaultGPGPrefix, RemoteIDs: []string{AnyKey}})
	open := gpgOpener(f, GPGKey{Keyring: ring, Prefix: DefaultGPGPrefix, DisableSig: true})
	now := time.Unix(1700000005, 0)
	f.Fuzz(func(t *testing.T, inner []byte) {
		text := sealInner(t, to, inner)
		if len(text) > MaxGPGText {
			return
		}
		if err := signed.Open(text, now, new(Message)); err == nil {
			t.Error("a message that was not signed opens")
		} else {
			oneKind(t, err)
		}
		m := new(Message)
		if err := open.Open(text, now, m); err != nil {
			oneKind(t, err)
		} else {
			roundTrip(t, m, Rules{})
		}
	})
}

// TestStranger: our public key alone opens nothing, unless no signature is wanted.
func TestStranger(t *testing.T) {
	ring, now := fixtureRing(t), time.Unix(1700000005, 0)
	to := ring.EntitiesById(0x8630A8A941BC3D39)[0].Subkeys[0].PublicKey
	text := sealInner(t, to, literalPacket(t, withDigest(head+"1:"+access, "sha256")))
	k := GPGKey{Keyring: ring, Prefix: DefaultGPGPrefix, RemoteIDs: []string{AnyKey}}
	if err := gpgOpener(t, k).Open(text, now, new(Message)); !errors.Is(err, ErrSigner) {
		t.Error(err)
	}
	k.IgnoreSigErr = true // of a signature that is not there
	if err := gpgOpener(t, k).Open(text, now, new(Message)); !errors.Is(err, ErrSigner) {
		t.Error(err)
	}
	k.DisableSig = true
	m := new(Message)
	if err := gpgOpener(t, k).Open(text, now, m); err != nil || m.User != "alice" || m.Signer != "" {
		t.Error(err, m.Signer)
	}
}

func literalPacket(t testing.TB, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := packet.SerializeLiteral(nopCloser{&b}, true, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// sealInner encrypts packets as they are.
func sealInner(t testing.TB, to *packet.PublicKey, inner []byte) []byte {
	t.Helper()
	key := bytes.Repeat([]byte{7}, 32)
	var b bytes.Buffer
	if err := packet.SerializeEncryptedKey(&b, to, packet.CipherAES256, key, nil); err != nil {
		t.Fatal(err)
	}
	w, err := packet.SerializeSymmetricallyEncrypted(&b, packet.CipherAES256, false, packet.CipherSuite{}, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(inner); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return []byte(base64.RawStdEncoding.EncodeToString(b.Bytes()))
}

type nopCloser struct{ *bytes.Buffer }

func (nopCloser) Close() error { return nil }
