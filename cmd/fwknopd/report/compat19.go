package report

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/iptables"
	"fwknopd/enforce/monitor"
	"fwknopd/policy"
	"fwknopd/policy/conf"
	"fwknopd/policy/spa"
)

// decisions19 has the 1.9 daemon's log lines for decisions.
var decisions19 = map[policy.Reason]func(*compatDecision) []string{
	policy.SPAReplay: func(c *compatDecision) []string {
		if c.Detail.FirstSrc == "" {
			return nil // older than the stored digests, or from a cache without addresses
		}
		return []string{fmt.Sprintf("attempted SPA packet replay from: %s (original SPA src: %s, digest: %s)", c.Src, c.Detail.FirstSrc, c.packet.Digest)}
	},
	policy.SPAStale:  age19,
	policy.SPAFuture: age19,
	policy.SPAUser: func(c *compatDecision) []string {
		return []string{fmt.Sprintf("username mismatch from %s, expecting %s, got %s", c.Src, c.Detail.Want, c.Detail.Got)}
	},
	policy.SPAPort:   port19,
	policy.SPASource: source19,
	policy.SPATimeout: func(c *compatDecision) []string {
		return c.line19("received fw access request from %s, with client-defined timeout, but PERMIT_CLIENT_TIMEOUT is not set", c.Src)
	},
	policy.SPANAT: nat19,
	policy.SPACmdDisabled: func(c *compatDecision) []string {
		if c.Detail.Text != policy.TextCmdOff {
			return nil
		}
		return []string{fmt.Sprintf("received command \"%s\" but command mode not enabled for %s", c.packet.Text, c.Src)}
	},
	policy.SPACmdRegex: func(c *compatDecision) []string {
		return []string{fmt.Sprintf("received command \"%s\" from %s but CMD_REGEX did not match %s", c.packet.Text, c.Src, c.Src)}
	},
	policy.SPAAuthMethod:     auth19,
	policy.SPADecryptFailed:  key19,
	policy.SPADigestMismatch: key19,
	policy.SPAGPGSigner:      func(*compatDecision) []string { return []string{"GnuPG message not signed by any required key ID."} },
	policy.NoStanza: func(c *compatDecision) []string {
		if c.covered() {
			return nil // as noStanza26
		}
		return noStanza19(c)
	},
	policy.KnockGranted:       granted19,
	policy.KnockDecryptFailed: func(c *compatDecision) []string { return []string{"sequence decrypt failed for " + c.Src.String()} },
	policy.KnockChecksum:      func(c *compatDecision) []string { return []string{"invalid checksum for " + c.Src.String()} },
	policy.KnockUser:          user19,
	policy.KnockOS:            system19,
	policy.KnockLimit:         limit19,
	policy.KnockTooFast: func(c *compatDecision) []string {
		return gap19(c, "Sequence min_time (%d seconds) not met: %s (port sequence num: %d) ")
	},
	policy.KnockTooSlow: func(c *compatDecision) []string {
		return gap19(c, "Sequence max_time (%d seconds) exceeded: %s(port sequence num: %d) ")
	},
	policy.KnockTimeout: timeout19,
}

func (c *compatDecision) encrypted() bool {
	return c.stanza != nil && c.stanza.Mode == conf.ModeEncrypted
}

func (c *compatDecision) block() int {
	if c.stanza == nil {
		return 0
	}
	return c.stanza.Number
}

// line19 returns a line that ends with the stanza it is about.
func (c *compatDecision) line19(format string, args ...any) []string {
	n := 0
	if c.stanza != nil {
		n = c.stanza.Pos.Line
	}
	return []string{fmt.Sprintf("%s (SOURCE line num: %d)", fmt.Sprintf(format, args...), n)}
}

func age19(c *compatDecision) []string {
	d := &c.Detail
	if d.AgeS == nil || d.MaxAgeS == nil {
		return nil
	}
	hours := strconv.FormatFloat(float64(*d.AgeS)/3600, 'g', 15, 64)
	return []string{fmt.Sprintf("remote time stamp age difference is larger than %d second max.", *d.MaxAgeS),
		fmt.Sprintf("Time difference: %d (seconds), %s (hours)", *d.AgeS, hours)}
}

func port19(c *compatDecision) []string {
	switch {
	case c.Detail.Text == policy.TextNoAccess:
		return c.line19("received fw access request from %s, but DISABLE_FW_ACCESS is set to a true value", c.Src)
	case c.Detail.Port == "":
		return nil
	}
	return c.line19("IP %s not permitted to open %s", c.Src, c.Detail.Port)
}

func noStanza19(c *compatDecision) []string {
	return []string{fmt.Sprintf("Packet from %s did not match any SOURCE blocks in %s", c.Src, c.accessFile)}
}

func source19(c *compatDecision) []string {
	switch {
	case c.Detail.Got == "0.0.0.0":
		return c.line19("IP: %s sent SPA packet that contained 0.0.0.0 (-s on the client side) but REQUIRE_SOURCE_ADDRESS is enabled", c.Src)
	case c.Detail.Text == policy.TextSourceBlacklist:
		return noStanza19(c)
	case strings.HasPrefix(c.Detail.Text, policy.TextBlacklist):
		return c.line19("allow IP: %s SPA packet from %s is blacklisted", c.Detail.Got, c.Src)
	}
	return nil
}

func nat19(c *compatDecision) []string {
	switch c.Detail.Text {
	case policy.TextForwardOff, policy.TextForwardingOff:
		return c.line19("FORWARD access requested through non-forward access SOURCE block")
	case policy.TextForwardOnly:
		return c.line19("non-forward access requested through FORWARD access SOURCE block")
	case policy.TextNATTarget:
		return c.line19("NAT access to %s restricted", c.Detail.Got)
	}
	return nil
}

func auth19(c *compatDecision) []string {
	switch c.Detail.Text {
	case policy.TextNoPassword:
		return []string{fmt.Sprintf("required server-auth method \"crypt\" not supplied by %s", c.Src)}
	case policy.TextPassword:
		return []string{fmt.Sprintf("IP: %s failed server-auth UNIX crypt() password test", c.Src)}
	}
	return nil
}

// key19 is logged when the key of a stanza does not decrypt the message.
func key19(c *compatDecision) []string {
	if c.stanza == nil {
		return nil
	}
	return []string{fmt.Sprintf("Key mis-match or broken message checksum for SOURCE %s (# %d in %s)", sourceText19(&c.stanza.Source), c.stanza.Number, filepath.Base(c.accessFile))}
}

// sourceText19 formats a SOURCE as in the access file.
func sourceText19(n *conf.Nets) string {
	words := make([]string, len(n.Include))
	for i, p := range n.Include {
		if words[i] = p.String(); p.Bits() == 0 {
			return "ANY"
		}
		if p.IsSingleIP() {
			words[i] = p.Addr().String()
		}
	}
	return strings.Join(words, ", ")
}

func granted19(c *compatDecision) (lines []string) {
	if c.encrypted() {
		lines = append(lines, fmt.Sprintf("successful knock decrypt for %s (SOURCE block: %d)", c.Src, c.block()))
	}
	return append(lines, fmt.Sprintf("port knock access sequence matched for %s (SOURCE block: %d)", c.Src, c.block()))
}

func user19(c *compatDecision) []string {
	if c.Detail.Got == "" {
		return []string{"missing username in encrypted sequence, expected: " + c.Detail.Want}
	}
	return []string{fmt.Sprintf("username mismatch, expected: %s, got: %s", c.Detail.Want, c.Detail.Got)}
}

func system19(c *compatDecision) []string {
	kind := "OS"
	if c.stanza != nil && c.stanza.RequireOSRegex != nil {
		kind = "OS regex"
	}
	switch {
	case c.Detail.Got == "":
		return []string{fmt.Sprintf("could not fingerprint OS for %s, expecting %s: %s", c.Src, kind, c.Detail.Want)}
	case kind == "OS":
		return []string{fmt.Sprintf("OS fingerprint mismatch for %s: expected: %s, received: %s", c.Src, c.Detail.Want, c.Detail.Got)}
	}
	return []string{fmt.Sprintf("OS fingerprint regex mismatch for %s: expected: %s, received: %s", c.Src, c.Detail.Want, c.Detail.Got)}
}

func limit19(c *compatDecision) []string {
	limit := 0
	if c.Detail.Limit != nil {
		limit = *c.Detail.Limit
	}
	return []string{fmt.Sprintf("%s exceeded knock limit (set to %d accesses)", c.Src, limit),
		fmt.Sprintf("access controls for %s will not be modified", c.Src)}
}

func gap19(c *compatDecision, format string) []string {
	d := &c.Detail
	if d.LimitS == nil || d.Step == nil {
		return nil
	}
	return []string{fmt.Sprintf(format, int(*d.LimitS), d.Port, *d.Step-1)}
}

func timeout19(c *compatDecision) []string {
	if !c.encrypted() {
		return nil // 1.9 logs nothing in this case
	}
	return []string{fmt.Sprintf("invalid encrypted sequence %s timeout", c.Src)}
}

// Dump19 returns what 1.9 prints of a message under --debug. digest is that of [Digest19].
func Dump19(m *spa.Message, digest string) []string {
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
		{m.DigestType + " digest", digest},
	} {
		if f.value != "" {
			lines = append(lines, fmt.Sprintf("        %-16s%s", f.name+":", f.value))
		}
	}
	return append(lines, "Disk write digest: "+digest)
}

// Digest19 returns the digest that 1.9 stores for a message.
func Digest19(m *spa.Message) string {
	sum := sha256.Sum256(m.Plaintext)
	return base64.RawStdEncoding.EncodeToString(sum[:])
}

// events19 has the 1.9 daemon's log lines for monitor events.
var events19 = map[monitor.Kind]func(*Compat, *monitor.Event) []string{
	monitor.Granted:  added19,
	monitor.Extended: already19,
	monitor.Kept:     already19,
	monitor.Expired:  removed19,
	monitor.Revoked:  func(c *Compat, ev *monitor.Event) []string { c.forgetLifetimes(ev); return nil },
}

// endpoints returns source, destination and port of a rule as 1.9 prints them.
func (r *compatRule) endpoints() (from, to, port string) {
	g := &r.part
	any := anywhere(g.Src)
	from, to, port = clientsText(g), any, "all"
	if len(g.Ports) == 1 {
		port = g.Ports[0].Proto.String() + "/" + fmt.Sprint(g.Ports[0].Number)
	}
	switch {
	case r.role == enforce.Output:
		return any, from, port
	case r.role == enforce.DNAT && g.All:
		return from, g.NAT.Target.Addr().String(), port
	case r.role == enforce.DNAT:
		return from, g.NAT.Target.Addr().String(), port + " to " + fmt.Sprint(g.NAT.Target.Port())
	case g.Dst.IsValid():
		to = g.Dst.String()
	}
	return from, to, port
}

func (r *compatRule) target() string { return iptables.Defaults[r.role].Target }

func added19(c *Compat, ev *monitor.Event) (lines []string) {
	seconds := lifetime19(ev.Grant.Expires, ev.Time)
	for _, r := range c.rulesOf(&ev.Grant) {
		from, to, port := r.endpoints()
		lines = append(lines, fmt.Sprintf("add %s %s -> %s(%s) %s rule %d sec", r.chain, from, to, port, r.target(), seconds))
		c.lifetimes[r.part.Key()] = seconds
	}
	return lines
}

// lifetime19 returns the lifetime in whole seconds, 0 for a grant without end.
func lifetime19(end, now time.Time) int {
	if end.IsZero() {
		return 0
	}
	return int(end.Sub(now).Round(time.Second) / time.Second)
}

func already19(c *Compat, ev *monitor.Event) (lines []string) {
	for _, r := range c.rulesOf(&ev.Grant) {
		from, to, port := r.endpoints()
		lines = append(lines, fmt.Sprintf("source: %s -> %s(%s) already allowed to connect in chain: %s", from, to, port, r.chain))
	}
	return lines
}

func removed19(c *Compat, ev *monitor.Event) (lines []string) {
	for _, r := range c.rulesOf(&ev.Grant) {
		from, to, port := r.endpoints()
		seconds, known := c.lifetimes[r.part.Key()]
		if !known {
			continue // adopted from an earlier run: its lifetime is not known
		}
		lines = append(lines, fmt.Sprintf("removed iptables %s %s rule for %s -> %s(%s), %d sec timeout exceeded", r.chain, r.target(), from, to, port, seconds))
	}
	c.forgetLifetimes(ev)
	return lines
}

// forgetLifetimes removes the stored lifetimes of a grant.
func (c *Compat) forgetLifetimes(ev *monitor.Event) {
	for _, part := range ev.Grant.Split() {
		delete(c.lifetimes, part.Key())
	}
}
