package spa

import (
	"bytes"
	"crypto/aes"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
)

// A Key is what a stanza knows of one symmetric client.
type Key struct {
	Passphrase []byte // KEY or KEY_BASE64, as given
	// LegacyPad is the rule of 1.9 servers: a passphrase shorter than 16 bytes is
	// filled up with '0'.
	LegacyPad bool
	// Mode is "cbc" (also ""), "ctr", "ofb", "cfb", "ecb" or "legacy", which is CBC
	// with the passphrase brought to exactly 16 bytes.
	Mode     string
	HMACKey  []byte // none: packets carry no HMAC
	HMACType string // "" is sha256
	Rules
}

// Rules are the choices about a message that do not depend on the key.
type Rules struct {
	// Digests names the inner digests that are accepted; nil means all seven.
	Digests []string
	// AllowHosts lets the NAT field name a host instead of an address.
	AllowHosts bool
	// Perl19 selects the rules of 1.9 servers where they and 2.x servers differ on
	// what well-behaved clients send: the base64 prefix may be left on the wire,
	// ICMP may be asked for, protocol names may be upper case, client timeouts and
	// commands may be longer, server_auth goes with types 0 and 1 only, and clients
	// before 0.9.3 are refused.
	Perl19 bool
}

// digestSet resolves the names; an unknown one is an error.
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

// passphrase returns the bytes that go into the key derivation.
func (k *Key) passphrase() ([]byte, error) {
	p := bytes.Clone(k.Passphrase)
	if len(p) == 0 {
		return nil, errors.New("empty key")
	}
	if k.Mode == "legacy" || k.LegacyPad {
		for len(p) < padTo {
			p = append(p, '0')
		}
	}
	if k.Mode == "legacy" {
		p = p[:padTo]
	}
	return p, nil
}

const (
	// saltedPrefix is how the base64 of every container starts: ten characters are
	// 60 of the 64 bits of "Salted__". Clients leave it away.
	saltedPrefix = "U2FsdGVkX1"
	salted       = "Salted__"

	// MaxText bounds the text of an SPA packet, HMAC included. A datagram of 1500
	// bytes is the most a client sends; plaintexts are bounded by maxPlain as well.
	MaxText = 2048
	// minText: a container with three blocks, as the shortest plaintext needs.
	minText = (len(salted)+saltSize+3*aes.BlockSize)*4/3 - len(saltedPrefix)

	// Limits of the plaintext, bytes.
	minPlain = 36
	maxPlain = 1500 // exclusive
)

// An Opener opens the SPA packets of one [Key]. It keeps its working memory, so
// it is for one goroutine at a time.
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
	derived derived
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

// Open authenticates, decrypts and decodes text, the standard base64 of one SPA
// packet as [Carrier] delivers it, into m. Only on success does m hold a message;
// the memory of its slices is reused, so a caller that keeps one of them copies it.
//
// The checks come in the order of their cost: length, first character, HMAC,
// alphabet and decryption, inner digest, fields. Up to the HMAC nothing is
// allocated. The error wraps one of the kinds ErrNotSPA … ErrMalformed.
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

// authenticate checks and cuts off the HMAC. It covers the text as it was before
// the client took the prefix away.
func (o *Opener) authenticate(wire []byte) ([]byte, error) {
	if o.mac == nil {
		return wire, nil
	}
	return checkMAC(o.mac, o.macAlg, wire, o.sum[:0], o.tag[:])
}

// isContainer reports that n characters of base64 can be a salted container: whole
// blocks behind the header. With the right length it tells a packet without an HMAC from
// one with another key's.
func isContainer(n int) bool {
	size := base64.RawStdEncoding.DecodedLen(n) - len(salted) - saltSize
	return size >= aes.BlockSize && size%aes.BlockSize == 0 && base64.RawStdEncoding.EncodedLen(size+len(salted)+saltSize) == n
}

// decrypt returns the plaintext, which aliases the opener's memory.
func (o *Opener) decrypt(wire []byte) ([]byte, error) {
	raw, err := decodeWire(o.raw[:0], wire)
	o.raw = raw
	if err != nil {
		return nil, err
	}
	if len(raw) < len(salted)+saltSize+aes.BlockSize {
		return nil, errBlocks
	}
	if string(raw[:len(salted)]) != salted {
		return nil, errFirstChar
	}
	salt, data := raw[len(salted):len(salted)+saltSize], raw[len(salted)+saltSize:]
	if len(data)%aes.BlockSize != 0 {
		return nil, errBlocks
	}
	o.arena = derive(&o.derived, o.passphrase, salt, o.arena)
	block, err := aes.NewCipher(o.derived.key[:])
	if err != nil {
		return nil, err
	}
	o.mode.decrypt(block, o.derived.iv[:], data)
	plain, err := unpad(data)
	if err != nil && o.mode.name == "legacy" {
		return data, nil // old clients do not pad whole blocks; the digest decides
	}
	return plain, err
}
