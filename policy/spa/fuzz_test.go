package spa

import (
	"bytes"
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"fwknopd/fixtures/jsonl"
	"fwknopd/parse"
)

var kinds = []error{ErrNotSPA, ErrHMAC, ErrDecrypt, ErrSigner, ErrDigest, ErrMalformed}

// oneKind fails unless err is of exactly one kind.
func oneKind(t *testing.T, err error) {
	t.Helper()
	n := 0
	for _, k := range kinds {
		if errors.Is(err, k) {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%v is of %d kinds", err, n)
	}
}

// FuzzOpen: no text panics, and none opens that was not sealed.
func FuzzOpen(f *testing.F) {
	for _, v := range jsonl.Read[vector](f, vectorFile) {
		f.Add(v.Wire, v.perl())
	}
	keys := []Key{plainKey, hmacKey("sha256"), hmacKey("sha512")}
	f.Fuzz(func(t *testing.T, text []byte, perl bool) {
		for _, k := range keys {
			k.Perl19 = perl
			m := new(Message)
			if err := opener(t, k).Open(text, m); err != nil {
				oneKind(t, err)
			} else {
				roundTrip(t, m, k.Rules)
			}
		}
	})
}

// FuzzPlaintext: any text of an authenticated client is either refused as one
// kind of error or encodes to the same plaintext again.
func FuzzPlaintext(f *testing.F) {
	for _, v := range jsonl.Read[vector](f, vectorFile) {
		if v.Plain != nil {
			raw := []byte(v.Plain.Raw)
			f.Add(raw[:bytes.LastIndexByte(raw, ':')], v.perl(), uint8(2))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, perl bool, alg uint8) {
		if len(body) > maxPlain {
			return
		}
		rules := Rules{Perl19: perl, AllowHosts: perl}
		m, err := openPlain(t, withDigest(string(body), algorithms[int(alg)%len(algorithms)].name), rules)
		if err != nil {
			oneKind(t, err)
			return
		}
		roundTrip(t, m, rules)
	})
}

// FuzzCarrier: what Carrier delivers is base64 and no longer than the payload.
func FuzzCarrier(f *testing.F) {
	for _, v := range jsonl.Read[vector](f, vectorFile) {
		f.Add(uint8(v.proto()), v.Wire, v.perl())
	}
	f.Fuzz(func(t *testing.T, proto uint8, payload []byte, perl bool) {
		opt := CarrierOptions{OverHTTP: true, XForwardedFor: true, Perl19: perl}
		text, info, ok := Carrier(parse.Proto(proto), payload, opt, make([]byte, len(payload)))
		if !ok {
			return
		}
		if len(text) > len(payload) || !isBase64(text) {
			t.Errorf("%q", text)
		}
		if a := info.Forwarded(); a.IsValid() && !info.HTTP {
			t.Errorf("%v without HTTP", a)
		}
	})
}

// FuzzDecodeBase64 compares with the library's strict decoder, which differs in
// skipping line ends alone.
func FuzzDecodeBase64(f *testing.F) {
	for _, s := range []string{"", "A", "AA", "AB", "AAA", "AAB", "AAAA", "AA==", "AAA=", "A===", "AAAA=", "AAAA\n", "=", "===="} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		got, err := decodeBase64([]byte("x"), src)
		if bytes.ContainsAny(src, "\r\n") {
			if err == nil {
				t.Errorf("%q decodes", src)
			}
			return
		}
		enc := base64.RawStdEncoding.Strict()
		if bytes.IndexByte(src, '=') >= 0 {
			enc = base64.StdEncoding.Strict()
		}
		want, wantErr := enc.DecodeString(string(src))
		if (err == nil) != (wantErr == nil) || err == nil && string(got) != "x"+string(want) {
			t.Errorf("%q: %q, %v; want %q, %v", src, got, err, want, wantErr)
		}
	})
}

// TestCostIsLinear: a text a thousand times too long is refused without a look.
func TestCostIsLinear(t *testing.T) {
	o, m := opener(t, hmacKey("")), new(Message)
	text := bytes.Repeat([]byte("8"), 100<<20)
	start := time.Now()
	for range 1000 {
		if err := o.Open(text, m); !errors.Is(err, ErrNotSPA) {
			t.Fatal(err)
		}
	}
	if d := time.Since(start); d > time.Second {
		t.Errorf("1000 oversize texts took %v", d)
	}
}
