package main

import (
	"cmp"
	"fmt"
	"time"

	"fwknopd/cmd/fwknop/send"
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

// show prints the packet and what is in it, but no key.
func (c *client) show(p *send.Packet, m *spa.Message) error {
	row := func(name string, value any) {
		fmt.Fprintf(c.stdout, "  %-12s %v\n", name, value)
	}
	fmt.Fprintf(c.stdout, "Packet of %d bytes, not sent to %s over %s:\n%s\n", len(p.Text), p, c.Client.Proto, p.Text)
	row("user", m.User)
	row("time", fmt.Sprintf("%d (%s)", m.Time, time.Unix(m.Time, 0).UTC().Format(time.RFC3339)))
	row("version", m.Version)
	row("type", fmt.Sprintf("%d (%s)", m.Type, typeNames[m.Type]))
	row("message", m.Text)
	if m.NAT != "" {
		row("NAT", m.NAT)
	}
	if m.HasTimeout {
		row("timeout", fmt.Sprintf("%d s", m.Timeout))
	}
	if m.ServerAuth != "" {
		row("password", "one, for the server")
	}
	row("digest", cmp.Or(m.DigestType, "sha256"))
	c.showEncryption(row)
	return nil
}

func (c *client) showEncryption(row func(string, any)) {
	switch o := &c.Client; {
	case !c.usesGPG():
		row("encryption", "Rijndael, "+cmp.Or(o.Mode, "cbc"))
	case o.GPGSigner == "":
		row("encryption", "OpenPGP for "+o.GPGRecipient+", not signed")
	default:
		row("encryption", "OpenPGP for "+o.GPGRecipient+", signed by "+o.GPGSigner)
	}
	hmac := "none"
	if o := &c.Client; o.UseHMAC || o.HMACKey != "" || o.HMACKeyBase64 != "" || o.HMACKeyFile != "" {
		hmac = cmp.Or(c.HMACDigestType, "sha256")
	}
	row("HMAC", hmac)
}
