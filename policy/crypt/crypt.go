// Package crypt checks a password against an entry of a shadow file, for
// REQUIRE_AUTH_METHOD crypt: MD5-crypt ($1$), SHA-crypt ($5$, $6$) and bcrypt
// ($2a$, $2b$, $2y$).
//
// The entry point is [Verify]. It is as slow as the hash is meant to be: some
// milliseconds and more.
package crypt

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// ErrUnsupported reports a kind of hash that cannot be checked here. Its text says
// which, never the hash.
var ErrUnsupported = errors.New("password hash cannot be checked")

// ErrMalformed reports a hash that is none of its own kind, or one whose cost is
// beyond what a daemon should spend on a packet.
var ErrMalformed = errors.New("malformed password hash")

const (
	// maxPassword bounds the work: both families of hashes read the password in
	// every round. The server_auth field of a packet has room for less.
	maxPassword = 512
	// maxBcryptCost is about two seconds on today's machines.
	maxBcryptCost = 15
)

// Verify reports whether password has the hash. The comparison takes the same time
// wherever the difference is. An empty hash and one that is locked with "!" or "*"
// fit no password.
func Verify(hash, password string) (bool, error) {
	if len(password) > maxPassword || strings.IndexByte(password, 0) >= 0 {
		return false, nil // no system's passwd takes those
	}
	if hash == "" || hash[0] == '!' || hash[0] == '*' {
		return false, nil
	}
	if hash[0] != '$' {
		return false, fmt.Errorf("%w: DES", ErrUnsupported)
	}
	id, rest, _ := strings.Cut(hash[1:], "$")
	switch id {
	case "1":
		return verifyMD5(rest, password)
	case "5":
		return sha256Crypt.verify(rest, password)
	case "6":
		return sha512Crypt.verify(rest, password)
	case "2a", "2b", "2y":
		return verifyBcrypt(hash, password)
	case "y", "gy", "7":
		return false, fmt.Errorf("%w: yescrypt and its relatives are not supported, SHA-512 is", ErrUnsupported)
	}
	return false, fmt.Errorf("%w: unknown kind", ErrUnsupported)
}

func verifyBcrypt(hash, password string) (bool, error) {
	cost, err := bcrypt.Cost([]byte(hash))
	if err != nil || cost > maxBcryptCost {
		return false, ErrMalformed
	}
	switch err := bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)); {
	case err == nil:
		return true, nil
	case errors.Is(err, bcrypt.ErrMismatchedHashAndPassword):
		return false, nil
	}
	return false, ErrMalformed
}

// splitSalt cuts salt$digest and checks both.
func splitSalt(s string, maxSalt, digestLen int) (salt, digest string, err error) {
	salt, digest, ok := strings.Cut(s, "$")
	if !ok || len(salt) > maxSalt || len(digest) != digestLen {
		return "", "", ErrMalformed
	}
	return salt, digest, nil
}

func equal(got []byte, want string) bool {
	return subtle.ConstantTimeCompare(got, []byte(want)) == 1
}

// itoa64 is the alphabet of the crypt hashes.
const itoa64 = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// append24 appends n characters for the three bytes, least significant bits first.
func append24(dst []byte, b2, b1, b0 byte, n int) []byte {
	for w := uint(b2)<<16 | uint(b1)<<8 | uint(b0); n > 0; n-- {
		dst = append(dst, itoa64[w&0x3f])
		w >>= 6
	}
	return dst
}
