package report

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"fwknopd/policy/spa"
)

// Fields returns the fields of a message without secrets, one per line.
func Fields(m *spa.Message) []string {
	if m == nil {
		return nil
	}
	or := func(s string) string {
		if s == "" {
			return "<NULL>"
		}
		return s
	}
	auth := ""
	if method, _, ok := strings.Cut(m.ServerAuth, ","); ok {
		auth = method + ",[redacted]"
	}
	lines := []string{"Final SPA Data:", "SPA Field Values:", "================="}
	for _, f := range [...]struct{ name, value string }{
		{"Random Value", m.Rand},
		{"Username", m.User},
		{"Timestamp", fmt.Sprint(m.Time)},
		{"FKO Version", m.Version},
		{"Message Type", fmt.Sprintf("%d (%s)", m.Type, typeNames[m.Type])},
		{"Message String", m.Text},
		{"Nat Access", or(m.NAT)},
		{"Server Auth", or(auth)},
		{"Client Timeout", fmt.Sprint(m.Timeout)},
		{"Digest Type", strings.ToUpper(m.DigestType)},
		{"Signer", or(m.Signer)},
	} {
		lines = append(lines, fmt.Sprintf("%16s: %s", f.name, f.value))
	}
	return lines
}

// Dump19 returns what 1.9 prints of a message under --debug.
func Dump19(m *spa.Message) []string {
	if m == nil {
		return nil
	}
	lines := []string{"Packet fields:"}
	for _, f := range [...]struct{ name, value string }{
		{"Random data", m.Rand},
		{"Username", m.User},
		{"Timestamp", fmt.Sprint(m.Time)},
		{"Version", m.Version},
		{"Type", fmt.Sprintf("%d (%s)", m.Type, typeNames[m.Type])},
		{"Access", m.Text},
		{"NAT info", m.NAT},
		{m.DigestType + " digest", digest19(m)},
	} {
		if f.value != "" {
			lines = append(lines, fmt.Sprintf("        %-16s%s", f.name+":", f.value))
		}
	}
	return append(lines, "Disk write digest: "+digest19(m))
}

// digest19 returns the digest that 1.9 stores for a message.
func digest19(m *spa.Message) string {
	sum := sha256.Sum256(m.Plaintext)
	return base64.RawStdEncoding.EncodeToString(sum[:])
}

var typeNames = map[spa.Type]string{
	spa.Command: "Command msg", spa.Access: "Access msg", spa.NATAccess: "NAT Access msg",
	spa.AccessTimeout: "Client Timeout Access msg", spa.NATAccessTimeout: "Client Timeout NAT Access msg",
	spa.LocalNATAccess: "Local NAT Access msg", spa.LocalNATAccessTimeout: "Client Timeout Local NAT Access msg",
}
