package spa

import "errors"

// The kinds of errors of opening a message, in the order of the checks. Every error of
// this package wraps exactly one of them; its text has the rule that failed, and never
// key material or packet data.
var (
	// ErrNotSPA: by length, alphabet or first character this is no SPA packet for this
	// key. Nothing was computed.
	ErrNotSPA = errors.New("not an SPA packet")
	// ErrHMAC: the packet has no HMAC, or the wrong one for this key.
	ErrHMAC = errors.New("hmac mismatch")
	// ErrDecrypt: the result of decryption is invalid, mostly since the packet is for
	// another key.
	ErrDecrypt = errors.New("decryption failed")
	// ErrSigner: the OpenPGP signature is missing, broken or not of a listed key.
	ErrSigner = errors.New("signature not acceptable")
	// ErrDigest: the digest inside the plaintext is wrong or of a type that is not
	// accepted.
	ErrDigest = errors.New("digest mismatch")
	// ErrMalformed: a client with the right key sent a message with invalid syntax.
	ErrMalformed = errors.New("malformed message")
)

// failure is a constant error: one of the kinds above and the rule that failed. It is
// preallocated, so that returning it costs nothing.
type failure struct {
	kind error
	text string
}

func (f *failure) Error() string { return f.kind.Error() + ": " + f.text }

func (f *failure) Unwrap() error { return f.kind }

func (f *failure) Rule() string { return f.text }

var (
	errLength    = &failure{ErrNotSPA, "length"}
	errFirstChar = &failure{ErrNotSPA, "first character"}
	errPrefix    = &failure{ErrNotSPA, "prefix left on the wire"}

	errMAC   = &failure{ErrHMAC, "the hmac is not that of this key and type"}
	errNoMAC = &failure{ErrHMAC, "no HMAC in the packet"}
	// errAnyMAC: by its length the packet can be either.
	errAnyMAC = &failure{ErrHMAC, "no HMAC in the packet, or not that of this key and type"}

	errBase64    = &failure{ErrDecrypt, "not the base64 of whole bytes"}
	errBlocks    = &failure{ErrDecrypt, "length is not a multiple of the block size"}
	errPadding   = &failure{ErrDecrypt, "wrong key or damaged"}
	errPrintable = &failure{ErrDecrypt, "wrong key or damaged: no message came out"}

	errDigestLen   = &failure{ErrDigest, "digest of unknown length"}
	errDigestType  = &failure{ErrDigest, "digest type is not accepted"}
	errDigestValue = &failure{ErrDigest, "digest does not fit the message"}

	errPlainLen   = &failure{ErrMalformed, "plaintext length"}
	errFields     = &failure{ErrMalformed, "number of fields"}
	errRand       = &failure{ErrMalformed, "random value is not 16 digits"}
	errUser       = &failure{ErrMalformed, "user name"}
	errTime       = &failure{ErrMalformed, "time stamp"}
	errVersion    = &failure{ErrMalformed, "version"}
	errOldVersion = &failure{ErrMalformed, "client version too old"}
	errType       = &failure{ErrMalformed, "message type"}
	errText       = &failure{ErrMalformed, "message field"}
	errAddr       = &failure{ErrMalformed, "address to allow"}
	errPorts      = &failure{ErrMalformed, "list of ports"}
	errNoPort     = &failure{ErrMalformed, "no port was asked for"}
	errCmd        = &failure{ErrMalformed, "command"}
	errNAT        = &failure{ErrMalformed, "nat field"}
	errAuth       = &failure{ErrMalformed, "server_auth field"}
	errTimeout    = &failure{ErrMalformed, "client timeout"}
)

// Of OpenPGP packets alone.
var (
	errNotOpenPGP = &failure{ErrNotSPA, "not an OpenPGP message"}
	errBroken     = &failure{ErrDecrypt, "a broken OpenPGP message"}
	errRecipients = &failure{ErrDecrypt, "too many recipients"}
	errNotForUs   = &failure{ErrDecrypt, "for another key"}
	errLocked     = &failure{ErrDecrypt, "GPG_DECRYPT_PW does not unlock the key of GPG_DECRYPT_ID"}
	errNoSecret   = &failure{ErrDecrypt, "no secret key of GPG_DECRYPT_ID"}
	errNoMDC      = &failure{ErrDecrypt, "the message has no integrity protection"}
	errPGP        = &failure{ErrDecrypt, "the OpenPGP message does not decrypt"}
)
