package spa

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
)

var plainKey = Key{Passphrase: []byte("public-set-key-24-chars!")}

func TestNewOpenerRefuses(t *testing.T) {
	for name, k := range map[string]Key{
		"empty key":      {},
		"unknown mode":   {Passphrase: []byte("k"), Mode: "pcbc"},
		"unknown hmac":   {Passphrase: []byte("k"), HMACKey: []byte("h"), HMACType: "crc32"},
		"same keys":      {Passphrase: []byte("k"), HMACKey: []byte("k")},
		"unknown digest": {Passphrase: []byte("k"), Rules: Rules{Digests: []string{"md4"}}},
	} {
		if _, err := NewOpener(k); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// TestModesAndDigests sends every mode, HMAC and inner digest through both ways.
func TestModesAndDigests(t *testing.T) {
	for _, md := range modes {
		for _, mac := range append([]string{""}, names()...) {
			for _, digest := range names() {
				k := Key{Passphrase: []byte("short"), Mode: md.name}
				if mac != "" {
					k.HMACKey, k.HMACType = bytes.Repeat([]byte("h"), 150), mac
				}
				m := sample()
				m.DigestType = digest
				var got Message
				if err := opener(t, k).Open(wire(t, m, k), &got); err != nil || got.User != "alice" || got.DigestType != digest {
					t.Errorf("%s %s %s: %v", md.name, mac, digest, err)
				}
			}
		}
	}
}

func names() (all []string) {
	for _, a := range algorithms {
		all = append(all, a.name)
	}
	return all
}

// TestDigestTypes: only what DIGEST_TYPE lists is accepted, also where two types
// share a length.
func TestDigestTypes(t *testing.T) {
	for _, sent := range names() {
		for _, listed := range names() {
			m := sample()
			m.DigestType = sent
			k := plainKey
			k.Digests = []string{listed}
			err := opener(t, k).Open(wire(t, m, k), new(Message))
			if (err == nil) != (sent == listed) || err != nil && !errors.Is(err, ErrDigest) {
				t.Errorf("%s where %s is accepted: %v", sent, listed, err)
			}
		}
	}
	k := plainKey
	k.Digests = []string{}
	if err := opener(t, k).Open(wire(t, sample(), k), new(Message)); !errors.Is(err, ErrDigest) {
		t.Errorf("empty list: %v", err)
	}
}

func TestShortKeys(t *testing.T) {
	key := func(p, mode string, legacyPad bool) Key {
		return Key{Passphrase: []byte(p), Mode: mode, LegacyPad: legacyPad}
	}
	for _, c := range []struct {
		name     string
		sent, by Key
		opens    bool
	}{
		{"1.9 pads with zeros", key("sesame-10c000000", "", false), key("sesame-10c", "", true), true},
		{"legacy pads with zeros", key("sesame-10c000000", "", false), key("sesame-10c", "legacy", false), true},
		{"2.x does not", key("sesame-10c000000", "", false), key("sesame-10c", "", false), false},
		{"legacy cuts at 16", key("twenty-char-key-", "", false), key("twenty-char-key-abcd", "legacy", false), true},
		{"1.9 does not cut", key("twenty-char-key-", "", false), key("twenty-char-key-abcd", "", true), false},
		{"nul is a byte", key("a\x00b", "", false), key("a\x00b", "", false), true},
		{"and counts", key("a\x00b", "", false), key("a\x00c", "", false), false},
	} {
		err := opener(t, c.by).Open(wire(t, sample(), c.sent), new(Message))
		if (err == nil) != c.opens {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestHostileCipherTexts: texts made with the key, but not by a client.
func TestHostileCipherTexts(t *testing.T) {
	long := withDigest(head+"1:"+access+":"+strings.Repeat("A", 1400), "sha256")
	for name, c := range map[string]struct {
		plain []byte
		want  error
	}{
		"empty":               {nil, ErrNotSPA},
		"32 bytes":            {bytes.Repeat([]byte("1"), 32), ErrDecrypt},
		"digits only":         {bytes.Repeat([]byte("1"), 60), ErrDecrypt},
		"colons only":         {bytes.Repeat([]byte(":"), 60), ErrDecrypt},
		"digest of nothing":   {withDigest(strings.Repeat(" ", 10), "sha256"), ErrMalformed},
		"md5, 23 bytes":       {append(withDigest("", "md5"), ' '), ErrNotSPA},
		"field too long":      {long, ErrMalformed},
		"digest cut":          {withDigest(head+"1:"+access, "sha256")[:90], ErrDigest},
		"digest padded":       {append(withDigest(head+"1:"+access, "sha256"), '='), ErrDigest},
		"digest changed":      {bytes.Replace(withDigest(head+"1:"+access, "sha256"), []byte("YWxpY2U"), []byte("YWxpY2V"), 1), ErrDigest},
		"control character":   {withDigest(head+"1:"+access+"\x00", "sha256"), ErrDecrypt},
		"newline at the end":  {append(withDigest(head+"1:"+access, "sha256"), '\n'), ErrDecrypt},
		"high bit":            {withDigest(head+"1:"+access+"\xff", "sha256"), ErrDecrypt},
		"sha3 called sha256":  {withDigest(head+"1:"+access, "sha3_256"), nil},
		"rand of 15, no user": {withDigest("123456789012345:"+strings.Repeat("x", 40), "md5"), ErrMalformed},
	} {
		w, err := Seal(c.plain, plainKey, EncodeOptions{Rand: zeros{}})
		if err != nil {
			t.Fatal(err)
		}
		if err := opener(t, plainKey).Open(w, new(Message)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// TestSpellings: which other encodings of one packet on the wire are still a packet,
// and that those open to the same plaintext, so that the replay key is the same.
func TestSpellings(t *testing.T) {
	m := sample() // 171 characters with the prefix: one "=" makes them whole
	text := wire(t, m, plainKey)
	if len(text)+len(saltedPrefix) != 171 {
		t.Fatalf("the sample has %d characters", len(text))
	}
	last := func(c byte) []byte { return append(slices.Clone(text[:len(text)-1]), c) }
	spare := bytes.IndexByte([]byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"), text[len(text)-1])
	flipped := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[spare^1]
	for _, c := range []struct {
		name string
		text []byte
		perl bool
		want error
	}{
		{"as sent", text, false, nil},
		{"as sent, 1.9", text, true, nil},
		{"one =", append(slices.Clone(text), '='), false, nil},
		{"two =", append(slices.Clone(text), "=="...), false, nil},
		{"many =", append(slices.Clone(text), "======"...), false, nil},
		{"= before the end", append(slices.Clone(text[:len(text)-1]), '=', text[len(text)-1]), false, ErrDecrypt},
		{"nothing but =", append([]byte("8"), bytes.Repeat([]byte("="), 200)...), false, ErrDecrypt},
		{"unused bits", last(flipped), false, nil},
		{"prefix", append([]byte(saltedPrefix), text...), false, ErrNotSPA},
		{"prefix, 1.9", append([]byte(saltedPrefix), text...), true, nil},
		{"prefix twice, 1.9", append([]byte(saltedPrefix+saltedPrefix), text...), true, ErrDecrypt},
		{"prefix and =, 1.9", append([]byte(saltedPrefix), append(slices.Clone(text), '=')...), true, nil},
		{"newline", append(slices.Clone(text), '\n'), false, ErrDecrypt},
		{"newline inside", append(append(slices.Clone(text[:80]), '\n'), text[80:]...), false, ErrDecrypt},
		{"A appended", append(slices.Clone(text), 'A'), false, ErrDecrypt},
		{"block appended", append(slices.Clone(text), text[len(text)-64:]...), false, ErrDecrypt},
		{"url alphabet", bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("+"), []byte("-")), []byte("/"), []byte("_")), false, ErrDecrypt},
	} {
		k := plainKey
		k.Perl19 = c.perl
		got := new(Message)
		if err := opener(t, k).Open(c.text, got); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		} else if err == nil && string(got.Plaintext) != string(mustPlain(t, m)) {
			t.Errorf("%s: opened to %s", c.name, got.Plaintext)
		}
	}
}

func mustPlain(t testing.TB, m *Message) []byte {
	t.Helper()
	p, err := Plaintext(m, m.Rand)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestHMACCoversPrefix checks the construction against one made by hand.
func TestHMACCoversPrefix(t *testing.T) {
	k := hmacKey("sha256")
	w := wire(t, sample(), k)
	mac, alg, _ := newMAC(k.HMACKey, k.HMACType)
	mac.Write([]byte(saltedPrefix))
	mac.Write(w[:len(w)-alg.b64])
	if want := base64.RawStdEncoding.EncodeToString(mac.Sum(nil)); string(w[len(w)-alg.b64:]) != want {
		t.Errorf("tag %s, want %s", w[len(w)-alg.b64:], want)
	}
}

// TestOpenerIsReusable: one refused packet leaves nothing behind for the next.
func TestOpenerIsReusable(t *testing.T) {
	o, m := opener(t, plainKey), new(Message)
	good := wire(t, sample(), plainKey)
	long := sample()
	long.Type, long.Text, long.NAT = NATAccessTimeout, "10.77.0.2,tcp/22,tcp/23", "10.0.0.5,22"
	long.HasTimeout, long.Timeout, long.ServerAuth = true, 30, "crypt,x"
	for _, text := range [][]byte{wire(t, long, plainKey), good[:130], bytes.Repeat([]byte("8"), 2000), wire(t, sample(), hmacKey(""))} {
		_ = o.Open(text, m)
		if err := o.Open(good, m); err != nil || m.NAT != "" || m.HasTimeout || m.ServerAuth != "" || len(m.Ports) != 1 {
			t.Fatalf("%v: %+v", err, m)
		}
	}
}

func TestErrorsTellNoSecrets(t *testing.T) {
	var f *failure
	err := opener(t, plainKey).Open(bytes.Repeat([]byte("8"), 161), new(Message))
	if !errors.As(err, &f) || strings.Contains(err.Error(), "public") {
		t.Errorf("%v", err)
	}
}
