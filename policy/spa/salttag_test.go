package spa

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/bits"
	"testing"

	"pgregory.net/rapid"

	"fwknopd/fixtures/draws"
)

// sipHash24 is SipHash-2-4 of four bytes as its paper describes it.
func sipHash24(key []byte, random [4]byte) uint64 {
	k0, k1 := binary.LittleEndian.Uint64(key), binary.LittleEndian.Uint64(key[8:])
	v := [4]uint64{k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573}
	m := uint64(4)<<56 | uint64(binary.LittleEndian.Uint32(random[:]))
	round := func() {
		v[0], v[2] = v[0]+v[1], v[2]+v[3]
		v[1], v[3] = bits.RotateLeft64(v[1], 13)^v[0], bits.RotateLeft64(v[3], 16)^v[2]
		v[0] = bits.RotateLeft64(v[0], 32)
		v[2], v[0] = v[2]+v[1], v[0]+v[3]
		v[1], v[3] = bits.RotateLeft64(v[1], 17)^v[2], bits.RotateLeft64(v[3], 21)^v[0]
		v[2] = bits.RotateLeft64(v[2], 32)
	}
	v[3] ^= m
	round()
	round()
	v[0], v[2] = v[0]^m, v[2]^0xff
	for range 4 {
		round()
	}
	return v[0] ^ v[1] ^ v[2] ^ v[3]
}

// hkdfOf is HKDF-SHA-256 without salt, of one block.
func hkdfOf(secret []byte, info string) []byte {
	sum := func(key, text []byte) []byte {
		h := hmac.New(sha256.New, key)
		h.Write(text)
		return h.Sum(nil)
	}
	return sum(sum(make([]byte, sha256.Size), secret), append([]byte(info), 1))
}

// saltOf returns the salt in the text of a packet.
func saltOf(t testing.TB, text []byte) []byte {
	t.Helper()
	raw, err := base64.RawStdEncoding.DecodeString(saltedPrefix + string(text[:14]))
	if err != nil {
		t.Fatal(err)
	}
	return raw[8:16]
}

func saltKey(t testing.TB, k Key) *SaltKey {
	t.Helper()
	s, err := k.SaltKey()
	if err != nil {
		t.Fatal(err)
	}
	return &s
}

// TestSaltTag: the format of salttag.go, computed another way.
func TestSaltTag(t *testing.T) {
	long := bytes.Repeat([]byte("k"), 100)
	hashed := sha256.Sum256(long)
	for name, c := range map[string]struct {
		key       Key
		pass, mac []byte // as they are used
	}{
		"both":                 {Key{Passphrase: []byte("pass"), HMACKey: []byte("mac")}, []byte("pass"), []byte("mac")},
		"no HMAC":              {Key{Passphrase: []byte("pass")}, []byte("pass"), nil},
		"legacy, padded":       {Key{Passphrase: []byte("pass"), Mode: "legacy"}, []byte("pass000000000000"), nil},
		"legacy, cut":          {Key{Passphrase: []byte("a passphrase of 24 chars"), Mode: "legacy"}, []byte("a passphrase of "), nil},
		"1.9":                  {Key{Passphrase: []byte("pass"), LegacyPad: true}, []byte("pass000000000000"), nil},
		"long HMAC key":        {Key{Passphrase: []byte("pass"), HMACKey: long}, []byte("pass"), hashed[:]},
		"of a longer block":    {Key{Passphrase: []byte("pass"), HMACKey: long, HMACType: "sha512"}, []byte("pass"), long},
		"zeros at the end":     {Key{Passphrase: []byte("pass"), HMACKey: []byte("mac\x00\x00")}, []byte("pass"), []byte("mac")},
		"bytes of both joined": {Key{Passphrase: []byte("pas"), HMACKey: []byte("smac")}, []byte("pas"), []byte("smac")},
	} {
		text, err := Encode(sample(), c.key, EncodeOptions{Rand: rand.Reader, Tag: true})
		if err != nil {
			t.Fatal(err)
		}
		secret := append(binary.BigEndian.AppendUint32(nil, uint32(len(c.pass))), c.pass...)
		secret = append(binary.BigEndian.AppendUint32(secret, uint32(len(c.mac))), c.mac...)
		salt := saltOf(t, text)
		want := uint32(sipHash24(hkdfOf(secret, "fwknop salt tag 1"), [4]byte(salt)))
		if got := binary.LittleEndian.Uint32(salt[4:]); got != want {
			t.Errorf("%s: tag %08x, want %08x", name, got, want)
		}
		o := opener(t, c.key)
		if err := o.Open(text, new(Message)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if s, ok := o.packet.Salt(); !ok || !saltKey(t, c.key).Tags(&s) {
			t.Errorf("%s: the tag does not fit the key", name)
		}
		other := saltKey(t, Key{Passphrase: []byte("another"), HMACKey: c.key.HMACKey})
		if s, _ := o.packet.Salt(); other.Tags(&s) {
			t.Errorf("%s: the tag fits another key", name)
		}
	}
}

// TestNoTag: without the option, and in modes where a salt must not repeat, the salt is
// random and nothing else.
func TestNoTag(t *testing.T) {
	for _, c := range []struct {
		mode string
		tag  bool
		want bool
	}{{"", true, true}, {"cbc", true, true}, {"legacy", true, true}, {"cbc", false, false},
		{"ctr", true, false}, {"ofb", true, false}, {"cfb", true, false}, {"ecb", true, false}} {
		k := Key{Passphrase: []byte("public-set-key-24-chars!"), Mode: c.mode}
		drawn := bytes.NewReader(bytes.Repeat([]byte{7}, 100))
		text, err := Encode(sample(), k, EncodeOptions{Rand: drawn, Tag: c.tag})
		if err != nil {
			t.Fatal(err)
		}
		salt := saltOf(t, text)
		if !bytes.Equal(salt[:4], []byte{7, 7, 7, 7}) || bytes.Equal(salt[4:], salt[:4]) == c.want {
			t.Errorf("mode %q, tag %v: salt %x", c.mode, c.tag, salt)
		}
		if k.MayTag() != c.want && c.tag {
			t.Errorf("mode %q: MayTag is %v", c.mode, k.MayTag())
		}
	}
	if (&Key{Mode: "pcbc"}).MayTag() {
		t.Error("an unknown mode may tag")
	}
}

// TestSaltOfAnyText: a text that no client sends has no salt, or one that fits nothing.
func TestSaltOfAnyText(t *testing.T) {
	key := saltKey(t, hmacKey(""))
	text := wire(t, sample(), hmacKey(""))
	var p Packet
	for i := range 14 {
		bad := bytes.Clone(text)
		for j := i; j < len(bad); j++ {
			bad[j] = '='
		}
		if p.Set(bad); p.Valid(false) {
			if _, ok := p.Salt(); ok {
				t.Errorf("a salt of %q", bad[:14])
			}
		}
	}
	p.Set(text)
	if s, ok := p.Salt(); !ok || key.Tags(&s) {
		t.Error("a salt without a tag has one")
	}
	p.Set(append([]byte(saltedPrefix), text...))
	if s, ok := p.Salt(); !ok || !bytes.Equal(s.random[:], saltOf(t, text)[:4]) {
		t.Error("the prefix hides the salt")
	}
}

// drawKey draws one of few keys, so that passphrases and HMAC keys are shared.
func drawKey(t *rapid.T) Key {
	k := Key{
		Passphrase: []byte(rapid.SampledFrom([]string{"pass", "pass000000000000", "pass000000000000xyz", "another passphrase"}).Draw(t, "passphrase")),
		HMACKey:    []byte(rapid.SampledFrom([]string{"", "mac", "mac\x00", "another mac"}).Draw(t, "hmac key")),
		Mode:       rapid.SampledFrom([]string{"", "", "cbc", "legacy", "ctr", "ecb"}).Draw(t, "mode"),
		HMACType:   rapid.SampledFrom([]string{"", "md5", "sha512", "sha3_256"}).Draw(t, "hmac type"),
		LegacyPad:  rapid.Bool().Draw(t, "pad"),
	}
	k.Perl19 = k.LegacyPad && rapid.Bool().Draw(t, "1.9")
	return k
}

// TestMisses: what is known without a trial is what the trial says, and keys that open the
// same packet give the same tags.
func TestMisses(t *testing.T) {
	known := 0
	missing := func() string {
		if known == 0 {
			return "a failure that is known"
		}
		return ""
	}
	draws.Until(t, missing, func(t *rapid.T) {
		sender, other := drawKey(t), drawKey(t)
		opt := EncodeOptions{Rand: rand.Reader, Tag: rapid.Bool().Draw(t, "tag"), KeepPrefix: rapid.IntRange(0, 5).Draw(t, "prefix") == 0}
		m := sample()
		m.Text = "10.77.0.2,tcp/22" + string(bytes.Repeat([]byte(",tcp/22"), rapid.IntRange(0, 9).Draw(t, "ports")))
		text, err := Encode(m, sender, opt)
		if err != nil {
			t.Fatal(err)
		}
		a, errA := NewOpener(sender)
		b, errB := NewOpener(other)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		var p, q Packet
		p.Set(text)
		q.Set(text)
		errA, errB = a.Open(&p, new(Message)), b.Open(&p, new(Message))
		saltA, errC := sender.SaltKey()
		saltB, errD := other.SaltKey()
		if errC != nil || errD != nil || saltA == saltB {
			return
		}
		if errA == nil && errB == nil {
			t.Fatal("two keys with different tags open the packet")
		}
		if errA == nil {
			if err, ok := b.Misses(&q, a); ok {
				known++
				if err != errB {
					t.Fatalf("said to fail with %v, fails with %v", err, errB)
				}
			}
		}
	})
}

func TestTagsAllocateNothing(t *testing.T) {
	key := saltKey(t, hmacKey(""))
	var p Packet
	p.Set(wire(t, sample(), hmacKey("")))
	if n := testing.AllocsPerRun(100, func() {
		if s, ok := p.Salt(); !ok || key.Tags(&s) {
			t.Fail()
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkTags: what one of 10,000 keys costs.
func BenchmarkTags(b *testing.B) {
	keys := make([]SaltKey, 10000)
	for i := range keys {
		keys[i] = *saltKey(b, Key{Passphrase: fmt.Appendf(nil, "passphrase %d", i), HMACKey: fmt.Appendf(nil, "hmac key %d", i)})
	}
	var p Packet
	p.Set(wire(b, sample(), hmacKey("")))
	b.ReportAllocs()
	for b.Loop() {
		s, _ := p.Salt()
		for i := range keys {
			if keys[i].Tags(&s) {
				b.Fatal("a tag fits")
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(keys)), "ns/tag")
}
