package spa

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"io"

	"github.com/dchest/siphash"

	"fwknopd/policy/openssl"
)

// The salt of a packet is random. To tell a server with thousands of keys whose packet it
// is, a client may draw half of it and have the rest be a tag of that half:
//
//	salt = random (4 bytes) | tag (4 bytes)
//	tag  = the first 4 bytes of SipHash-2-4(key, random)
//	key  = 16 bytes of HKDF-SHA-256 (RFC 5869) of
//	         length (4 bytes, big-endian) | passphrase | length | HMAC key
//	       without salt, with the info "fwknop salt tag 1"
//
// The passphrase is that of the key derivation, padded or cut if the mode asks for it.
// The HMAC key is that of RFC 2104: hashed if it is longer than the block of its hash, and
// without zero bytes at its end; empty if there is none. Servers that know no tags see a
// salt like any other. Without the keys a tag cannot be distinguished from random bytes, and two
// packets show to be of one key only if their salts are the same.
//
// Half of a salt repeats sooner. In CBC mode the first block, which is the random value of
// the message, hides that; the other modes would show more, and have no tags.

// saltTagInfo separates the key from all others; another format must have another.
const saltTagInfo = "fwknop salt tag 1"

// saltRandom is how many bytes of a tagged salt are random.
const saltRandom = openssl.SaltSize / 2

// A SaltKey is the key of the tags of one [Key], and as secret. Keys with the same
// passphrase and HMAC key have the same; no packet opens with two that differ.
type SaltKey struct{ k0, k1 uint64 }

// SaltKey derives the key of tags. An unknown HMAC type and an empty passphrase are errors.
func (k *Key) SaltKey() (SaltKey, error) {
	passphrase, err := k.passphrase()
	if err != nil {
		return SaltKey{}, err
	}
	mac, err := effectiveMACKey(k.HMACKey, k.HMACType)
	if err != nil {
		return SaltKey{}, err
	}
	var secret []byte
	for _, key := range [][]byte{passphrase, mac} {
		secret = append(binary.BigEndian.AppendUint32(secret, uint32(len(key))), key...)
	}
	b, err := hkdf.Key(sha256.New, secret, nil, saltTagInfo, 16)
	if err != nil {
		return SaltKey{}, err
	}
	return SaltKey{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])}, nil
}

// tag returns the tag of the random bytes of a salt, read as a little-endian number.
func (k *SaltKey) tag(random *[saltRandom]byte) uint32 {
	return uint32(siphash.Hash(k.k0, k.k1, random[:]))
}

// Tags reports whether the salt has the tag that a client with the key gives it. Another salt
// has it by chance, once in 2^32 times.
func (k *SaltKey) Tags(s *Salt) bool { return k.tag(&s.random) == s.tag }

// A Salt is that of a packet, which may be tagged.
type Salt struct {
	random [saltRandom]byte
	tag    uint32 // little-endian
}

// Salt returns the salt of a valid packet. ok is false if there is none, as some character
// is not base64.
func (p *Packet) Salt() (s Salt, ok bool) {
	const from, to = 8, 24 // bytes 6 to 17 of the container
	var room [(to - from) * 3 / 4]byte
	raw, _, err := decodeSextets(room[:0], p.wire[from:to])
	if err != nil {
		return s, false
	}
	raw = raw[len(openssl.Magic)-from*3/4:]
	copy(s.random[:], raw)
	s.tag = binary.LittleEndian.Uint32(raw[saltRandom:])
	return s, true
}

// MayTag reports whether packets with the key can be tagged: the mode is CBC.
func (k *Key) MayTag() bool {
	m := modeOf(k.Mode)
	return m != nil && m.hidesRepeats
}

// newSalt draws a salt, with a tag if one is asked for and the mode allows it.
func (k *Key) newSalt(opt *EncodeOptions) (salt [openssl.SaltSize]byte, err error) {
	if !opt.Tag || !k.MayTag() {
		_, err = io.ReadFull(opt.Rand, salt[:])
		return salt, err
	}
	tags, err := k.SaltKey()
	if err != nil {
		return salt, err
	}
	random := (*[saltRandom]byte)(salt[:])
	if _, err = io.ReadFull(opt.Rand, random[:]); err == nil {
		binary.LittleEndian.PutUint32(salt[saltRandom:], tags.tag(random))
	}
	return salt, err
}
