package spa

import (
	"bytes"
	"crypto/aes"
	"errors"
	"fmt"

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

// An Opener opens the SPA packets of one [Key]. It does not change, and has no buffers:
// these are in [Packet], so that thousands of keys take little memory.
type Opener struct {
	mode       *mode
	passphrase []byte
	mac        macKey
	rules      Rules
	digests    digestSet
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
	if o.mac, err = newMACKey(k.HMACKey, k.HMACType); err != nil {
		return nil, err
	}
	if !o.mac.isZero() && bytes.Equal(k.Passphrase, k.HMACKey) {
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

// Open authenticates, decrypts and decodes a packet into m. m is valid only on success;
// the next Open with the same m reuses its slices.
//
// The checks are in the order of their cost: length, first character, form, HMAC or
// padding, decryption, inner digest, fields. Up to the HMAC nothing is allocated. The
// error wraps one of ErrNotSPA … ErrMalformed.
func (o *Opener) Open(p *Packet, m *Message) error {
	if err := o.gate(p); err != nil {
		return err
	}
	raw, err := o.authenticate(p)
	if err != nil {
		return err
	}
	plain, err := o.decrypt(p, raw)
	if err != nil {
		return err
	}
	p.arena, err = decode(plain, o.digests, &o.rules, p.arena, m)
	return err
}

// gate returns why the packet is none for this key whatever is in it.
func (o *Opener) gate(p *Packet) error {
	switch {
	case p.invalid != nil:
		return p.invalid
	case p.prefixed && !o.rules.Perl19:
		return errPrefix
	}
	return nil
}

// Misses returns the error of Open for a packet that an opener with another [SaltKey] opens,
// where that is known without a trial. The form of the packet shows it, unless both have the
// same HMAC key, or o has none and the packet could do without.
func (o *Opener) Misses(p *Packet, other *Opener) (err error, known bool) {
	if err = o.gate(p); err != nil {
		return err, true
	}
	if o.mac.isZero() {
		_, err = p.container()
		return err, err != nil
	}
	if o.mac.alg == other.mac.alg && bytes.Equal(o.mac.states, other.mac.states) {
		return nil, false
	}
	return p.tag(o.mac.alg).mismatch, true
}

// authenticate checks the HMAC, which covers the text with its prefix, and returns the
// container in front of it.
func (o *Opener) authenticate(p *Packet) ([]byte, error) {
	if o.mac.isZero() {
		return p.container()
	}
	t, cut := p.tag(o.mac.alg), len(p.wire)-algorithms[o.mac.alg].b64
	if !t.possible || !o.mac.authentic(p.wire[:cut], t.sum[:algorithms[o.mac.alg].size()], &p.room) {
		return nil, t.mismatch
	}
	var err error
	p.body, err = decodeContainer(p.body[:0], p.wire[:cut])
	return p.body, err
}

// decrypt returns the plaintext of a container, in the buffers of p. Without an HMAC
// most keys that are tried are wrong, which the padding shows after one block.
func (o *Opener) decrypt(p *Packet, raw []byte) ([]byte, error) {
	salt, data := raw[len(openssl.Magic):len(openssl.Magic)+openssl.SaltSize], raw[len(openssl.Magic)+openssl.SaltSize:]
	p.arena = p.derived.DeriveKey(o.passphrase, salt, p.arena)
	block, err := aes.NewCipher(p.derived.Key[:])
	if err != nil {
		return nil, err
	}
	strict := o.mode.name != "legacy" // old clients do not pad whole blocks; the digest decides
	if o.mac.isZero() && strict && o.mode.last != nil && len(data) >= 2*aes.BlockSize {
		last := p.room.sum[:aes.BlockSize]
		o.mode.last(block, last, data)
		if _, ok := openssl.Unpad(last); !ok {
			return nil, errPadding
		}
	}
	p.arena = p.derived.DeriveIV(o.passphrase, salt, p.arena)
	if o.mac.isZero() { // other keys may need the container
		p.plain = append(p.plain[:0], data...)
		data = p.plain
	}
	o.mode.decrypt(block, p.derived.IV[:], data)
	plain, ok := openssl.Unpad(data)
	if !ok && strict {
		return nil, errPadding
	}
	return plain, nil
}
