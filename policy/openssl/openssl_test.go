package openssl

import (
	"bytes"
	"crypto/aes"
	"encoding/hex"
	"slices"
	"testing"
)

// TestDerive compares with `openssl enc -aes-256-cbc -md md5 -k secret -S 0102030405060708 -P`.
func TestDerive(t *testing.T) {
	var k Key
	k.Derive([]byte("secret"), []byte{1, 2, 3, 4, 5, 6, 7, 8}, nil)
	const key, iv = "c9e5a1bd216dbe1317e230cef48f38ee7f0e17ad64022144bccec4a1aa2879ab", "e24b32bbbc4ef02ecbcb6576523ad893"
	if got := hex.EncodeToString(k.Key[:]); got != key {
		t.Errorf("key %s, want %s", got, key)
	}
	if got := hex.EncodeToString(k.IV[:]); got != iv {
		t.Errorf("iv %s, want %s", got, iv)
	}
}

// TestPadding: only PKCS#7 as it should be; the plaintext cannot be stretched.
func TestPadding(t *testing.T) {
	block := func(tail ...byte) []byte { return append(bytes.Repeat([]byte("x"), aes.BlockSize-len(tail)), tail...) }
	for _, c := range []struct {
		block []byte
		left  int // -1: refused
	}{
		{block(1), 15}, {block(2, 2), 14}, {bytes.Repeat([]byte{16}, 16), 0},
		{block(0), -1}, {block(17), -1}, {block(3, 2), -1}, {block(2, 3, 3), -1}, {block(), -1},
	} {
		p, ok := Unpad(slices.Clone(c.block))
		if ok != (c.left >= 0) || ok && len(p) != c.left {
			t.Errorf("% x: %d left, %v", c.block, len(p), ok)
		}
	}
}
