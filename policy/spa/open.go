package spa

import (
	"bytes"
	"crypto/aes"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"

	"fwknopd/policy/openssl"
)

// A Key has the symmetric keys of a stanza and the rules for its messages.
type Key struct {
	Passphrase []byte // KEY or KEY_BASE64, as given
	// LegacyPad pads a passphrase shorter than 16 bytes with '0', as 1.9 does.
	LegacyPad bool
	// Mode is "cbc" (also ""), "ctr", "ofb", "cfb", "ecb" or "legacy", which is CBC
	// with the passphrase padded or cut to 16 bytes.
	Mode     string
	HMACKey  []byte // none: packets carry no HMAC
	HMACType string // "" is sha256
	Rules
}

// Rules are the rules for messages that do not depend on the key.
type Rules struct {
	// Digests are the names of the accepted inner digests; nil: all seven.
	Digests []string
	// AllowHosts accepts a host name in the NAT field.
	AllowHosts bool
	// Perl19 selects the rules of 1.9 servers where 2.x servers differ: the base64
	// prefix may be left on the wire, ICMP may be requested, protocol names may be
	// upper case, client timeouts and commands may be longer, server_auth is for types
	// 0 and 1 only, and clients before 0.9.3 are refused.
	Perl19 bool
}

const (
	// saltedPrefix is the beginning of the base64 of every container: 60 of the 64 bits
	// of "Salted__". Clients do not send it.
	saltedPrefix = "U2FsdGVkX1"

	// MaxText bounds the text of an SPA packet, HMAC included. A datagram of 1500
	// bytes is the most a client sends; plaintexts are bounded by maxPlain as well.
	MaxText = 2048
	// minText is the length of a container with three blocks, as the shortest plaintext
	// needs.
	minText = (len(openssl.Magic)+openssl.SaltSize+3*aes.BlockSize)*4/3 - len(saltedPrefix)

	// Limits of the plaintext, bytes.
	minPlain = 36
	maxPlain = 1500 // exclusive
)

// An Opener opens the SPA packets of one [Key]. It is not safe for concurrent use,
// since it reuses its buffers.
type Opener struct {
	mode       *mode
	passphrase []byte
	mac        hash.Hash // nil: no HMAC
	macAlg     *algorithm
	digests    digestSet
	rules      Rules

	wire    []byte // text with its prefix, without HMAC and padding
	raw     []byte // the container; decrypted in place
	arena   []byte // decoded fields
	derived openssl.Key
	sum     [maxDigest]byte
	tag     [maxDigestB64]byte
}

// NewOpener checks the key and prepares it for use.
func NewOpener(k Key) (*Opener, error) {
	o := &Opener{mode: modeOf(k.Mode), rules: k.Rules}
	if o.mode == nil {
		return nil, fmt.Errorf("unknown encryption mode %q", k.Mode)
	}
	var err error
	if o.passphrase, err = k.passphrase(); err != nil {
		return nil, err
	}
	if o.mac, o.macAlg, err = newMAC(k.HMACKey, k.HMACType); err != nil {
		return nil, err
	}
	if o.mac != nil && bytes.Equal(k.Passphrase, k.HMACKey) {
		return nil, errors.New("encryption key and hmac key are the same")
	}
	o.digests, err = k.digestSet()
	return o, err
}

// legacyLen is the length to which old clients pad or cut a passphrase.
const legacyLen = 16

// passphrase returns the passphrase as used for the key derivation.
func (k *Key) passphrase() ([]byte, error) {
	p := bytes.Clone(k.Passphrase)
	if len(p) == 0 {
		return nil, errors.New("empty key")
	}
	if k.Mode == "legacy" || k.LegacyPad {
		for len(p) < legacyLen {
			p = append(p, '0')
		}
	}
	if k.Mode == "legacy" {
		p = p[:legacyLen]
	}
	return p, nil
}

// digestSet returns the set of r.Digests; an unknown name is an error.
func (r *Rules) digestSet() (digestSet, error) {
	if r.Digests == nil {
		return 1<<len(algorithms) - 1, nil
	}
	var set digestSet
	for _, name := range r.Digests {
		i := 0
		for i < len(algorithms) && algorithms[i].name != name {
			i++
		}
		if i == len(algorithms) {
			return 0, fmt.Errorf("unknown digest type %q", name)
		}
		set |= 1 << i
	}
	return set, nil
}

// Open authenticates, decrypts and decodes text, the standard base64 of one SPA packet
// as returned by [Carrier], into m. m is valid only on success; the next Open with the
// same m reuses its slices.
//
// The checks are in the order of their cost: length, first character, HMAC, alphabet
// and decryption, inner digest, fields. Up to the HMAC nothing is allocated. The error
// wraps one of ErrNotSPA … ErrMalformed.
func (o *Opener) Open(text []byte, m *Message) error {
	if len(text) < minText || len(text) > MaxText {
		return errLength
	}
	switch text[0] {
	case '8', '9', '+', '/':
	case 'U':
		if !bytes.HasPrefix(text, []byte(saltedPrefix)) {
			return errFirstChar
		}
		if !o.rules.Perl19 {
			return errPrefix
		}
		text = text[len(saltedPrefix):]
	default:
		return errFirstChar
	}
	o.wire = append(append(o.wire[:0], saltedPrefix...), text...)
	body, err := o.authenticate(o.wire)
	if err != nil {
		switch with, without := isContainer(len(o.wire)-o.macAlg.b64), isContainer(len(o.wire)); {
		case with && without:
			return errAnyMAC
		case without:
			return errNoMAC
		}
		return err
	}
	plain, err := o.decrypt(body)
	if err != nil {
		return err
	}
	o.arena, err = decode(plain, o.digests, &o.rules, o.arena, m)
	return err
}

// authenticate checks and cuts off the HMAC, which covers the text with its prefix.
func (o *Opener) authenticate(wire []byte) ([]byte, error) {
	if o.mac == nil {
		return wire, nil
	}
	return checkMAC(o.mac, o.macAlg, wire, o.sum[:0], o.tag[:])
}

// isContainer reports whether n characters of base64 can be a salted container: a
// header and whole blocks. This tells most packets without an HMAC from those with an
// HMAC of another key.
func isContainer(n int) bool {
	size := base64.RawStdEncoding.DecodedLen(n) - len(openssl.Magic) - openssl.SaltSize
	return size >= aes.BlockSize && size%aes.BlockSize == 0 && base64.RawStdEncoding.EncodedLen(size+len(openssl.Magic)+openssl.SaltSize) == n
}

// decrypt returns the plaintext, which aliases o.raw.
func (o *Opener) decrypt(wire []byte) ([]byte, error) {
	raw, err := decodeWire(o.raw[:0], wire)
	o.raw = raw
	if err != nil {
		return nil, err
	}
	if len(raw) < len(openssl.Magic)+openssl.SaltSize+aes.BlockSize {
		return nil, errBlocks
	}
	if string(raw[:len(openssl.Magic)]) != openssl.Magic {
		return nil, errFirstChar
	}
	salt, data := raw[len(openssl.Magic):len(openssl.Magic)+openssl.SaltSize], raw[len(openssl.Magic)+openssl.SaltSize:]
	if len(data)%aes.BlockSize != 0 {
		return nil, errBlocks
	}
	o.arena = o.derived.Derive(o.passphrase, salt, o.arena)
	block, err := aes.NewCipher(o.derived.Key[:])
	if err != nil {
		return nil, err
	}
	o.mode.decrypt(block, o.derived.IV[:], data)
	plain, ok := openssl.Unpad(data)
	if !ok && o.mode.name != "legacy" { // old clients do not pad whole blocks; the digest decides
		return nil, errPadding
	}
	return plain, nil
}
