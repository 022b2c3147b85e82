package spa

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"fwknopd/parse"
)

// zeros is a random source for packets that must be the same in every run.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func sample() *Message {
	return &Message{Rand: "1234567890123456", User: "alice", Time: 1700000000, Version: "3.0.0", Type: Access, Text: "10.77.0.2,tcp/22"}
}

func wire(t testing.TB, m *Message, k Key) []byte {
	t.Helper()
	w, err := Encode(m, k, EncodeOptions{Rand: zeros{}})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// A textOpener opens texts.
type textOpener struct {
	*Opener
	packet Packet
}

func (o *textOpener) Open(text []byte, m *Message) error {
	o.packet.Set(text)
	return o.Opener.Open(&o.packet, m)
}

func opener(t testing.TB, k Key) *textOpener {
	t.Helper()
	o, err := NewOpener(k)
	if err != nil {
		t.Fatal(err)
	}
	return &textOpener{Opener: o}
}

func hmacKey(name string) Key {
	return Key{Passphrase: []byte("public-set-key-24-chars!"), HMACKey: []byte("public hmac key"), HMACType: name}
}

// junk is refused by the gate of its name, without an allocation.
func junk(t testing.TB) map[string]struct {
	key  Key
	text []byte
	want error
} {
	plain := Key{Passphrase: []byte("public-set-key-24-chars!")}
	type row = struct {
		key  Key
		text []byte
		want error
	}
	rows := map[string]row{
		"length":     {plain, bytes.Repeat([]byte("8"), 20), ErrNotSPA},
		"oversize":   {plain, bytes.Repeat([]byte("8"), 1<<20), ErrNotSPA},
		"first-char": {plain, bytes.Repeat([]byte("A"), 161), ErrNotSPA},
		"prefix":     {plain, append([]byte(saltedPrefix), wire(t, sample(), plain)...), ErrNotSPA},
		"blocks":     {plain, bytes.Repeat([]byte("8"), 160), ErrDecrypt},
	}
	for i := range algorithms {
		k := hmacKey(algorithms[i].name)
		text := wire(t, sample(), k)
		text[len(text)-3] ^= 1
		rows["hmac-"+k.HMACType] = row{k, text, ErrHMAC}
	}
	return rows
}

func TestJunkAllocatesNothing(t *testing.T) {
	for name, j := range junk(t) {
		o, m := opener(t, j.key), new(Message)
		if err := o.Open(j.text, m); !errors.Is(err, j.want) {
			t.Errorf("%s: %v, want %v", name, err, j.want)
		}
		if n := testing.AllocsPerRun(100, func() { _ = o.Open(j.text, m) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestCarrierAllocatesNothing(t *testing.T) {
	text := wire(t, sample(), hmacKey(""))
	get := []byte("GET /" + strings.NewReplacer("+", "-", "/", "_").Replace(string(text)) +
		" HTTP/1.0\r\nUser-Agent: Fwknop/2.6.10\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n")
	buf := make([]byte, len(methodGET))
	opt := CarrierOptions{OverHTTP: true, XForwardedFor: true}
	for _, p := range [][]byte{text, get, bytes.Repeat([]byte{0}, 1400), []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")} {
		if n := testing.AllocsPerRun(100, func() { Carrier(parse.TCP, p, opt, buf) }); n != 0 {
			t.Errorf("%.20q…: %v allocations", p, n)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, k := range []Key{{Passphrase: []byte("public-set-key-24-chars!")}, hmacKey("sha256"), hmacKey("sha512")} {
		text := wire(b, sample(), k)
		b.Run(fmt.Sprintf("hmac=%s", k.HMACType), func(b *testing.B) {
			o, m := opener(b, k), new(Message)
			b.ReportAllocs()
			for b.Loop() {
				if err := o.Open(text, m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkJunk(b *testing.B) {
	rows := junk(b)
	plain := wire(b, sample(), Key{Passphrase: []byte("another key of this test")})
	rows["wrong-key"] = struct {
		key  Key
		text []byte
		want error
	}{Key{Passphrase: []byte("public-set-key-24-chars!")}, plain, ErrDecrypt}
	for name, j := range rows {
		b.Run(name, func(b *testing.B) {
			o, m := opener(b, j.key), new(Message)
			b.ReportAllocs()
			for b.Loop() {
				if o.Open(j.text, m) == nil {
					b.Fatal("opened")
				}
			}
		})
	}
}

func BenchmarkCarrier(b *testing.B) {
	text := wire(b, sample(), hmacKey(""))
	for _, p := range [][]byte{text, bytes.Repeat([]byte{0}, 1400)} {
		b.Run(fmt.Sprint(len(p)), func(b *testing.B) {
			for b.Loop() {
				Carrier(17, p, CarrierOptions{}, nil)
			}
		})
	}
}
