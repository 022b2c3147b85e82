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
)

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

	envelope         envelope // of raw
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
		return nil, "", errPlainLen
	case err != io.EOF && err != io.ErrUnexpectedEOF:
		return nil, "", errPGP
	}
	if signer, err = o.checkSigner(md, now); err != nil {
		return nil, "", err
	}
	return o.plain[:n], signer, nil
}
