package spa

import (
	"bytes"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

const (
	// DefaultGPGPrefix is how the base64 of a message to an RSA-2048 key begins.
	// Clients leave these two characters away.
	DefaultGPGPrefix = "hQ"

	// MaxGPGText bounds the text of an OpenPGP packet, HMAC included.
	MaxGPGText = 4096
	minGPGText = 100

	// maxRecipients bounds the session keys in one message, each of which may cost
	// us a public-key operation.
	maxRecipients = 3
)

// strippedPrefixes are the first two characters of messages to other keys. They
// depend on the length of the session key packet: "hQ" is RSA of 1536 bits and up
// and ElGamal; in their order here Curve25519; P-256, brainpool-256 and X448;
// P-384; P-521; RSA-1024. The 2.x client cuts two characters off whatever they are.
var strippedPrefixes = []string{DefaultGPGPrefix, "hF", "hH", "hJ", "hK", "hM", "hN", "hI"}

// A GPGKey is what a stanza knows of OpenPGP clients.
type GPGKey struct {
	Keyring *Keyring
	// Prefix is what clients take away from the base64: with [DefaultGPGPrefix] the
	// beginnings of messages to other kinds of keys are tried as well. With "" the
	// text is taken as it is. A text that needs no prefix is always taken.
	Prefix string
	// RemoteIDs and Fingerprints list the signers by fingerprint, long or short
	// key id of the signing key or of its primary key; [AnyKey] is every key of
	// the ring. If both lists have entries, the signer must be in both.
	RemoteIDs, Fingerprints []string
	// DisableSig takes messages without looking at their signature.
	DisableSig bool
	// IgnoreSigErr takes a signature that is not good, as long as it names a
	// listed key. Whoever can name one gets in.
	IgnoreSigErr bool
	AllowNoMDC   bool // take messages without integrity protection
	AllowWeak    bool // take signatures with SHA-1 and of keys of 1024 bits
	HMACKey      []byte
	HMACType     string // "" is sha256
	Rules
}

// A GPGOpener opens the OpenPGP packets of one [GPGKey]. It is for one goroutine at
// a time.
type GPGOpener struct {
	key                  GPGKey
	prefixes             []string
	remote, fingerprints keyIDs
	policy               packet.Config
	minDSABits           uint16
	now                  time.Time // of the packet at hand; what policy.Time says
	mac                  hash.Hash
	macAlg               *algorithm
	digests              digestSet

	wire, raw, arena []byte
	plain            [maxPlain]byte
	sum              [maxDigest]byte
	tag              [maxDigestB64]byte
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
	if o.mac, o.macAlg, err = newMAC(k.HMACKey, k.HMACType); err != nil {
		return nil, err
	}
	o.digests, err = k.digestSet()
	return o, err
}

var (
	errNotOpenPGP = &failure{ErrNotSPA, "not an OpenPGP message"}
	errRecipients = &failure{ErrDecrypt, "too many recipients"}
	errNotForUs   = &failure{ErrDecrypt, "for another key"}
	errLocked     = &failure{ErrDecrypt, "GPG_DECRYPT_PW does not unlock the key of GPG_DECRYPT_ID"}
	errNoSecret   = &failure{ErrDecrypt, "no secret key of GPG_DECRYPT_ID"}
	errNoMDC      = &failure{ErrDecrypt, "the message has no integrity protection"}
	errPGP        = &failure{ErrDecrypt, "the OpenPGP message does not decrypt"}
	errTooLong    = &failure{ErrMalformed, "plaintext length"}
)

// Gate says whether [GPGOpener.Open] would do public-key work for text: nil if so,
// otherwise the error that Open would return. It costs microseconds, so that
// callers can limit how often they go on to what costs milliseconds.
func (o *GPGOpener) Gate(text []byte) error {
	_, err := o.message(text)
	return err
}

// Open authenticates, decrypts and decodes text, as [Opener.Open] does. now decides
// which keys are expired. m.Signer is the fingerprint of the key that signed.
func (o *GPGOpener) Open(text []byte, now time.Time, m *Message) error {
	raw, err := o.message(text)
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

// decrypt reads an OpenPGP message to its end, which is where its integrity and its
// signature are checked, and returns the plaintext and who signed it.
func (o *GPGOpener) decrypt(raw []byte, now time.Time) (plain []byte, signer string, err error) {
	md, err := openpgp.ReadMessage(bytes.NewReader(raw), o.key.Keyring, nil, &o.policy)
	if err != nil {
		return nil, "", errPGP
	}
	n, err := io.ReadFull(md.UnverifiedBody, o.plain[:])
	switch {
	case err == nil:
		return nil, "", errTooLong
	case err != io.EOF && err != io.ErrUnexpectedEOF:
		return nil, "", errPGP
	}
	if signer, err = o.checkSigner(md, now); err != nil {
		return nil, "", err
	}
	return o.plain[:n], signer, nil
}

// message finds the OpenPGP message in text: under the first prefix that gives a
// session key packet, the HMAC of this key and a message for one of our keys.
func (o *GPGOpener) message(text []byte) ([]byte, error) {
	if len(text) < minGPGText || len(text) > MaxGPGText {
		return nil, errLength
	}
	if o.key.Prefix != "" && !o.key.Perl19 && bytes.HasPrefix(text, []byte(o.key.Prefix)) {
		return nil, errPrefix
	}
	raw, err := o.under("", text)
	for i := 0; i < len(o.prefixes) && err != nil; i++ {
		var again error
		if raw, again = o.under(o.prefixes[i], text); again != errNotOpenPGP {
			err = again
		}
	}
	return raw, err
}

// under reads text as what is left of a message after prefix was cut off.
func (o *GPGOpener) under(prefix string, text []byte) ([]byte, error) {
	o.wire = append(append(o.wire[:0], prefix...), text...)
	if !isSessionKey(o.wire) {
		return nil, errNotOpenPGP
	}
	body := o.wire
	var err error
	if o.mac != nil {
		if body, err = checkMAC(o.mac, o.macAlg, body, o.sum[:0], o.tag[:]); err != nil {
			return nil, err
		}
	}
	if o.raw, err = decodeBase64(o.raw[:0], body); err != nil {
		return nil, err
	}
	return o.raw, o.addressed(o.raw)
}

// isSessionKey reports that base64 text begins with a public-key encrypted session
// key packet, version 3 (RFC 9580 section 5.1.1), of an algorithm that encrypts.
func isSessionKey(text []byte) bool {
	var room [18]byte
	head, err := decodeBase64(room[:0], text[:24])
	if err != nil {
		return false
	}
	switch {
	case head[0] == 0x84, head[0] == 0xc1 && head[1] < 192:
		head = head[2:]
	case head[0] == 0x85, head[0] == 0xc1 && head[1] < 224:
		head = head[3:]
	default:
		return false
	}
	const version, keyID = 3, 8
	switch packet.PublicKeyAlgorithm(head[1+keyID]) {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSAEncryptOnly, packet.PubKeyAlgoElGamal, packet.PubKeyAlgoECDH,
		packet.PubKeyAlgoX25519, packet.PubKeyAlgoX448:
		return head[0] == version
	}
	return false
}

// addressed checks the part of a message that is not encrypted: session keys, one
// of them for us, then encrypted data with integrity protection.
func (o *GPGOpener) addressed(raw []byte) error {
	ids, data, err := recipients(raw)
	if err != nil {
		return err
	}
	if p, ok := data.(*packet.SymmetricallyEncrypted); ok && !p.IntegrityProtected && !o.key.AllowNoMDC {
		return errNoMDC
	}
	ring := o.key.Keyring
	for _, id := range ids {
		if !ring.decrypts(id) {
			continue
		}
		switch {
		case errors.Is(ring.locked, ErrLocked):
			return errLocked
		case ring.locked == nil:
			return nil
		}
	}
	if ring.locked != nil {
		return errNoSecret
	}
	return errNotForUs
}

// recipients reads the session key packets and the head of the encrypted data.
func recipients(raw []byte) (ids []uint64, data packet.Packet, err error) {
	for r := packet.NewReader(bytes.NewReader(raw)); ; {
		p, err := r.Next()
		if err != nil {
			return nil, nil, errNotOpenPGP
		}
		switch p := p.(type) {
		case *packet.EncryptedKey:
			if ids = append(ids, p.KeyId); len(ids) > maxRecipients {
				return nil, nil, errRecipients
			}
		case *packet.SymmetricallyEncrypted, *packet.AEADEncrypted:
			return ids, p, nil
		default:
			return nil, nil, errNotOpenPGP
		}
	}
}

// Recipients returns the key ids the packet is encrypted to, 16 hex digits each,
// all zero for a hidden one; nil if it is no OpenPGP message or its HMAC is not
// that of this key. It is for telling people.
func (o *GPGOpener) Recipients(text []byte) (ids []string) {
	if err := o.Gate(text); errors.Is(err, ErrNotSPA) || errors.Is(err, ErrHMAC) {
		return nil
	}
	list, _, _ := recipients(o.raw)
	for _, id := range list {
		ids = append(ids, fmt.Sprintf("%016X", id))
	}
	return ids
}
