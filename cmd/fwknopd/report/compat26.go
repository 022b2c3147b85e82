package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/monitor"
	"fwknopd/policy"
	"fwknopd/policy/conf"
	"fwknopd/policy/spa"
)

// decisions26 has the 2.6 daemon's log lines for decisions.
var decisions26 = map[policy.Reason]func(*compatDecision) []string{
	policy.SPAReplay: replay26,
	policy.SPAStale:  age26,
	policy.SPAFuture: age26,
	policy.SPAUser: func(c *compatDecision) []string {
		return c.line26("Username in SPA data (%s) does not match required username: %s", c.Detail.Got, c.Detail.Want)
	},
	policy.SPAPort: func(c *compatDecision) []string {
		return c.line26("One or more requested protocol/ports was denied per access.conf.")
	},
	policy.SPAExpiredStanza: func(c *compatDecision) []string { return c.line26("Access stanza has expired") },
	policy.SPACmdDisabled: func(c *compatDecision) []string {
		return c.line26("SPA Command messages are not allowed in the current configuration.")
	},
	policy.SPAHMACMismatch: func(c *compatDecision) []string {
		when := ""
		if c.stanza != nil && c.stanza.GPG != nil && c.stanza.Key.IsZero() {
			when = " (before decryption)"
		}
		return c.line26("Error creating fko context%s: Args contain invalid data: FKO_ERROR_INVALID_DATA_HMAC_COMPAREFAIL", when)
	},
	policy.SPADecryptFailed: func(c *compatDecision) []string {
		return c.line26("Error creating fko context: Decryption failed or decrypted data is invalid")
	},
	policy.SPASource:    source26,
	policy.SPANAT:       nat26,
	policy.SPAGPGSigner: signer26,
	policy.NoStanza:     noStanza26,
	policy.SPACommand: func(c *compatDecision) []string {
		return c.line26("Processing SPA Command message: command='%s'.", c.Command.Text)
	},
	policy.SPAGranted: cycle26,
}

// line26 returns a line about a packet and a stanza.
func (c *compatDecision) line26(format string, args ...any) []string {
	n := 0
	if c.stanza != nil {
		n = c.stanza.Number
	}
	return []string{fmt.Sprintf("[%s] (stanza #%d) %s", c.packet.Src.Addr(), n, fmt.Sprintf(format, args...))}
}

// replay26 omits the port that the packet was first sent to: the journal stores it, the
// in-memory store does not.
func replay26(c *compatDecision) []string {
	line := fmt.Sprintf("Replay detected from source IP: %s, Destination proto/port: %d/%d", c.packet.Src.Addr(), c.packet.Proto, c.packet.Dst.Port())
	if c.Detail.FirstSrc != "" {
		line += ", Original source IP: " + c.Detail.FirstSrc
	}
	if c.Detail.FirstSeen != nil {
		line += ", Entry created: " + c.Detail.FirstSeen.Local().Format("01/02/06 15:04:05")
	}
	return []string{line}
}

func age26(c *compatDecision) []string {
	if c.Detail.AgeS == nil {
		return nil // without a time there is no difference
	}
	age := *c.Detail.AgeS
	return c.line26("SPA data time difference is too great (%d seconds).", max(age, -age))
}

func source26(c *compatDecision) []string {
	if c.Detail.Got != "0.0.0.0" {
		return nil
	}
	return c.line26("Got 0.0.0.0 when valid source IP was required.")
}

func nat26(c *compatDecision) []string {
	switch {
	case c.Detail.Text == policy.TextNATDNS:
		return []string{"Received Hostname in NAT SPA message, but hostname is disabled."}
	case !strings.HasSuffix(c.Detail.Text, "is off") || c.stanza == nil:
		return nil
	}
	return []string{fmt.Sprintf("(stanza #%d) SPA packet from %s requested NAT access, but is not enabled/supported", c.stanza.Number, c.packet.Src.Addr())}
}

func signer26(c *compatDecision) []string {
	if c.Detail.Signer == "" {
		return nil
	}
	return c.line26("Incoming SPA packet signed by ID: %s, but that ID is not in the GPG_REMOTE_ID list.", shortID(c.Detail.Signer))
}

func noStanza26(c *compatDecision) []string {
	if c.covered() {
		return nil // DESTINATION or the interface does not match
	}
	return []string{"No access data found for source IP: " + c.packet.Src.Addr().String()}
}

// cycle26 returns the lines that precede the commands of CMD_CYCLE_OPEN.
func cycle26(c *compatDecision) []string {
	if c.Grant.External == nil || c.stanza == nil || c.stanza.CycleOpen == "" {
		return nil
	}
	lines := c.line26("Running CMD_CYCLE_OPEN command: %s", strings.Join(c.Grant.External.Open, " "))
	if len(c.Grant.External.Close) == 0 {
		return lines
	}
	left := c.Grant.Expires.Sub(c.packet.Time).Round(time.Second)
	return append(lines, c.line26("Running CMD_CYCLE_CLOSE command in %d seconds: %s", left/time.Second, strings.Join(c.Grant.External.Close, " "))...)
}

// Fields returns the fields of a message without secrets, one per line as 2.6 dumps them.
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
	lines := []string{"Final SPA Data:", "SPA Field Values:", "================="}
	for _, f := range [...]struct{ name, value string }{
		{"Random Value", m.Rand},
		{"Username", m.User},
		{"Timestamp", fmt.Sprint(m.Time)},
		{"FKO Version", m.Version},
		{"Message Type", fmt.Sprintf("%d (%s)", m.Type, typeNames[m.Type])},
		{"Message String", m.Text},
		{"Nat Access", or(m.NAT)},
		{"Server Auth", or(redactedAuth(m))},
		{"Client Timeout", fmt.Sprint(m.Timeout)},
		{"Digest Type", strings.ToUpper(m.DigestType)},
		{"Signer", or(m.Signer)},
	} {
		lines = append(lines, fmt.Sprintf("%16s: %s", f.name, f.value))
	}
	return lines
}

// redactedAuth returns the server_auth field without the password.
func redactedAuth(m *spa.Message) string {
	if method, _, ok := strings.Cut(m.ServerAuth, ","); ok {
		return method + ",[redacted]"
	}
	return ""
}

var typeNames = map[spa.Type]string{
	spa.Command: "Command msg", spa.Access: "Access msg", spa.NATAccess: "NAT Access msg",
	spa.AccessTimeout: "Client Timeout Access msg", spa.NATAccessTimeout: "Client Timeout NAT Access msg",
	spa.LocalNATAccess: "Local NAT Access msg", spa.LocalNATAccessTimeout: "Client Timeout Local NAT Access msg",
}

// events26 has the 2.6 daemon's log lines for monitor events.
var events26 = map[monitor.Kind]func(*Compat, *monitor.Event) []string{
	monitor.Granted:    added26,
	monitor.Extended:   added26,
	monitor.Adopted:    func(c *Compat, ev *monitor.Event) []string { c.addRules(ev); return nil },
	monitor.Revoked:    func(c *Compat, ev *monitor.Event) []string { c.removeRules(ev); return nil },
	monitor.Expired:    removed26,
	monitor.CommandRan: ran26,
}

// added26 is logged for rules that were added, not for commands that open.
func added26(c *Compat, ev *monitor.Event) (lines []string) {
	g := &ev.Grant
	dst := anywhere(g.Src)
	if g.NAT == nil && g.Dst.IsValid() {
		dst = g.Dst.String()
	}
	ports := "*/*"
	if !g.All {
		ports = strings.Join(g.PortNames(), ",")
	}
	c.removeRules(ev) // an extension replaces the rules with the earlier expiry
	for _, r := range c.addRules(ev) {
		lines = append(lines, fmt.Sprintf("Added %s rule to %s for %s -> %s %s, expires at %d", r.what, r.chain, clientsText(&r.part), dst, ports, epoch(g)))
	}
	return lines
}

func removed26(c *Compat, ev *monitor.Event) (lines []string) {
	g := &ev.Grant
	if g.External != nil {
		return closed26(c, g)
	}
	numbers := c.removeRules(ev)
	for i, r := range c.rulesOf(g) {
		lines = append(lines, fmt.Sprintf("Removed rule %d from %s with expire time of %d", numbers[i], r.chain, epoch(g)))
	}
	return lines
}

// epoch returns the end of a grant in seconds since 1970, 0 for a grant without end.
func epoch(g *enforce.Grant) int64 {
	if g.Expires.IsZero() {
		return 0
	}
	return enforce.CeilSecond(g.Expires)
}

func closed26(c *Compat, g *enforce.Grant) []string {
	st := c.Access.StanzaAt(g.Stanza)
	if st == nil || st.CycleOpen == "" || len(g.External.Close) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("[%s] (stanza #%d) Timer expired, running CMD_CYCLE_CLOSE command: %s", clientsText(g), st.Number, strings.Join(g.External.Close, " "))}
}

func ran26(c *Compat, ev *monitor.Event) []string {
	st := c.Access.StanzaAt(ev.Command.Stanza)
	if st == nil {
		return nil
	}
	status := ev.Result.Status
	if ev.Err != nil {
		status = 255
	}
	head := fmt.Sprintf("[%s] (stanza #%d) ", ev.Command.Src, st.Number)
	return []string{head + "Running command '" + commandText26(c, st, ev.Command.Text) + "'" + c.Credential(st), fmt.Sprintf("%sCMD_EXEC: command returned 0, pid_status: %d", head, status)}
}

// commandText26 returns a command with sudo and its options in front of it.
func commandText26(c *Compat, st *conf.Stanza, text string) string {
	if !st.CmdSudo {
		return text
	}
	words := []string{c.Server.SudoExe}
	if st.CmdSudoUser != "" {
		words = append(words, "-u", st.CmdSudoUser)
	}
	if st.CmdSudoGroup != "" {
		words = append(words, "-g", st.CmdSudoGroup)
	}
	return strings.Join(append(words, text), " ")
}

// addRules records the rules of a grant and returns them.
func (c *Compat) addRules(ev *monitor.Event) []compatRule {
	rules := c.rulesOf(&ev.Grant)
	for _, r := range rules {
		c.rules[r.chain] = append(c.rules[r.chain], r.part.Key())
	}
	return rules
}

// removeRules removes the recorded rules of a grant. It returns the number that each
// had before the removal; 1 for a rule that was not recorded.
func (c *Compat) removeRules(ev *monitor.Event) []int {
	rules := c.rulesOf(&ev.Grant)
	numbers := make([]int, len(rules))
	for i, r := range rules {
		numbers[i] = max(slices.Index(c.rules[r.chain], r.part.Key()), 0) + 1
	}
	for _, r := range rules {
		c.rules[r.chain] = slices.DeleteFunc(c.rules[r.chain], func(key string) bool { return key == r.part.Key() })
	}
	return numbers
}
