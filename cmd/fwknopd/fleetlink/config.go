package fleetlink

import (
	"net/netip"
	"time"
)

// A Config is what the monitor tells the fleet process when it starts it.
type Config struct {
	Servers []string       `json:"servers,omitempty"` // URLs of an outside cluster (nats:// or tls://); empty: embedded
	Name    string         `json:"name"`              // of this member: [a-z0-9-], at most 63 bytes
	Listen  netip.AddrPort `json:"listen,omitzero"`   // embedded: where the other members connect to
	Peers   []Peer         `json:"peers,omitempty"`   // embedded: the members, with or without this one
	Dir     string         `json:"dir,omitempty"`     // embedded: where claims are stored

	// Credentials is the content of FLEET_CREDENTIALS: embedded, the private key and the
	// certificate of this member (PEM); else NATS credentials, or empty.
	Credentials []byte `json:"credentials,omitempty"`
	CA          []byte `json:"ca,omitempty"` // outside cluster: certificates that may sign its own (PEM)

	// Group is that of FLEET_GROUP; "": none. What was announced before Since, the start of the
	// daemon, is not heard.
	Group string    `json:"group,omitempty"`
	Since time.Time `json:"since,omitzero"`

	// Ordered is when the last order was stored that this gateway has heard of those that are stored.
	Ordered time.Time `json:"ordered,omitzero"`

	MaxAge time.Duration `json:"max_age,omitempty"` // how old a message may be that this gateway accepts; 0: any age
	Events bool          `json:"events,omitempty"`  // this gateway publishes its events
	Kafka  *Kafka        `json:"kafka,omitempty"`   // nil: no topics are read

	Witness bool   `json:"witness,omitempty"` // a member that claims nothing
	Sandbox string `json:"sandbox,omitempty"` // the value of SANDBOX: how the process confines itself
}

// Claims reports whether there is a fleet to claim from; without one there is but Kafka.
func (c *Config) Claims() bool { return len(c.Servers) > 0 || c.Listen.IsValid() }

// A Peer is a member of an embedded fleet.
type Peer struct {
	Name    string         `json:"name"`
	Address netip.AddrPort `json:"address"`
	Pin     string         `json:"pin"` // base64url, without padding, of the SHA-256 of its public key (SPKI, DER)
}
