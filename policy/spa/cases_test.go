package spa

import (
	"errors"
	"testing"
)

// androidPacket is what the Android client 4.1.2 sent: its plaintext fills seven blocks
// and has no padding behind it.
const androidPacket = "+59hIQhS1RlmqYLXNM/hPxtBAQTB5y3UKZq13O+r6qmg+APdQ+HQOI7d4QCsp14s8KJpW8qBzZ/n0aZCFCFdZnvdZeJJVboQu4joQFKZ8mmKwR/5DIO7k3qrXYGxYP0bnHYsih0HIE6CzSHlBGSfDJR92YhjYtL4Q"

// TestUnpadded: an unpadded plaintext of whole blocks opens in legacy mode, and there
// alone; with another key, or damaged, it does not.
func TestUnpadded(t *testing.T) {
	damaged := []byte(androidPacket)
	damaged[100] ^= 1
	for _, c := range []struct {
		name, key, mode string
		packet          []byte
		want            error
	}{
		{"legacy", "asdfasdf", "legacy", []byte(androidPacket), nil},
		{"cbc", "asdfasdf", "cbc", []byte(androidPacket), errPadding},
		{"another key", "asdfasdg", "legacy", []byte(androidPacket), errPrintable},
		{"damaged", "asdfasdf", "legacy", damaged, ErrDecrypt},
	} {
		o := opener(t, Key{Passphrase: []byte(c.key), Mode: c.mode})
		var m Message
		if err := o.Open(c.packet, &m); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		} else if err == nil && m.User != "NO_USER" {
			t.Errorf("%s: user %q", c.name, m.User)
		}
	}
}

// TestWithoutHMAC: a packet that carries no HMAC is told from one with that of another
// key, for every type and length of message; where its length allows both, the error has both.
func TestWithoutHMAC(t *testing.T) {
	certain := 0
	defer func() {
		if certain < 200 {
			t.Errorf("certain of %d of 400 packets", certain)
		}
	}()
	for _, kind := range []string{"md5", "sha1", "sha256", "sha384", "sha512"} {
		for n := range 40 {
			key := Key{Passphrase: []byte("a passphrase"), HMACKey: []byte("of the server"), HMACType: kind}
			o := opener(t, key)
			p := Message{Version: "3.0.0", Rand: "1234567890123456", User: "alice-and-so-on-and-so-on-and-so-on-and-so-on"[:n+1], Time: 1700000000, Type: Access, Text: "192.0.2.7,tcp/22"}
			for _, own := range []struct {
				key  []byte
				want error
			}{{nil, errNoMAC}, {[]byte("of another"), errMAC}} {
				sent, err := Encode(&p, Key{Passphrase: key.Passphrase, HMACKey: own.key, HMACType: kind}, EncodeOptions{Rand: zeros{}})
				if err != nil {
					t.Fatal(err)
				}
				var m Message
				if err := o.Open(sent, &m); err != own.want && err != errAnyMAC {
					t.Errorf("%s, user of %d: %v, want %v", kind, n+1, err, own.want)
				} else if err == own.want {
					certain++
				}
			}
		}
	}
}
