package spa

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// Lengths of the ways to name a key, hex digits.
const (
	shortID = 8 // 32 bits: everybody can make a key with a given one
	longID  = 16
	fprV4   = 40
	fprV6   = 64
)

// AnyKey in place of key ids is every key of the ring.
const AnyKey = "ANY"

// normalID is upper case without 0x and blanks.
func normalID(id string) string {
	id = strings.ToUpper(strings.ReplaceAll(id, " ", ""))
	return strings.TrimPrefix(id, "0X")
}

func isKeyID(id string) bool {
	switch len(id) {
	case shortID, longID, fprV4, fprV6:
		return strings.Trim(id, "0123456789ABCDEF") == ""
	}
	return false
}

// matchID reports that id, normal, names the key with that fingerprint. The key id
// is the end of a v4 fingerprint and the beginning of a v6 one.
func matchID(fingerprint, id string) bool {
	if len(fingerprint) == fprV6 && len(id) < fprV6 {
		return strings.HasPrefix(fingerprint, id)
	}
	return strings.HasSuffix(fingerprint, id)
}

// fingerprint is upper case hex.
func fingerprint(raw []byte) string { return strings.ToUpper(hex.EncodeToString(raw)) }

// fingerprints are those of the primary key and of all subkeys.
func fingerprints(e *openpgp.Entity) []string {
	all := []string{fingerprint(e.PrimaryKey.Fingerprint)}
	for _, s := range e.Subkeys {
		all = append(all, fingerprint(s.PublicKey.Fingerprint))
	}
	return all
}

// keyIDs is a list of GPG_REMOTE_ID or GPG_FINGERPRINT_ID.
type keyIDs struct {
	ids []string // normal
	any bool
}

// newKeyIDs checks a list. A short id that fits several keys of the ring names
// none of them.
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

// names reports that id, which may be shorter than what is listed, is on the list.
func (k keyIDs) names(id string) bool {
	return k.has(id) || slices.ContainsFunc(k.ids, func(listed string) bool { return matchID(listed, id) })
}

// has reports that one of the fingerprints, of the signing key and its primary key,
// is listed.
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
