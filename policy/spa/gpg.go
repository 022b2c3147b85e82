package spa

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

const (
	// DefaultGPGPrefix is the beginning of the base64 of a message to an RSA-2048 key.
	// Clients do not send these two characters.
	DefaultGPGPrefix = "hQ"

	// MaxGPGText bounds the text of an OpenPGP packet, HMAC included.
	MaxGPGText = 4096
	minGPGText = 100
)

// A GPGKey has the OpenPGP keys of a stanza and the rules for its messages.
type GPGKey struct {
	Keyring *Keyring
	// Prefix is cut from the base64 by clients. With [DefaultGPGPrefix] the beginnings
	// of messages to other kinds of keys are tried as well; with "" none is. A text
	// with its prefix is always accepted.
	Prefix string
	// RemoteIDs and Fingerprints list the signers by fingerprint, long or short
	// key id of the signing key or of its primary key; [AnyKey] is every key of
	// the ring. If both lists have entries, the signer must be in both.
	RemoteIDs, Fingerprints []string
	// DisableSig accepts messages without checking their signature.
	DisableSig bool
	// IgnoreSigErr accepts invalid signatures that name a listed key: no proof that
	// the sender has that key.
	IgnoreSigErr bool
	AllowNoMDC   bool // accept messages without integrity protection
	AllowWeak    bool // accept signatures with SHA-1 and of keys of 1024 bits
	HMACKey      []byte
	HMACType     string // "" is sha256
	Rules
}

// A GPGOpener opens the OpenPGP packets of one [GPGKey]. It is not safe for concurrent
// use.
type GPGOpener struct {
	key                  GPGKey
	prefixes             []string
	remote, fingerprints keyIDs
	policy               packet.Config
	minDSABits           uint16
	now                  time.Time // of the current packet; for policy.Time
	mac                  macKey
	digests              digestSet

	envelope         envelope // of raw
	wire, raw, arena []byte
	plain            [maxPlain]byte
	room             macRoom
	tag              [maxDigest]byte
}

// NewGPGOpener checks the key and prepares it for use.
func NewGPGOpener(k GPGKey) (*GPGOpener, error) {
	o := &GPGOpener{key: k, policy: signaturePolicy, minDSABits: minDSABits}
	if k.Keyring == nil {
		return nil, errors.New("no keyring")
	}
	if k.AllowWeak {
		o.policy, o.minDSABits = weakPolicy, 1023
	}
	o.policy.InsecureAllowUnauthenticatedMessages = k.AllowNoMDC
	o.policy.Time = func() time.Time { return o.now.Add(signatureSkew) }
	switch k.Prefix {
	case "":
	case DefaultGPGPrefix:
		o.prefixes = strippedPrefixes
	default:
		o.prefixes = []string{k.Prefix}
	}
	var err error
	if o.remote, err = newKeyIDs(k.RemoteIDs, k.Keyring); err != nil {
		return nil, fmt.Errorf("GPG_REMOTE_ID: %w", err)
	}
	if o.fingerprints, err = newKeyIDs(k.Fingerprints, k.Keyring); err != nil {
		return nil, fmt.Errorf("GPG_FINGERPRINT_ID: %w", err)
	}
	if !k.DisableSig && o.remote.empty() && o.fingerprints.empty() {
		return nil, errors.New("signatures are required, but no signer is listed")
	}
	if o.mac, err = newMACKey(k.HMACKey, k.HMACType); err != nil {
		return nil, err
	}
	o.digests, err = k.digestSet()
	return o, err
}

// Gate returns nil if [GPGOpener.Open] would do public-key work for text, otherwise the
// error that Open would return. Gate costs microseconds and Open milliseconds, so that
// callers can limit the rate of the latter.
func (o *GPGOpener) Gate(text []byte) error {
	_, err := o.find(text)
	return err
}

// Recipients returns the key ids that the packet is encrypted to, for messages: 16 hex
// digits each, all zero for a hidden one; nil if it is no OpenPGP message or its HMAC is
// not that of this key.
func (o *GPGOpener) Recipients(text []byte) (ids []string) {
	if err := o.Gate(text); errors.Is(err, ErrNotSPA) || errors.Is(err, ErrHMAC) || err == errBroken {
		return nil
	}
	for _, id := range o.envelope.ids[:min(o.envelope.n, maxRecipients)] {
		ids = append(ids, fmt.Sprintf("%016X", id))
	}
	return ids
}

// Open authenticates, decrypts and decodes text like [Opener.Open]. The expiry of keys
// is checked at now. m.Signer is the fingerprint of the key that signed.
func (o *GPGOpener) Open(text []byte, now time.Time, m *Message) error {
	raw, err := o.find(text)
	if err != nil {
		return err
	}
	o.now = now
	plain, signer, err := o.decrypt(raw, now)
	if err != nil {
		return err
	}
	if o.arena, err = decode(plain, o.digests, &o.key.Rules, o.arena, m); err != nil {
		return err
	}
	m.Signer = signer
	return nil
}

// find returns the OpenPGP message in text, with the first prefix that makes it a valid
// one with the HMAC of this key.
func (o *GPGOpener) find(text []byte) ([]byte, error) {
	if len(text) < minGPGText || len(text) > MaxGPGText {
		return nil, errLength
	}
	if o.key.Prefix != "" && !o.key.Perl19 && bytes.HasPrefix(text, []byte(o.key.Prefix)) {
		return nil, errPrefix
	}
	raw, err := o.tryPrefix("", text)
	for i := 0; i < len(o.prefixes) && (err == errNotOpenPGP || err == errBroken); i++ {
		var again error
		if raw, again = o.tryPrefix(o.prefixes[i], text); again != errNotOpenPGP {
			err = again
		}
	}
	return raw, err
}

// tryPrefix parses prefix and text as a message. If it is invalid, but begins with a
// session key for one of our keys, the error is errBroken.
func (o *GPGOpener) tryPrefix(prefix string, text []byte) ([]byte, error) {
	o.wire = append(append(o.wire[:0], prefix...), text...)
	first, ok := firstKeyID(o.wire)
	if !ok {
		return nil, errNotOpenPGP
	}
	body := o.wire
	if !o.mac.isZero() {
		body = body[:max(0, len(body)-algorithms[o.mac.alg].b64)]
	}
	if err := o.decodeText(body); err != nil {
		switch {
		case !o.mac.isZero() && o.decodeText(o.wire) == nil:
			return nil, errNoMAC
		case o.key.Keyring.decrypts(first):
			return nil, errBroken
		}
		return nil, errNotOpenPGP
	}
	if !o.mac.isZero() && !o.authentic(body) {
		return nil, errMAC
	}
	return o.raw, o.checkEnvelope()
}

// authentic reports whether the text behind body is its HMAC.
func (o *GPGOpener) authentic(body []byte) bool {
	if len(body) < minText {
		return false
	}
	tag, err := decodeBase64(o.tag[:0], o.wire[len(body):])
	return err == nil && len(tag) == algorithms[o.mac.alg].size() && o.mac.authentic(body, tag, &o.room)
}

// maxRecipients bounds the session keys in one message, each of which may need a
// public-key operation.
const maxRecipients = 3

// strippedPrefixes are the first two characters of messages by kind of key: they encode
// the length of the session key packet. The 2.x client cuts off any two characters.
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

// firstKeyID returns the key id of the first session key packet in base64 text.
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

// decodeText decodes base64 text into o.raw and o.envelope.
func (o *GPGOpener) decodeText(text []byte) (err error) {
	if o.raw, err = decodeWire(o.raw[:0], text); err != nil {
		return err
	}
	ok := false
	if o.envelope, ok = readEnvelope(o.raw); !ok {
		return errNotOpenPGP
	}
	return nil
}

// checkEnvelope checks that a message has not too many session keys, one of them for one
// of our keys, and encrypted data with integrity protection.
func (o *GPGOpener) checkEnvelope() error {
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

// decrypt reads an OpenPGP message to its end, where its integrity and its signature are
// checked, and returns the plaintext and the signer.
func (o *GPGOpener) decrypt(raw []byte, now time.Time) (plain []byte, signer string, err error) {
	md, err := openpgp.ReadMessage(bytes.NewReader(raw), o.key.Keyring, nil, &o.policy)
	if err != nil {
		return nil, "", errPGP
	}
	n, err := io.ReadFull(md.UnverifiedBody, o.plain[:])
	switch {
	case err == nil:
		return nil, "", errPlainLen
	case err != io.EOF && err != io.ErrUnexpectedEOF:
		return nil, "", errPGP
	}
	if signer, err = o.checkSigner(md, now); err != nil {
		return nil, "", err
	}
	return o.plain[:n], signer, nil
}
