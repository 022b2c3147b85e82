package spa

import (
	"crypto"
	"errors"
	"fmt"
	"slices"
	"time"

	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// Least sizes of signing keys, bits. One less than a round number, because some
// generators made such moduli.
const (
	minRSABits = 2047
	minDSABits = 2047
)

// maxInner bounds a decompressed OpenPGP message, bytes: more than a plaintext and a
// signature need.
const maxInner = 16 << 10

// signatureSkew is how far the time of a signature may be ahead of our clock. The age of
// the message is checked by package policy, by the time stamp in the message.
const signatureSkew = 24 * time.Hour

// signaturePolicy has the required strength of signatures and keys. Hashes without
// collision resistance are refused for messages; self-signatures of keys may be SHA-1.
var signaturePolicy = packet.Config{
	MinRSABits:                          minRSABits,
	RejectPublicKeyAlgorithms:           map[packet.PublicKeyAlgorithm]bool{packet.PubKeyAlgoElGamal: true},
	RejectCurves:                        map[packet.Curve]bool{packet.CurveSecP256k1: true},
	RejectHashAlgorithms:                map[crypto.Hash]bool{crypto.MD5: true, crypto.RIPEMD160: true},
	RejectMessageHashAlgorithms:         map[crypto.Hash]bool{crypto.MD5: true, crypto.RIPEMD160: true, crypto.SHA1: true},
	InsecureAllowAllKeyFlagsWhenMissing: true, // keys of the nineties have none
	MaxDecompressedMessageSize:          func() *int64 { n := int64(maxInner); return &n }(),
}

// weakPolicy also accepts keys as they were made before 2010: DSA and RSA of 1024 bits,
// SHA-1.
var weakPolicy = func() packet.Config {
	p := signaturePolicy
	p.MinRSABits = 1023
	p.RejectMessageHashAlgorithms = map[crypto.Hash]bool{crypto.MD5: true}
	return p
}()

// A SignerError is an [ErrSigner] with the signer.
type SignerError struct {
	// ID is the fingerprint or key id of the signing key, "" without a signature.
	ID   string
	rule string
}

// Error implements error.
func (e *SignerError) Error() string {
	if e.ID == "" {
		return fmt.Sprintf("%v: %s", ErrSigner, e.rule)
	}
	return fmt.Sprintf("%v: %s: %s", ErrSigner, e.ID, e.rule)
}

// Unwrap makes every SignerError an ErrSigner.
func (e *SignerError) Unwrap() error { return ErrSigner }

// Rule returns the rule that failed.
func (e *SignerError) Rule() string { return e.rule }

// checkSigner checks the signature of a message whose body was read to its end. It
// returns the fingerprint of the key that signed.
func (o *GPGOpener) checkSigner(md *openpgp.MessageDetails, now time.Time) (string, error) {
	switch {
	case !md.IsSigned && o.key.DisableSig:
		return "", nil
	case !md.IsSigned:
		return "", &SignerError{rule: "the message is not signed"}
	case len(md.SignatureCandidates) != 1:
		return "", &SignerError{rule: "the message has more than one signature"}
	}
	cand := md.SignatureCandidates[0]
	id, primary := issuer(cand)
	err := o.checkSignature(md, cand, primary, now)
	if o.key.DisableSig {
		if err != nil {
			id = ""
		}
		return id, nil
	}
	if errors.Is(err, pgperrors.ErrUnknownIssuer) && !o.key.IgnoreSigErr {
		return "", &SignerError{id, o.unknownSigner(id)}
	}
	if err != nil && !o.key.IgnoreSigErr {
		return "", &SignerError{id, ruleOf(err)}
	}
	switch {
	case !o.remote.empty() && !o.remote.has(id, primary):
		return "", &SignerError{id, "the signer is not in GPG_REMOTE_ID"}
	case !o.fingerprints.empty() && !o.fingerprints.has(id, primary):
		return "", &SignerError{id, "the signer is not in GPG_FINGERPRINT_ID"}
	}
	return id, nil
}

// issuer returns the fingerprints of the key that the signature names and of its
// primary key; of an unknown key without a fingerprint in the signature, its key id.
func issuer(cand *openpgp.SignatureCandidate) (id, primary string) {
	if cand.SignedByEntity == nil {
		if len(cand.IssuerFingerprint) > 0 {
			return fingerprint(cand.IssuerFingerprint), ""
		}
		return fmt.Sprintf("%016X", cand.IssuerKeyId), ""
	}
	primary = fingerprint(cand.SignedByEntity.PrimaryKey.Fingerprint)
	for _, s := range cand.SignedByEntity.Subkeys {
		if s.PublicKey.KeyId == cand.IssuerKeyId {
			return fingerprint(s.PublicKey.Fingerprint), primary
		}
	}
	return primary, primary
}

// checkSignature checks the signature itself. The key must be valid now, not only when
// the signature was made.
func (o *GPGOpener) checkSignature(md *openpgp.MessageDetails, cand *openpgp.SignatureCandidate, primary string, now time.Time) error {
	if o.policy.RejectMessageHashAlgorithm(cand.HashAlgorithm) {
		return errWeak
	}
	if md.SignatureError != nil {
		return md.SignatureError
	}
	if md.Signature == nil || md.SignedBy == nil || !md.IsVerified {
		return errBadSig
	}
	if md.Signature.SigLifetimeSecs != nil && *md.Signature.SigLifetimeSecs > 0 && md.Signature.SigExpired(now) {
		return errSigTime
	}
	if o.isShortDSA(md.SignedBy.PublicKey) || o.isShortDSA(cand.SignedByEntity.PrimaryKey) {
		return errWeak
	}
	if _, err := cand.SignedByEntity.VerifyPrimaryKey(now, &o.policy); err != nil {
		return err
	}
	if _, ok := cand.SignedByEntity.SigningKeyById(now, cand.IssuerKeyId, &o.policy); !ok {
		return errExpired
	}
	if !o.key.Keyring.isValid(primary) {
		return errUntrusted
	}
	return nil
}

// isShortDSA reports whether a key is of DSA and shorter than is accepted.
func (o *GPGOpener) isShortDSA(key *packet.PublicKey) bool {
	if key.PubKeyAlgo != packet.PubKeyAlgoDSA {
		return false
	}
	bits, err := key.BitLength()
	return err != nil || bits < o.minDSABits
}

// ruleOf returns a fixed text for an error of the library or of this package.
func ruleOf(err error) string {
	var weak pgperrors.WeakAlgorithmError
	switch {
	case errors.Is(err, pgperrors.ErrUnknownIssuer):
		err = errUnknown
	case errors.Is(err, pgperrors.ErrKeyExpired):
		err = errExpired
	case errors.Is(err, pgperrors.ErrKeyRevoked):
		err = errRevoked
	case errors.Is(err, pgperrors.ErrSignatureExpired), errors.Is(err, pgperrors.ErrSignatureOlderThanKey):
		err = errSigTime
	case errors.As(err, &weak):
		err = errWeak
	case errors.Is(err, errWeak), errors.Is(err, errExpired), errors.Is(err, errSigTime), errors.Is(err, errUntrusted):
	default:
		err = errBadSig
	}
	return err.Error()
}

// The rules that a signature can break; their texts are those of [SignerError.Rule].
var (
	errBadSig    = errors.New("the signature is not good")
	errUnknown   = errors.New("the signer's key is not in the ring")
	errWeak      = errors.New("key or hash of the signature is too weak")
	errExpired   = errors.New("the signer's key is expired")
	errRevoked   = errors.New("the signer's key is revoked")
	errSigTime   = errors.New("the signature is expired or from the future")
	errUntrusted = errors.New("the signer's key is not valid in the ring")
)

// unknownSigner returns the rule for a signer without a key in the ring. The ring of a
// stanza has the keys of the listed signers only, so mostly the signer is not listed. The
// subkeys of a listed signer without a key are unknown.
func (o *GPGOpener) unknownSigner(id string) string {
	for _, list := range []struct {
		name string
		keyIDs
	}{{"GPG_REMOTE_ID", o.remote}, {"GPG_FINGERPRINT_ID", o.fingerprints}} {
		switch {
		case list.empty() || list.names(id):
		case slices.ContainsFunc(list.ids, func(id string) bool { return !o.key.Keyring.Has(id) }):
			return "the signer is not in " + list.name + ", or one whose key is not in the ring"
		default:
			return "the signer is not in " + list.name
		}
	}
	return errUnknown.Error()
}
