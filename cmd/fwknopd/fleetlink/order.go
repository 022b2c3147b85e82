package fleetlink

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"fwknopd/cmd/fwknopd/codec"
	"fwknopd/enforce"
	"fwknopd/policy/conf"
)

// An Order has other gateways revoke grants: of those that are open, all that it selects. Nothing else
// can be ordered.
type Order struct {
	From   string // the gateway that orders it
	To     string // the one that is to do it; "": all
	Serial uint64 // of the orders of From, each another one
	At     time.Time

	Src    netip.Prefix // grants that let in one of these addresses; invalid: any
	Port   enforce.Port // zero: any
	Stanza string       // NAME of the stanza; "": any
}

// A Done says what a gateway has done about an Order.
type Done struct {
	By      string // the gateway
	From    string // as in the order, with its Serial
	Serial  uint64
	Closed  uint64 // how many grants
	Unknown bool   // it has no such stanza
	Error   string // why it is not done; "": it is
}

// A LateOrder is an [Order] that the fleet stored, for gateways that had no connection when it was given.
type LateOrder struct {
	From   string // the gateway under whose name it was published
	Text   string // as it was published
	Stored time.Time
}

// LateTime is how long an order is stored.
const LateTime = 7 * 24 * time.Hour

// OrderTime is how long an order is sent again to gateways that have not answered.
const OrderTime = 5 * time.Second

// IsFor reports whether a gateway is to carry the order out.
func (o *Order) IsFor(name string) bool { return o.To == "" || o.To == name }

// Check returns an error if no honest gateway orders this.
func (o *Order) Check() error {
	if !conf.IsFleetName(o.From) || o.To != "" && !conf.IsFleetName(o.To) || o.Serial == 0 || len(o.Stanza) > MaxStanza {
		return errors.New("an order that cannot be")
	}
	return nil
}

// Check returns an error if no honest gateway answers this.
func (d *Done) Check() error {
	if !conf.IsFleetName(d.By) || !conf.IsFleetName(d.From) || len(d.Error) > MaxWhy {
		return errors.New("an answer to an order that cannot be")
	}
	return nil
}

// A signed is what is published of an order or of an answer.
type signed struct {
	Body      string
	SPKI      string // of the key; "": it is not signed
	Signature string
}

// What a signature is for stands in front of the body.
const (
	forOrder = "fwknop fleet order\x00"
	forDone  = "fwknop fleet done\x00"
)

// MaxSigned bounds an order or answer, in bytes.
const MaxSigned = 4096

// A Signer signs what a gateway says, and checks what others say. The members of an embedded fleet
// sign with their keys; in an outside cluster the permissions of subjects count in place of that.
type Signer struct {
	key  ed25519.PrivateKey // nil: an outside cluster
	spki string
	pins map[string]string // by name
}

// NewSigner returns the signer of a member.
func NewSigner(cfg *Config) (*Signer, error) {
	if len(cfg.Servers) > 0 {
		return &Signer{}, nil
	}
	pair, err := tls.X509KeyPair(cfg.Credentials, cfg.Credentials)
	if err != nil {
		return nil, fmt.Errorf("FLEET_CREDENTIALS: %w", err)
	}
	key, ok := pair.PrivateKey.(ed25519.PrivateKey)
	if !ok {
		return nil, errors.New("FLEET_CREDENTIALS: the key is not one of fwknopd fleet init")
	}
	s := &Signer{key: key, spki: string(pair.Leaf.RawSubjectPublicKeyInfo), pins: make(map[string]string)}
	for _, p := range cfg.Peers {
		s.pins[p.Name] = p.Pin
	}
	return s, nil
}

// Order returns o as it is published.
func (s *Signer) Order(o Order) ([]byte, error) { return s.sign(forOrder, o) }

// Done returns d as it is published.
func (s *Signer) Done(d Done) ([]byte, error) { return s.sign(forDone, d) }

// ReadOrder returns an order that came under the name of a gateway, if that gateway has signed it.
func (s *Signer) ReadOrder(from string, text []byte) (o Order, err error) {
	if err = s.read(forOrder, from, text, &o); err == nil {
		err = o.Check()
	}
	if err == nil && o.From != from {
		err = errSigner
	}
	return o, err
}

// ReadDone returns an answer that came under the name of a gateway, if that gateway has signed it.
func (s *Signer) ReadDone(by string, text []byte) (d Done, err error) {
	if err = s.read(forDone, by, text, &d); err == nil {
		err = d.Check()
	}
	if err == nil && d.By != by {
		err = errSigner
	}
	return d, err
}

func (s *Signer) sign(purpose string, v any) ([]byte, error) {
	body, err := codec.Encode(nil, v)
	if err != nil {
		return nil, err
	}
	m := signed{Body: string(body)}
	if s.key != nil {
		m.SPKI, m.Signature = s.spki, string(ed25519.Sign(s.key, append([]byte(purpose), body...)))
	}
	return codec.Encode(nil, m)
}

var errSigner = errors.New("it is not signed by the gateway that it names")

// read decodes what is signed with the key that the name is pinned to.
func (s *Signer) read(purpose, name string, text []byte, v any) error {
	var m signed
	if len(text) > MaxSigned {
		return errTooLong
	}
	if err := codec.Decode(text, &m); err != nil {
		return err
	}
	if s.key != nil {
		sum := sha256.Sum256([]byte(m.SPKI))
		pin := s.pins[name]
		if pin == "" || base64.RawURLEncoding.EncodeToString(sum[:]) != pin {
			return errSigner
		}
		public, err := x509.ParsePKIXPublicKey([]byte(m.SPKI))
		key, ok := public.(ed25519.PublicKey)
		if err != nil || !ok || !ed25519.Verify(key, append([]byte(purpose), m.Body...), []byte(m.Signature)) {
			return errSigner
		}
	}
	return codec.Decode([]byte(m.Body), v)
}
