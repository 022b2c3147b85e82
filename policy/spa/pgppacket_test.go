package spa

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"fwknopd/fixtures/jsonl"
)

func TestSplitPacket(t *testing.T) {
	long := bytes.Repeat([]byte("x"), 300)
	join := func(head []byte, parts ...[]byte) []byte { return append(bytes.Clone(head), bytes.Join(parts, nil)...) }
	for _, c := range []struct {
		name       string
		raw        []byte
		tag        uint8
		body, rest int // lengths; body -1: refused
	}{
		{"old, one octet", join([]byte{0x84, 2}, []byte("abc")), 1, 2, 1},
		{"old, two octets", join([]byte{0x85, 1, 0}, long), 1, 256, 44},
		{"old, four octets", join([]byte{0x86, 0, 0, 1, 0}, long), 1, 256, 44},
		{"old, to the end", join([]byte{0xa7}, long), 9, 300, 0},
		{"new, one octet", join([]byte{0xd2, 2}, []byte("abc")), 18, 2, 1},
		{"new, two octets", join([]byte{0xd2, 192, 0}, long), 18, 192, 108},
		{"new, five octets", join([]byte{0xd2, 255, 0, 0, 1, 0}, long), 18, 256, 44},
		{"new, partial", join([]byte{0xd2, 0xe8}, long[:256], []byte{3}, []byte("abcd")), 18, 256, 1},
		{"empty", nil, 0, -1, 0},
		{"header alone", []byte{0xd2}, 0, -1, 0},
		{"not a header", []byte{0x12, 0, 0}, 0, -1, 0},
		{"old, cut length", []byte{0x86, 0, 0}, 0, -1, 0},
		{"old, cut body", []byte{0x84, 3, 0, 0}, 0, -1, 0},
		{"new, cut length", []byte{0xd2, 192}, 0, -1, 0},
		{"new, cut long length", []byte{0xd2, 255, 0, 0}, 0, -1, 0},
		{"new, cut body", []byte{0xd2, 3, 0, 0}, 0, -1, 0},
		{"new, huge", []byte{0xd2, 255, 255, 255, 255, 255, 0}, 0, -1, 0},
		{"partial without an end", join([]byte{0xd2, 0xe8}, long[:256]), 0, -1, 0},
		{"partial, cut", join([]byte{0xd2, 0xfe}, long), 0, -1, 0},
	} {
		tag, body, rest, ok := splitPacket(c.raw)
		if ok != (c.body >= 0) || ok && (tag != c.tag || len(body) != c.body || len(rest) != c.rest) {
			t.Errorf("%s: tag %d, %d and %d bytes, %v", c.name, tag, len(body), len(rest), ok)
		}
	}
}

// TestOnePrefixFits: of all that a client may have cut off, one gives a message.
func TestOnePrefixFits(t *testing.T) {
	n := 0
	for _, v := range jsonl.Read[vector](t, vectorFile) {
		if v.Encryption != "gpg" || v.HMAC != nil {
			continue
		}
		n++
		fits := 0
		for _, p := range append([]string{""}, strippedPrefixes...) {
			raw, err := decodeBase64(nil, append([]byte(p), v.Wire...))
			if _, ok := readEnvelope(raw); ok && err == nil {
				fits++
			}
		}
		if fits != 1 {
			t.Errorf("%s: %d prefixes", v.Name, fits)
		}
	}
	if n == 0 {
		t.Error("no vectors")
	}
}

// TestGPGNearMisses: what nearly is a packet for us is told apart before any
// public-key work.
func TestGPGNearMisses(t *testing.T) {
	var plain, mac *vector
	for _, v := range jsonl.Read[vector](t, vectorFile) {
		switch v.Name {
		case "c-gpg-signed":
			plain = &v
		case "c-gpg-signed-hmac-sha256":
			mac = &v
		}
	}
	withMAC, without := mac.gpgKey(t), plain.gpgKey(t)
	ecc := without
	var err error
	if ecc.Keyring, err = NewKeyring(exports(t, "client.pub.asc", "serverecc.sec.asc"), nil, nil); err != nil {
		t.Fatal(err)
	}
	none := without
	if none.Keyring, err = NewKeyring(exports(t, "client.pub.asc"), nil, nil); !errors.Is(err, ErrNoSecretKey) {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		key  GPGKey
		text []byte
		want error
	}{
		{"no hmac where one is due", withMAC, plain.Wire, errNoMAC},
		{"hmac where none is due", without, mac.Wire, errBroken},
		{"cut short", without, plain.Wire[:len(plain.Wire)-40], errBroken},
		{"for another key", ecc, plain.Wire, errNotForUs},
		{"no secret key", none, plain.Wire, errNoSecret},
		{"prefix left", without, append([]byte(DefaultGPGPrefix), plain.Wire...), errPrefix},
		{"short", without, plain.Wire[:minGPGText-1], errLength},
		{"long", without, bytes.Repeat([]byte("E"), MaxGPGText+1), errLength},
		{"base64 of something", without, bytes.Repeat([]byte("aGVsbG8g"), 80), errNotOpenPGP},
		{"base64 that begins like it", without, append([]byte("hQEM"), bytes.Repeat([]byte("aGVsbG8g"), 80)...), errPrefix},
	} {
		o := gpgOpener(t, c.key)
		if err := o.Gate(c.text); err != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if err := o.Open(c.text, time.Unix(1700000005, 0), new(Message)); err != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestNewGPGOpenerRefuses(t *testing.T) {
	ring := fixtureRing(t)
	twins, err := NewKeyring(exports(t, "*.pub.asc", "server.sec.asc"), []string{"EF3434A2"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	twin := *twins.signers[0].PrimaryKey // a second key with the same short id
	twin.Fingerprint = append(bytes.Repeat([]byte{1}, 16), twin.Fingerprint[16:]...)
	entity := *twins.signers[0]
	entity.PrimaryKey = &twin
	twins.signers = append(twins.signers, &entity)
	short := fingerprint(twin.Fingerprint)[fprV4-shortID:]
	for name, k := range map[string]GPGKey{
		"no ring":            {RemoteIDs: []string{AnyKey}},
		"no signer":          {Keyring: ring},
		"not an id":          {Keyring: ring, RemoteIDs: []string{"alice"}},
		"id of 12":           {Keyring: ring, RemoteIDs: []string{"0123456789AB"}},
		"not a fingerprint":  {Keyring: ring, Fingerprints: []string{"xyz"}},
		"ambiguous short id": {Keyring: twins, RemoteIDs: []string{short}},
		"unknown hmac":       {Keyring: ring, RemoteIDs: []string{AnyKey}, HMACKey: []byte("k"), HMACType: "crc"},
		"unknown digest":     {Keyring: ring, RemoteIDs: []string{AnyKey}, Rules: Rules{Digests: []string{"md4"}}},
	} {
		if _, err := NewGPGOpener(k); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// FuzzEnvelope: what is accepted as an encrypted message is one for the library too,
// with the same recipients.
func FuzzEnvelope(f *testing.F) {
	for _, v := range jsonl.Read[vector](f, vectorFile) {
		if raw, err := decodeBase64([]byte{}, append([]byte(DefaultGPGPrefix), v.Wire...)); err == nil {
			f.Add(raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, ok := readEnvelope(raw)
		if !ok {
			return
		}
		r := packet.NewReader(bytes.NewReader(raw))
		for i := range e.n {
			p, err := r.Next()
			if err != nil {
				return // the library asks for more, such as points on a curve
			}
			key, ok := p.(*packet.EncryptedKey)
			if !ok {
				return
			}
			if i < len(e.ids) && key.KeyId != e.ids[i] {
				t.Fatalf("key %d is for %X, the library says %X", i, e.ids[i], key.KeyId)
			}
		}
	})
}
