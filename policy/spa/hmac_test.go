package spa

import (
	"crypto/hmac"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

// TestMACKeyIsHMAC: the kept states give the HMAC of crypto/hmac, for every algorithm,
// key length and text, also when keys of several algorithms share one room.
func TestMACKeyIsHMAC(t *testing.T) {
	var room macRoom
	rapid.Check(t, func(t *rapid.T) {
		a := &algorithms[rapid.IntRange(0, len(algorithms)-1).Draw(t, "algorithm")]
		key := rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "key")
		text := rapid.SliceOfN(rapid.Byte(), 0, 600).Draw(t, "text")
		m, err := newMACKey(key, a.name)
		if err != nil {
			t.Fatal(err)
		}
		h := hmac.New(a.new, key)
		h.Write(text)
		tag := h.Sum(nil)
		if !m.authentic(text, tag, &room) {
			t.Fatal("the HMAC is refused")
		}
		tag[rapid.IntRange(0, len(tag)-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if m.authentic(text, tag, &room) {
			t.Fatal("another HMAC is accepted")
		}
	})
}

// TestSharedPacket: a packet that was tried on other keys opens as if it were new, and a
// refusal by a key is the same before and after others.
func TestSharedPacket(t *testing.T) {
	keys := []Key{{Passphrase: []byte("a passphrase")}, {Passphrase: []byte("another one"), Mode: "cfb"},
		{Passphrase: []byte("a third one"), Mode: "legacy"}, {Passphrase: []byte("of 1.9"), LegacyPad: true, Rules: Rules{Perl19: true}}}
	for _, mode := range []string{"ctr", "ofb", "ecb"} {
		keys = append(keys, Key{Passphrase: []byte("in mode " + mode), Mode: mode})
	}
	for i := range algorithms {
		k := hmacKey(algorithms[i].name)
		k.HMACKey = append([]byte(k.HMACType), k.HMACKey...)
		keys = append(keys, k)
	}
	var p Packet
	var m Message
	for i, sent := range keys {
		text := wire(t, sample(), sent)
		p.Set(text)
		for range 2 {
			for j, k := range keys {
				o := opener(t, k)
				alone := o.Open(text, new(Message))
				if err := o.Opener.Open(&p, &m); !errors.Is(err, alone) && err != alone || (err == nil) != (i == j) {
					t.Errorf("packet of key %d, key %d: %v, alone %v", i, j, err, alone)
				}
			}
		}
	}
}

// TestWrongKeyAllocatesOnlyAES: a packet without HMAC is tried on a key for the price of
// a key derivation and one block.
func TestWrongKeyAllocatesOnlyAES(t *testing.T) {
	o, m := opener(t, Key{Passphrase: []byte("public-set-key-24-chars!")}), new(Message)
	text := wire(t, sample(), Key{Passphrase: []byte("another key of this test")})
	if n := testing.AllocsPerRun(100, func() { _ = o.Open(text, m) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}
