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
	return k.DeriveIV(passphrase, salt, k.DeriveKey(passphrase, salt, buf))
}

// DeriveKey is the first part of Derive: the key without its initialisation vector.
func (k *Key) DeriveKey(passphrase, salt, buf []byte) []byte {
	buf = append(append(buf[:0], passphrase...), salt...)
	d1 := md5.Sum(buf)
	copy(k.Key[:md5.Size], d1[:])
	return next(k.Key[md5.Size:], d1[:], passphrase, salt, buf)
}

// DeriveIV is the second part of Derive.
func (k *Key) DeriveIV(passphrase, salt, buf []byte) []byte {
	return next(k.IV[:], k.Key[md5.Size:], passphrase, salt, buf)
}

// next sets dst to the digest that follows another in the chain.
func next(dst, digest, passphrase, salt, buf []byte) []byte {
	buf = append(append(append(buf[:0], digest...), passphrase...), salt...)
	d := md5.Sum(buf)
	copy(dst, d[:])
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
