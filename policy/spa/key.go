package spa

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
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

// newMAC returns nil without an HMAC key.
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

const (
	keySize  = 32 // AES-256
	saltSize = 8
	padTo    = 16 // bytes a short passphrase is filled up to
)

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

// derived is an AES-256 key with its initialisation vector.
type derived struct {
	key [keySize]byte
	iv  [md5.Size]byte
}

// derive is the salted key derivation of SPA, OpenSSL's EVP_BytesToKey with MD5
// and one iteration. buf is scratch space.
func derive(d *derived, passphrase, salt, buf []byte) []byte {
	buf = append(append(buf[:0], passphrase...), salt...)
	d1 := md5.Sum(buf)
	buf = append(append(append(buf[:0], d1[:]...), passphrase...), salt...)
	d2 := md5.Sum(buf)
	copy(buf, d2[:])
	d.iv = md5.Sum(buf)
	copy(d.key[:md5.Size], d1[:])
	copy(d.key[md5.Size:], d2[:])
	return buf
}
