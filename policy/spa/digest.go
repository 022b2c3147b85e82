package spa

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"hash"
)

// algorithm is one hash of SPA, used for the inner digest and for the HMAC.
type algorithm struct {
	name string
	b64  int // length of a digest in base64 without padding
	new  func() hash.Hash
	sum  func(dst, data []byte) []byte
}

// algorithms in the order in which a receiver tries those of equal length.
var algorithms = [...]algorithm{
	{"md5", 22, md5.New, func(d, p []byte) []byte { s := md5.Sum(p); return append(d, s[:]...) }},
	{"sha1", 27, sha1.New, func(d, p []byte) []byte { s := sha1.Sum(p); return append(d, s[:]...) }},
	{"sha256", 43, sha256.New, func(d, p []byte) []byte { s := sha256.Sum256(p); return append(d, s[:]...) }},
	{"sha384", 64, sha512.New384, func(d, p []byte) []byte { s := sha512.Sum384(p); return append(d, s[:]...) }},
	{"sha512", 86, sha512.New, func(d, p []byte) []byte { s := sha512.Sum512(p); return append(d, s[:]...) }},
	{"sha3_256", 43, func() hash.Hash { return sha3.New256() }, func(d, p []byte) []byte { s := sha3.Sum256(p); return append(d, s[:]...) }},
	{"sha3_512", 86, func() hash.Hash { return sha3.New512() }, func(d, p []byte) []byte { s := sha3.Sum512(p); return append(d, s[:]...) }},
}

const (
	maxDigest    = 64 // raw, bytes: SHA-512
	maxDigestB64 = 86
)

// algorithmOf returns nil for an unknown name.
func algorithmOf(name string) *algorithm {
	for i := range algorithms {
		if algorithms[i].name == name {
			return &algorithms[i]
		}
	}
	return nil
}

// digestSet is a set of algorithms, one bit each by index.
type digestSet uint8

func (s digestSet) has(i int) bool { return s&(1<<i) != 0 }

// verify finds the algorithm whose digest of body is the base64 text want.
func (s digestSet) verify(body, want []byte) (*algorithm, error) {
	err := errDigestLen
	for i := range algorithms {
		a := &algorithms[i]
		if a.b64 != len(want) {
			continue
		}
		if !s.has(i) {
			if err == errDigestLen {
				err = errDigestType
			}
			continue
		}
		err = errDigestValue
		if a.matches(body, want) {
			return a, nil
		}
	}
	return nil, err
}

func (a *algorithm) matches(body, want []byte) bool {
	var raw [maxDigest]byte
	var text [maxDigestB64]byte
	base64.RawStdEncoding.Encode(text[:], a.sum(raw[:0], body))
	return subtle.ConstantTimeCompare(text[:a.b64], want) == 1
}
