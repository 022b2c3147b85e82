package spa

import (
	"bytes"
	"cmp"
	"crypto/subtle"
	"encoding"
	"fmt"
	"hash"
)

// A macKey is an HMAC key as the states of the inner and the outer hash that have read
// the padded key (FIPS 198-1, section 6), so that neither is computed again for each
// packet. The states are as secret as the key.
type macKey struct {
	alg    int    // index into algorithms; -1: no key
	states []byte // of the inner hash, then of the outer
}

// A stateHash is what every hash of the standard library is.
type stateHash interface {
	hash.Hash
	encoding.BinaryAppender
	encoding.BinaryUnmarshaler
}

// newMACKey prepares an HMAC key; "" is sha256.
func newMACKey(key []byte, name string) (macKey, error) {
	if len(key) == 0 {
		return macKey{alg: -1}, nil
	}
	if name == "" {
		name = "sha256"
	}
	i := indexOf(name)
	if i < 0 {
		return macKey{}, fmt.Errorf("unknown hmac type %q", name)
	}
	h := algorithms[i].new().(stateHash)
	block := macBlock(key, h)
	m := macKey{alg: i}
	for _, pad := range []byte{0x36, 0x36 ^ 0x5c} { // the second on top of the first
		for j := range block {
			block[j] ^= pad
		}
		h.Reset()
		h.Write(block)
		var err error
		if m.states, err = h.AppendBinary(m.states); err != nil {
			return m, err
		}
	}
	m.states = append(make([]byte, 0, len(m.states)), m.states...) // no more room than needed
	return m, nil
}

// macBlock returns a key as HMAC uses it: padded with zeros to a block of h, and hashed
// before if it is longer. h may be used again after a Reset.
func macBlock(key []byte, h hash.Hash) []byte {
	block := make([]byte, h.BlockSize())
	if len(key) > len(block) {
		h.Write(key)
		key = h.Sum(nil)
	}
	copy(block, key)
	return block
}

// effectiveMACKey returns an HMAC key so that two that give the same HMACs are equal. It
// has no zero bytes at its end.
func effectiveMACKey(key []byte, name string) ([]byte, error) {
	if len(key) == 0 {
		return nil, nil
	}
	i := indexOf(cmp.Or(name, "sha256"))
	if i < 0 {
		return nil, fmt.Errorf("unknown hmac type %q", name)
	}
	return bytes.TrimRight(macBlock(key, algorithms[i].new()), "\x00"), nil
}

// isZero reports whether there is no key.
func (m *macKey) isZero() bool { return m.alg < 0 }

// authentic reports whether tag, whole bytes, is the HMAC of text. It does not allocate.
func (m *macKey) authentic(text, tag []byte, room *macRoom) bool {
	h := room.hash(m.alg)
	half := len(m.states) / 2
	if h.UnmarshalBinary(m.states[:half]) != nil {
		return false
	}
	h.Write(text)
	sum := h.Sum(room.sum[:0])
	if h.UnmarshalBinary(m.states[half:]) != nil {
		return false
	}
	h.Write(sum)
	sum = h.Sum(room.sum[:0])
	return subtle.ConstantTimeCompare(sum, tag) == 1
}

// A macRoom is what computing HMACs needs beside keys; one serves all keys. The zero
// value is ready.
type macRoom struct {
	hashes [len(algorithms)]stateHash
	sum    [maxDigest]byte
}

func (r *macRoom) hash(alg int) stateHash {
	if r.hashes[alg] == nil {
		r.hashes[alg] = algorithms[alg].new().(stateHash)
	}
	return r.hashes[alg]
}
