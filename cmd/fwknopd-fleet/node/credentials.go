package node

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"

	"fwknopd/cmd/fwknopd/fleetlink"
)

// NewCredentials returns the private key and the certificate of a new member as PEM, and the
// pin by which the others know it.
func NewCredentials(name string) (file []byte, pin string, err error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, "", err
	}
	pair, err := Certificate(private, name)
	if err != nil {
		return nil, "", err
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, "", err
	}
	file = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	return append(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})...), ownPin(&pair), nil
}

// Certificate returns a key with a certificate that it signs itself. That is never compared with a
// clock: what those who connect trust is the key.
func Certificate(key ed25519.PrivateKey, name string) (c tls.Certificate, err error) {
	made := x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)}
	der, err := x509.CreateCertificate(rand.Reader, &made, &made, key.Public(), key)
	if err != nil {
		return c, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}

// pinOf returns the pin of a public key: its SHA-256.
func pinOf(spki []byte) string {
	sum := sha256.Sum256(spki)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// ownPin returns the pin of the certificate in a credentials file.
func ownPin(pair *tls.Certificate) string { return pinOf(pair.Leaf.RawSubjectPublicKeyInfo) }

// readCredentials returns what NewCredentials made.
func readCredentials(cfg fleetlink.Config) (tls.Certificate, error) {
	pair, err := tls.X509KeyPair(cfg.Credentials, cfg.Credentials)
	if err != nil {
		return pair, fmt.Errorf("FLEET_CREDENTIALS: not the private key and certificate of a member: %w", err)
	}
	return pair, nil
}

// memberTLS returns how members speak to each other: TLS 1.3, with certificates on both sides whose
// keys are among the pins of the others.
func memberTLS(cfg fleetlink.Config) (*tls.Config, error) {
	pair, err := readCredentials(cfg)
	if err != nil {
		return nil, err
	}
	pins := map[string]bool{ownPin(&pair): true} // the server finds out that it has called itself
	for _, p := range cfg.Peers {
		if p.Name != cfg.Name {
			pins[p.Pin] = true
		} else if p.Pin != ownPin(&pair) {
			return nil, fmt.Errorf("FLEET_PEERS has another pin for %s than that of the key in FLEET_CREDENTIALS, %s: "+
				"one of them is that of an earlier fleet init", cfg.Name, ownPin(&pair))
		}
	}
	return &tls.Config{
		Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true,
		ClientAuth: tls.RequireAnyClientCert, InsecureSkipVerify: true, // the pins are what is verified, below
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 || !pins[pinOf(s.PeerCertificates[0].RawSubjectPublicKeyInfo)] {
				return errPin
			}
			return nil
		},
	}, nil
}

var errPin = errors.New("the key of the other side is none of FLEET_PEERS")
