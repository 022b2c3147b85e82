package spa

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"hash"
	"slices"
)

// newMAC returns the HMAC that packets are made with, nil without a key.
func newMAC(key []byte, name string) (hash.Hash, *algorithm, error) {
	if len(key) == 0 {
		return nil, nil, nil
	}
	if name == "" {
		name = "sha256"
	}
	a := algorithmOf(name)
	if a == nil {
		return nil, nil, fmt.Errorf("unknown hmac type %q", name)
	}
	return hmac.New(a.new, key), a, nil
}

// algorithm is a hash function for the inner digest and the HMAC.
type algorithm struct {
	name string
	b64  int // length of a digest in base64 without padding
	new  func() hash.Hash
	sum  func(data []byte) [maxDigest]byte
}

// algorithms are in the order in which those of equal length are tried.
var algorithms = [...]algorithm{
	{"md5", 22, md5.New, func(p []byte) [maxDigest]byte { d := md5.Sum(p); return widen(d[:]) }},
	{"sha1", 27, sha1.New, func(p []byte) [maxDigest]byte { d := sha1.Sum(p); return widen(d[:]) }},
	{"sha256", 43, sha256.New, func(p []byte) [maxDigest]byte { d := sha256.Sum256(p); return widen(d[:]) }},
	{"sha384", 64, sha512.New384, func(p []byte) [maxDigest]byte { d := sha512.Sum384(p); return widen(d[:]) }},
	{"sha512", 86, sha512.New, func(p []byte) [maxDigest]byte { d := sha512.Sum512(p); return widen(d[:]) }},
	{"sha3_256", 43, func() hash.Hash { return sha3.New256() }, func(p []byte) [maxDigest]byte { d := sha3.Sum256(p); return widen(d[:]) }},
	{"sha3_512", 86, func() hash.Hash { return sha3.New512() }, func(p []byte) [maxDigest]byte { d := sha3.Sum512(p); return widen(d[:]) }},
}

const (
	maxDigest    = 64 // raw, bytes: SHA-512
	maxDigestB64 = 86
)

// algorithmOf returns nil for an unknown name.
func algorithmOf(name string) *algorithm {
	if i := indexOf(name); i >= 0 {
		return &algorithms[i]
	}
	return nil
}

// indexOf returns the place in algorithms, -1 for an unknown name.
func indexOf(name string) int {
	return slices.IndexFunc(algorithms[:], func(a algorithm) bool { return a.name == name })
}

// digestSet is a set of algorithms, one bit each by index.
type digestSet uint8

// verify returns the algorithm whose digest of body is the base64 text want.
func (s digestSet) verify(body, want []byte) (*algorithm, error) {
	err := errDigestLen
	for i := range algorithms {
		a := &algorithms[i]
		if a.b64 != len(want) {
			continue
		}
		if s&(1<<i) == 0 {
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
	var text [maxDigestB64]byte
	return subtle.ConstantTimeCompare(a.appendText(text[:0], body), want) == 1
}

// appendText appends the digest of body in base64.
func (a *algorithm) appendText(b, body []byte) []byte {
	raw := a.sum(body) // by value: behind a pointer it would be allocated
	return base64.RawStdEncoding.AppendEncode(b, raw[:a.size()])
}

// size is the length of a digest in bytes.
func (a *algorithm) size() int { return a.b64 * 3 / 4 }

func widen(d []byte) (w [maxDigest]byte) { copy(w[:], d); return w }
