// Package openssl has what `openssl enc -md md5` does around its cipher. SPA messages
// and encrypted knock sequences are made like that.
package openssl

import (
	"crypto/aes"
	"crypto/md5"
)

// Magic and a salt of SaltSize bytes precede the cipher text.
const (
	Magic    = "Salted__"
	SaltSize = 8
)

// A Key is an AES-256 key with its initialisation vector.
type Key struct {
	Key [32]byte
	IV  [aes.BlockSize]byte
}

// Derive sets k to the key of a passphrase and salt: EVP_BytesToKey with MD5 and one
// iteration. buf is scratch space of any length; it is returned, grown if necessary, for
// the next call.
func (k *Key) Derive(passphrase, salt, buf []byte) []byte {
	buf = append(append(buf[:0], passphrase...), salt...)
	d1 := md5.Sum(buf)
	buf = append(append(append(buf[:0], d1[:]...), passphrase...), salt...)
	d2 := md5.Sum(buf)
	copy(buf, d2[:])
	k.IV = md5.Sum(buf)
	copy(k.Key[:md5.Size], d1[:])
	copy(k.Key[md5.Size:], d2[:])
	return buf
}

// Pad appends the padding of PKCS#7 (RFC 5652, section 6.3): a whole block if p ends
// with one.
func Pad(p []byte) []byte {
	n := aes.BlockSize - len(p)%aes.BlockSize
	for range n {
		p = append(p, byte(n))
	}
	return p
}

// Unpad removes the padding. ok is false, and p is returned whole, if it is wrong. p must
// not be empty.
func Unpad(p []byte) (_ []byte, ok bool) {
	n := int(p[len(p)-1])
	if n < 1 || n > aes.BlockSize || n > len(p) {
		return p, false
	}
	for _, c := range p[len(p)-n:] {
		if int(c) != n {
			return p, false
		}
	}
	return p[:len(p)-n], true
}
