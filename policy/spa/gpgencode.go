package spa

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// A GPGSender has the OpenPGP keys of a client: the public key of the server and the
// unlocked secret key that it signs with.
type GPGSender struct {
	to, signer *openpgp.Entity
}

// NewGPGSender finds both keys in exports, which are as for [NewKeyring]. recipient and
// signer name them: hex digits from the end of a fingerprint, or part of a user id, of
// one key each. With a signer of "" messages are not signed. A signing key that is locked
// needs the passphrase, else the error wraps [ErrLocked].
func NewGPGSender(exports [][]byte, recipient, signer string, passphrase []byte) (*GPGSender, error) {
	var all []*openpgp.Entity
	for _, data := range exports {
		keys, err := readKeys(data)
		if err != nil {
			return nil, err
		}
		all = append(all, keys...)
	}
	s := new(GPGSender)
	var err error
	if s.to, err = findKey(all, "recipient", recipient, func(*openpgp.Entity) bool { return true }); err != nil || signer == "" {
		return s, err
	}
	if s.signer, err = findKey(all, "signer", signer, hasSigningKey); err != nil {
		return nil, err
	}
	return s, unlockSigner(s.signer, passphrase)
}

// findKey returns the one key that id names. An export of its secret part may be beside
// that of its public part.
func findKey(all []*openpgp.Entity, what, id string, usable func(*openpgp.Entity) bool) (found *openpgp.Entity, err error) {
	if id == "" {
		return nil, fmt.Errorf("no %s is named", what)
	}
	for _, e := range all {
		switch {
		case !named(e, id) || !usable(e):
		case found != nil && !bytes.Equal(found.PrimaryKey.Fingerprint, e.PrimaryKey.Fingerprint):
			return nil, fmt.Errorf("%s %q fits several keys, a fingerprint is needed", what, id)
		default:
			found = e
		}
	}
	if found == nil {
		return nil, fmt.Errorf("no key fits the %s %q", what, id)
	}
	return found, nil
}

func hasSigningKey(e *openpgp.Entity) bool { return len(secretKeys(e)) > 0 }

// secretKeys returns the secret keys of an entity.
func secretKeys(e *openpgp.Entity) (keys []*packet.PrivateKey) {
	for _, s := range e.Subkeys {
		keys = append(keys, s.PrivateKey)
	}
	return slices.DeleteFunc(append(keys, e.PrivateKey), func(k *packet.PrivateKey) bool { return k == nil || k.Dummy() })
}

func unlockSigner(e *openpgp.Entity, passphrase []byte) error {
	locked := slices.DeleteFunc(secretKeys(e), func(k *packet.PrivateKey) bool { return !k.Encrypted })
	if len(locked) > 0 && packet.DecryptPrivateKeys(locked, passphrase) != nil {
		return ErrLocked
	}
	return nil
}

// Encode returns the packet of m like [Encode], signed and encrypted. now is the time of
// the signature, and the keys must be valid then.
func (s *GPGSender) Encode(m *Message, hmacKey []byte, hmacType string, now time.Time, opt EncodeOptions) ([]byte, error) {
	plain, err := Compose(m, opt)
	if err != nil {
		return nil, err
	}
	config := signaturePolicy
	config.Rand, config.Time = opt.Rand, func() time.Time { return now }
	params := openpgp.EncryptParams{Config: &config}
	if s.signer != nil {
		params.Signers = []*openpgp.Entity{s.signer}
	}
	var raw bytes.Buffer
	w, err := openpgp.EncryptWithParams(&raw, []*openpgp.Entity{s.to}, nil, &params)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return FrameGPG(raw.Bytes(), hmacKey, hmacType, opt)
}

// FrameGPG returns the packet of a binary OpenPGP message, such as another program made
// of what [Compose] returns.
func FrameGPG(raw, hmacKey []byte, hmacType string, opt EncodeOptions) ([]byte, error) {
	raw, err := oldHeader(raw)
	if err != nil {
		return nil, err
	}
	mac, _, err := newMAC(hmacKey, hmacType)
	if err != nil {
		return nil, err
	}
	keep := opt
	keep.KeepPrefix = true
	text := frame(raw, mac, &keep)
	if len(text) > MaxGPGText {
		return nil, fmt.Errorf("the OpenPGP message is too long: %d bytes", len(text))
	}
	if !opt.KeepPrefix && slices.Contains(strippedPrefixes, string(text[:2])) {
		text = text[2:]
	}
	return text, nil
}

// oldHeader gives the first packet, the session key, a header of the old format as GnuPG
// writes it. Servers of 2.6 know the message by it.
func oldHeader(raw []byte) ([]byte, error) {
	tag, body, rest, ok := splitPacket(raw)
	if !ok || tag != tagSessionKey {
		return nil, errors.New("the OpenPGP message does not begin with a session key")
	}
	const oldFormat = 0x80 | tagSessionKey<<2
	head := []byte{oldFormat, byte(len(body))}
	if len(body) > 0xff {
		head = binary.BigEndian.AppendUint16([]byte{oldFormat | 1}, uint16(len(body)))
	}
	return slices.Concat(head, body, rest), nil
}
