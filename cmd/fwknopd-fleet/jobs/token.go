package jobs

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
)

// A Token lets workers join a [Server]: a secret that it asks for, and the SHA-256 of its public key.
type Token struct {
	Secret, Pin [sha256.Size]byte
}

// String returns the token as the command line has it.
func (t Token) String() string {
	return base64.RawURLEncoding.EncodeToString(append(t.Secret[:], t.Pin[:]...))
}

// password returns the secret as NATS has it.
func (t Token) password() string { return base64.RawURLEncoding.EncodeToString(t.Secret[:]) }

// errToken does not show what was given: it is a secret.
var errToken = errors.New("--join: TOKEN@ADDRESS:PORT is wanted, as fleet submit prints it, or @FILE with that")

// ParseJoin reads TOKEN@ADDRESS:PORT, or @FILE with the name of a file that holds it.
func ParseJoin(text string) (t Token, address string, err error) {
	if file, ok := strings.CutPrefix(text, "@"); ok {
		b, err := os.ReadFile(file)
		if err != nil {
			return t, "", fmt.Errorf("--join: %w", err)
		}
		text = string(bytes.TrimSpace(b))
	}
	token, address, _ := strings.Cut(text, "@")
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) != len(t.Secret)+len(t.Pin) {
		return t, "", errToken
	}
	copy(t.Secret[:], b)
	copy(t.Pin[:], b[len(t.Secret):])
	if _, _, err := net.SplitHostPort(address); err != nil {
		return t, "", errToken
	}
	return t, address, nil
}

// tls returns how a worker speaks to the server: it trusts the key of the token alone.
func (t Token) tls() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, // the pin is what is verified
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 || sha256.Sum256(s.PeerCertificates[0].RawSubjectPublicKeyInfo) != t.Pin {
				return errPin
			}
			return nil
		},
	}
}

var errPin = errors.New("the server has another key than the token says")
