package config

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"

	"fwknopd/policy/conf"
)

// TestOtherKey: a line that has not the pin of the member's own key is found before the others refuse that.
func TestOtherKey(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{}, public, private)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(spki)
	own := base64.RawURLEncoding.EncodeToString(sum[:])
	file := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("key")}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: text})...)
	s := &conf.Server{FleetName: "gw2", FleetPeers: []conf.FleetPeer{{Name: "gw1", Pin: "other"}, {Name: "gw2", Pin: own}}}
	if fault := otherKey(s, file); fault != "" {
		t.Error(fault)
	}
	s.FleetPeers[1].Pin = "earlier"
	if fault := otherKey(s, file); !strings.Contains(fault, "another pin for gw2") || !strings.Contains(fault, own) {
		t.Errorf("%q", fault)
	}
	if fault := otherKey(s, []byte("junk")); fault != "" {
		t.Errorf("no certificate: %s", fault)
	}
}
