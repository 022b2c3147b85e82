// Package totp makes and checks time-based one-time codes (RFC 6238) of the usual form: SHA-1,
// six digits, a new code every 30 seconds. For REQUIRE_AUTH_METHOD totp.
//
// The entry points are [New], then [Key.Fits]. A code that fits is not used up by that: the
// caller records it under [Key.Digest].
package totp

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"
)

const (
	// Period is how long the code of one step is shown, in seconds.
	Period = 30
	// Digits is the length of a code.
	Digits = 6
	// Skew is how many steps before and after that of now are accepted.
	Skew = 1
)

// form is that of all codes here.
var form = hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}

var encoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// A Key is a secret that a server and an authenticator share. It does not change.
type Key struct {
	secret []byte
	text   string // in base32
}

// New returns the key of a secret, which it keeps.
func New(secret []byte) *Key { return &Key{secret, Encode(secret)} }

// Encode returns a secret in base32, as authenticators take it.
func Encode(secret []byte) string { return encoding.EncodeToString(secret) }

// Step returns the number of the step of a time, since 1970.
func Step(t time.Time) int64 {
	s := t.Unix()
	if s < 0 {
		s -= Period - 1
	}
	return s / Period
}

// Earliest returns the first time at which the code of a step is accepted.
func Earliest(step int64) time.Time { return time.Unix((step-Skew)*Period, 0) }

// IsCode reports whether a text has the form of a code.
func IsCode(text string) bool {
	if len(text) != Digits {
		return false
	}
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return true
}

// Code returns the code of a step; "" for one before 1970.
func (k *Key) Code(step int64) string {
	if step < 0 {
		return ""
	}
	code, err := hotp.GenerateCodeCustom(k.text, uint64(step), form)
	if err != nil {
		return ""
	}
	return code
}

// Fits returns the steps, at most within steps away from a given one, whose code this is,
// those near to it first. More than one is chance. The comparison of two codes takes the same
// time wherever they differ.
func (k *Key) Fits(code string, step, within int64) (steps []int64) {
	if !IsCode(code) {
		return nil
	}
	for away := int64(0); away <= within; away++ {
		if k.fits(code, step-away) {
			steps = append(steps, step-away)
		}
		if away > 0 && k.fits(code, step+away) {
			steps = append(steps, step+away)
		}
	}
	return steps
}

func (k *Key) fits(code string, step int64) bool {
	if step < 0 {
		return false
	}
	ok, err := hotp.ValidateCustom(code, uint64(step), k.text, form)
	return ok && err == nil
}

// Digest returns 32 bytes that stand for the code of a step where it is recorded, for a purpose.
// Neither the code nor the secret can be found from them.
func (k *Key) Digest(purpose string, step int64) []byte {
	mac := hmac.New(sha256.New, k.secret)
	mac.Write([]byte("fwknopd totp " + purpose + "\x00"))
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(step)))
	return mac.Sum(nil)
}

// URL returns the key in the form that authenticators scan. It holds the secret.
func (k *Key) URL(issuer, account string) (string, error) {
	url, err := totp.Generate(totp.GenerateOpts{Issuer: issuer, AccountName: account, Secret: k.secret, Period: Period,
		Digits: form.Digits, Algorithm: form.Algorithm})
	if err != nil {
		return "", fmt.Errorf("otpauth URL: %w", err)
	}
	return url.URL(), nil
}
