package worker

import (
	"fmt"
	"strings"
	"time"

	"fwknopd/policy"
)

// decisions26 has the 2.6 daemon's log lines for decisions.
var decisions26 = compatTable{
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
	return []string{fmt.Sprintf("[%s] (stanza #%d) %s", c.packet.src.Addr(), n, fmt.Sprintf(format, args...))}
}

// replay26 omits the port that the packet was first sent to: the journal stores it, the
// in-memory store does not.
func replay26(c *compatDecision) []string {
	line := fmt.Sprintf("Replay detected from source IP: %s, Destination proto/port: %d/%d", c.packet.src.Addr(), c.packet.proto, c.packet.dst.Port())
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
	return []string{fmt.Sprintf("(stanza #%d) SPA packet from %s requested NAT access, but is not enabled/supported", c.stanza.Number, c.packet.src.Addr())}
}

func signer26(c *compatDecision) []string {
	if c.Detail.Signer == "" {
		return nil
	}
	return c.line26("Incoming SPA packet signed by ID: %s, but that ID is not in the GPG_REMOTE_ID list.", shortID(c.Detail.Signer))
}

// shortID returns the last digits of a key id or fingerprint, as 2.6 prints it.
func shortID(id string) string { return id[max(len(id)-8, 0):] }

// logSigned26 logs what 2.6 prints for a message decrypted with the GPG key of a
// stanza.
func (w *worker) logSigned26(line int, reason policy.Reason, p *packet) {
	st := w.decisions.access.StanzaAt(line)
	if p.signer == "" || st == nil || st.GPG == nil || st.GPG.DisableSig || reason == policy.SPAReplay {
		return
	}
	w.compat26f(w.loaded, "[%s] (stanza #%d) Incoming SPA data signed by '%s' (fingerprint '%s').", p.src.Addr(), st.Number, shortID(p.signer), p.signer)
}

func noStanza26(c *compatDecision) []string {
	if c.covered {
		return nil // DESTINATION or the interface does not match
	}
	return []string{"No access data found for source IP: " + c.packet.src.Addr().String()}
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
	left := c.Grant.Expires.Sub(c.packet.now).Round(time.Second)
	return append(lines, c.line26("Running CMD_CYCLE_CLOSE command in %d seconds: %s", left/time.Second, strings.Join(c.Grant.External.Close, " "))...)
}
