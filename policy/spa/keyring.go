package spa

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

var (
	// ErrNoSecretKey: the exports hold no secret key of the wanted id that can
	// decrypt.
	ErrNoSecretKey = errors.New("no secret key to decrypt with")
	// ErrLocked: the passphrase does not unlock the secret key.
	ErrLocked = errors.New("the passphrase does not unlock the secret key")
)

// A Keyring holds the OpenPGP keys of one server: unlocked secret keys for decryption,
// and the public keys of possible signers. It is not safe for concurrent use, since
// verified self-signatures are cached.
type Keyring struct {
	signers    []*openpgp.Entity
	decrypters []*openpgp.Entity
	locked     error           // wraps ErrLocked or ErrNoSecretKey; nil: ready
	valid      map[string]bool // by fingerprint of the primary key; nil: all are
}

// NewKeyring reads exported keys, binary or armored, several keys and blocks in each.
// It uses the secret keys that one of decryptIDs names: hex digits from the end of a
// fingerprint, or part of a user id; without any id all. Of duplicate keys the first is
// used. Keys that the passphrase does not unlock are left out.
//
// With an error that wraps [ErrNoSecretKey] or [ErrLocked] a keyring is returned that
// refuses every packet, so that a server can report the error and go on.
func NewKeyring(exports [][]byte, decryptIDs []string, passphrase []byte) (*Keyring, error) {
	k := new(Keyring)
	for _, e := range exports {
		entities, err := readKeys(e)
		if err != nil {
			return nil, err
		}
		for _, e := range entities {
			k.add(e, decryptIDs)
		}
	}
	k.locked = k.unlock(passphrase)
	for _, e := range k.signers {
		e.SigningKeyById(time.Time{}, 0, &signaturePolicy) // verifies and caches the self-signatures
	}
	return k, k.locked
}

// readKeys reads one export.
func readKeys(data []byte) ([]*openpgp.Entity, error) {
	if !bytes.Contains(data, []byte("-----BEGIN PGP ")) {
		return openpgp.ReadKeyRing(bytes.NewReader(data))
	}
	var all []*openpgp.Entity
	for r := bufio.NewReader(bytes.NewReader(data)); ; {
		block, err := armor.Decode(r)
		switch {
		case err == io.EOF && all != nil:
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("armored keys: %w", err)
		case block.Type != openpgp.PublicKeyType && block.Type != openpgp.PrivateKeyType:
			return nil, fmt.Errorf("armored keys: a %q is none", block.Type)
		}
		keys, err := openpgp.ReadKeyRing(block.Body)
		if err != nil {
			return nil, err
		}
		all = append(all, keys...)
	}
}

func (k *Keyring) add(e *openpgp.Entity, decryptIDs []string) {
	same := func(o *openpgp.Entity) bool { return bytes.Equal(o.PrimaryKey.Fingerprint, e.PrimaryKey.Fingerprint) }
	if !slices.ContainsFunc(k.signers, same) {
		k.signers = append(k.signers, e)
	}
	if len(e.DecryptionKeys(0, time.Time{}, &signaturePolicy)) > 0 && hasSecret(e) && namedByAny(e, decryptIDs) &&
		!slices.ContainsFunc(k.decrypters, same) {
		k.decrypters = append(k.decrypters, e)
	}
}

func hasSecret(e *openpgp.Entity) bool {
	return slices.ContainsFunc(e.DecryptionKeys(0, time.Time{}, &signaturePolicy),
		func(key openpgp.Key) bool { return key.PrivateKey != nil && !key.PrivateKey.Dummy() })
}

func namedByAny(e *openpgp.Entity, ids []string) bool {
	return len(ids) == 0 || slices.ContainsFunc(ids, func(id string) bool { return named(e, id) })
}

// unlock unlocks the decryption keys and removes those that it cannot. Signing keys stay
// locked: they are not needed.
func (k *Keyring) unlock(passphrase []byte) error {
	if len(k.decrypters) == 0 {
		return ErrNoSecretKey
	}
	open := slices.DeleteFunc(slices.Clone(k.decrypters), func(e *openpgp.Entity) bool { return !unlock(e, passphrase) })
	if len(open) == 0 {
		return ErrLocked
	}
	k.decrypters = open
	return nil
}

func unlock(e *openpgp.Entity, passphrase []byte) bool {
	var locked []*packet.PrivateKey
	for _, key := range e.DecryptionKeys(0, time.Time{}, &signaturePolicy) {
		if key.PrivateKey != nil && !key.PrivateKey.Dummy() && key.PrivateKey.Encrypted {
			locked = append(locked, key.PrivateKey)
		}
	}
	return len(locked) == 0 || packet.DecryptPrivateKeys(locked, passphrase) == nil
}

// Decrypts reports whether the ring has an unlocked secret key that id names, as for
// [NewKeyring].
func (k *Keyring) Decrypts(id string) bool {
	return k.locked == nil && slices.ContainsFunc(k.decrypters, func(e *openpgp.Entity) bool { return named(e, id) })
}

// Has reports whether the ring has a public key with that id or fingerprint.
func (k *Keyring) Has(id string) bool {
	id = normalID(id)
	return isKeyID(id) && slices.ContainsFunc(k.signers, func(e *openpgp.Entity) bool { return named(e, id) })
}

// Restrict accepts as signers only keys whose primary fingerprint is listed, in upper
// case hex: the valid ones of a GnuPG home.
func (k *Keyring) Restrict(fingerprints []string) {
	k.valid = make(map[string]bool)
	for _, f := range fingerprints {
		k.valid[normalID(f)] = true
	}
}

// isValid reports whether the key with that primary fingerprint may sign.
func (k *Keyring) isValid(primary string) bool { return k.valid == nil || k.valid[primary] }

// KeysById implements openpgp.KeyRing.
func (k *Keyring) KeysById(id uint64) []openpgp.Key {
	return openpgp.EntityList(k.EntitiesById(id)).KeysById(id)
}

// EntitiesById implements openpgp.KeyRing. Signers are first, because the first entity
// is used for the signature; any is used for decryption. Id 0, a hidden recipient, is
// any secret key.
func (k *Keyring) EntitiesById(id uint64) (all []*openpgp.Entity) {
	if id == 0 {
		return k.decrypters
	}
	for _, list := range [][]*openpgp.Entity{k.signers, k.decrypters} {
		for _, e := range list {
			if hasKeyID(e, id) && !slices.Contains(all, e) {
				all = append(all, e)
			}
		}
	}
	return all
}

// decrypts reports whether a session key for this key id may be for one of our keys.
func (k *Keyring) decrypts(id uint64) bool {
	return id == 0 || slices.ContainsFunc(k.decrypters, func(e *openpgp.Entity) bool { return hasKeyID(e, id) })
}

func hasKeyID(e *openpgp.Entity, id uint64) bool {
	return e.PrimaryKey.KeyId == id ||
		slices.ContainsFunc(e.Subkeys, func(s openpgp.Subkey) bool { return s.PublicKey.KeyId == id })
}

// AnyKey in a list of key ids stands for every key of the ring.
const AnyKey = "ANY"

// keyIDs is a list of GPG_REMOTE_ID or GPG_FINGERPRINT_ID.
type keyIDs struct {
	ids []string // normalized
	any bool
}

// newKeyIDs checks a list. An id that matches several keys of the ring is an error.
func newKeyIDs(list []string, ring *Keyring) (keyIDs, error) {
	var k keyIDs
	for _, s := range list {
		id := normalID(s)
		if id == AnyKey {
			k.any = true
			continue
		}
		if !isKeyID(id) {
			return k, fmt.Errorf("%q is no key id of %d or %d digits and no fingerprint", s, shortID, longID)
		}
		fits := 0
		for _, e := range ring.signers {
			if named(e, id) {
				fits++
			}
		}
		if fits > 1 {
			return k, fmt.Errorf("key id %s fits %d keys of the ring, a fingerprint is needed", id, fits)
		}
		k.ids = append(k.ids, id)
	}
	return k, nil
}

func (k keyIDs) empty() bool { return !k.any && len(k.ids) == 0 }

// names reports whether id, which may be shorter than the listed one, is listed.
func (k keyIDs) names(id string) bool {
	return k.has(id) || slices.ContainsFunc(k.ids, func(listed string) bool { return matchID(listed, id) })
}

// has reports whether one of the fingerprints is listed.
func (k keyIDs) has(fingerprints ...string) bool {
	for _, id := range k.ids {
		for _, f := range fingerprints {
			if f != "" && matchID(f, id) {
				return true
			}
		}
	}
	return k.any
}

// named reports whether id names the key: by the end of the fingerprint of the primary
// key or a subkey, or by a part of a user id.
func named(e *openpgp.Entity, id string) bool {
	if hex := normalID(id); isKeyID(hex) {
		return slices.ContainsFunc(fingerprints(e), func(f string) bool { return matchID(f, hex) })
	}
	for name := range e.Identities {
		if strings.Contains(strings.ToLower(name), strings.ToLower(id)) {
			return true
		}
	}
	return id == ""
}

// Lengths of key ids and fingerprints, hex digits.
const (
	shortID = 8 // 32 bits: keys with a given short id can be generated
	longID  = 16
	fprV4   = 40
	fprV6   = 64
)

func isKeyID(id string) bool {
	switch len(id) {
	case shortID, longID, fprV4, fprV6:
		return strings.Trim(id, "0123456789ABCDEF") == ""
	}
	return false
}

// normalID returns id in upper case without 0x and blanks.
func normalID(id string) string {
	id = strings.ToUpper(strings.ReplaceAll(id, " ", ""))
	return strings.TrimPrefix(id, "0X")
}

// matchID reports whether id, normalized, names the key with that fingerprint. The key
// id is the end of a v4 fingerprint and the beginning of a v6 one.
func matchID(fingerprint, id string) bool {
	if len(fingerprint) == fprV6 && len(id) < fprV6 {
		return strings.HasPrefix(fingerprint, id)
	}
	return strings.HasSuffix(fingerprint, id)
}

// fingerprints returns those of the primary key and of all subkeys.
func fingerprints(e *openpgp.Entity) []string {
	all := []string{fingerprint(e.PrimaryKey.Fingerprint)}
	for _, s := range e.Subkeys {
		all = append(all, fingerprint(s.PublicKey.Fingerprint))
	}
	return all
}

// fingerprint returns raw in upper case hex.
func fingerprint(raw []byte) string { return strings.ToUpper(hex.EncodeToString(raw)) }
