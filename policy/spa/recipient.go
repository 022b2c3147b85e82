package spa

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// maxRecipients bounds the session keys in one message, each of which may cost
// us a public-key operation.
const maxRecipients = 3

// strippedPrefixes are the first two characters of messages by the key they are to:
// they hold the length of the session key packet. The 2.x client cuts two characters
// off whatever they are, so that none of them says which.
var strippedPrefixes = []string{
	DefaultGPGPrefix, // RSA from 2048 bits, ElGamal
	"hF",             // Curve25519
	"hG",             // X448 (RFC 9580)
	"hH",             // P-256, brainpool-256, X448 (GnuPG)
	"hI",             // RSA-1024
	"hJ",             // P-384, brainpool-384
	"hL",             // brainpool-512
	"hM",             // P-521, RSA-1536
}

// message finds the OpenPGP message in text: under the first prefix that gives a
// sound one with the HMAC of this key, for one of our keys.
func (o *GPGOpener) message(text []byte) ([]byte, error) {
	if len(text) < minGPGText || len(text) > MaxGPGText {
		return nil, errLength
	}
	if o.key.Prefix != "" && !o.key.Perl19 && bytes.HasPrefix(text, []byte(o.key.Prefix)) {
		return nil, errPrefix
	}
	raw, err := o.under("", text)
	for i := 0; i < len(o.prefixes) && (err == errNotOpenPGP || err == errBroken); i++ {
		var again error
		if raw, again = o.under(o.prefixes[i], text); again != errNotOpenPGP {
			err = again
		}
	}
	return raw, err
}

// under reads text as what is left of a message after prefix was cut off. Where it
// is not sound, but begins with a session key for us, somebody has at least tried.
func (o *GPGOpener) under(prefix string, text []byte) ([]byte, error) {
	o.wire = append(append(o.wire[:0], prefix...), text...)
	first, ok := firstKeyID(o.wire)
	if !ok {
		return nil, errNotOpenPGP
	}
	body := o.wire
	if o.mac != nil {
		body = body[:max(0, len(body)-o.macAlg.b64)]
	}
	if err := o.read(body); err != nil {
		switch {
		case o.mac != nil && o.read(o.wire) == nil:
			return nil, errNoMAC
		case o.key.Keyring.decrypts(first):
			return nil, errBroken
		}
		return nil, errNotOpenPGP
	}
	if o.mac != nil {
		if _, err := checkMAC(o.mac, o.macAlg, o.wire, o.sum[:0], o.tag[:]); err != nil {
			return nil, err
		}
	}
	return o.raw, o.addressed()
}

// firstKeyID reads base64 text as far as the first session key packet says whom it
// is for.
func firstKeyID(text []byte) (id uint64, ok bool) {
	var room [18]byte
	head, err := decodeBase64(room[:0], text[:24])
	if err != nil || head[0]&0x80 == 0 {
		return 0, false
	}
	switch {
	case head[0] == 0x84, head[0] == 0xc1 && head[1] < 192:
		head = head[2:]
	case head[0] == 0x85, head[0] == 0xc1 && head[1] < 224:
		head = head[3:]
	}
	id, _, ok = sessionKeyFor(head)
	return id, ok
}

// read decodes text into o.raw and o.envelope.
func (o *GPGOpener) read(text []byte) (err error) {
	if o.raw, err = decodeWire(o.raw[:0], text); err != nil {
		return err
	}
	ok := false
	if o.envelope, ok = readEnvelope(o.raw); !ok {
		return errNotOpenPGP
	}
	return nil
}

// addressed checks the envelope of a message: not too many session keys, one of them
// for us, and encrypted data with integrity protection.
func (o *GPGOpener) addressed() error {
	switch {
	case o.envelope.n > maxRecipients:
		return errRecipients
	case !o.envelope.protected && !o.key.AllowNoMDC:
		return errNoMDC
	}
	ring := o.key.Keyring
	forUs := slices.ContainsFunc(o.envelope.ids[:o.envelope.n], ring.decrypts)
	switch {
	case forUs && ring.locked == nil:
		return nil
	case forUs && errors.Is(ring.locked, ErrLocked):
		return errLocked
	case ring.locked != nil:
		return errNoSecret
	}
	return errNotForUs
}

// Recipients returns the key ids the packet is encrypted to, 16 hex digits each,
// all zero for a hidden one; nil if it is no OpenPGP message or its HMAC is not
// that of this key. It is for telling people.
func (o *GPGOpener) Recipients(text []byte) (ids []string) {
	if err := o.Gate(text); errors.Is(err, ErrNotSPA) || errors.Is(err, ErrHMAC) || err == errBroken {
		return nil
	}
	for _, id := range o.envelope.ids[:min(o.envelope.n, maxRecipients)] {
		ids = append(ids, fmt.Sprintf("%016X", id))
	}
	return ids
}
