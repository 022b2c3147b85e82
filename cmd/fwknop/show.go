package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"fwknopd/cmd/fwknop/send"
	"fwknopd/policy/conf"
	"fwknopd/policy/spa"
)

// typeNames are the types of messages in words.
var typeNames = map[spa.Type]string{
	spa.Command:               "command",
	spa.Access:                "access",
	spa.NATAccess:             "access with NAT",
	spa.AccessTimeout:         "access with a timeout",
	spa.NATAccessTimeout:      "access with NAT and a timeout",
	spa.LocalNATAccess:        "access with local NAT",
	spa.LocalNATAccessTimeout: "access with local NAT and a timeout",
}

// shown is what --dry-run prints: the packet and what is in it, but no key, no
// password and no code.
type shown struct {
	Packet     string `json:"packet"`
	Server     string `json:"server"`
	Carrier    string `json:"carrier"`
	User       string `json:"user"`
	Time       int64  `json:"time"`
	Version    string `json:"version"`
	Type       uint8  `json:"type"`
	TypeName   string `json:"type_name"`
	Message    string `json:"message"`
	NAT        string `json:"nat,omitempty"`
	Timeout    uint32 `json:"timeout,omitempty"`
	Password   bool   `json:"password"`
	Code       bool   `json:"code"`
	Digest     string `json:"digest"`
	Encryption string `json:"encryption"`
	HMAC       string `json:"hmac,omitempty"`
}

// show prints a packet that is not sent.
func (c *client) show(p *send.Packet, m *spa.Message) error {
	s := shown{
		Packet: string(p.Text), Server: p.String(), Carrier: c.Client.Proto,
		User: m.User, Time: m.Time, Version: m.Version, Type: uint8(m.Type), TypeName: typeNames[m.Type],
		Message: m.Text, NAT: m.NAT, Timeout: m.Timeout, Password: bringsAuth(m, conf.AuthCrypt), Code: bringsAuth(m, conf.AuthTOTP), Digest: cmp.Or(m.DigestType, "sha256"),
		Encryption: c.encryption(),
	}
	if o := &c.Client; o.UseHMAC || o.HMACKey != "" || o.HMACKeyBase64 != "" || o.HMACKeyFile != "" {
		s.HMAC = cmp.Or(c.HMACDigestType, "sha256")
	}
	if c.JSON() {
		return json.NewEncoder(c.stdout).Encode(s)
	}
	c.print(&s)
	return nil
}

// bringsAuth reports whether a message has something for REQUIRE_AUTH_METHOD.
func bringsAuth(m *spa.Message, method string) bool {
	return strings.HasPrefix(m.ServerAuth, method+",")
}

// encryption names how the message is encrypted.
func (c *client) encryption() string {
	switch o := &c.Client; {
	case !c.usesGPG():
		return "Rijndael, " + cmp.Or(o.Mode, "cbc")
	case o.GPGSigner == "":
		return "OpenPGP for " + o.GPGRecipient + ", not signed"
	default:
		return "OpenPGP for " + o.GPGRecipient + ", signed by " + o.GPGSigner
	}
}

// row prints one field of what is not sent.
func (c *client) row(name string, value any) {
	fmt.Fprintf(c.stdout, "  %-12s %v\n", name, value)
}

func (c *client) print(s *shown) {
	row := c.row
	fmt.Fprintf(c.stdout, "Packet of %d bytes, not sent to %s over %s:\n%s\n", len(s.Packet), s.Server, s.Carrier, s.Packet)
	row("user", s.User)
	row("time", fmt.Sprintf("%d (%s)", s.Time, time.Unix(s.Time, 0).UTC().Format(time.RFC3339)))
	row("version", s.Version)
	row("type", fmt.Sprintf("%d (%s)", s.Type, s.TypeName))
	row("message", s.Message)
	if s.NAT != "" {
		row("NAT", s.NAT)
	}
	if s.Timeout != 0 {
		row("timeout", fmt.Sprintf("%d s", s.Timeout))
	}
	if s.Password {
		row("password", "one, for the server")
	}
	if s.Code {
		row("code", "one, good for once")
	}
	row("digest", s.Digest)
	row("encryption", s.Encryption)
	row("HMAC", cmp.Or(s.HMAC, "none"))
}
