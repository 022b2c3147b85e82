package worker

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/policy"
	"fwknopd/policy/conf"
	"fwknopd/policy/spa"
)

// Log filters and scripts match lines of the old daemons. With the configuration files of
// one of them, its log lines are printed in addition to ours. These tables are for
// decisions, by reason: [decisions26] and [decisions19].

// compatDecision is a decision and what the old daemons' messages mention beside it.
type compatDecision struct {
	*policy.Decision
	packet     *packet
	stanza     *conf.Stanza // nil: none
	covered    bool         // the SOURCE of some stanza contains that of the packet
	accessFile string
}

// compatTable maps a reason to the log lines of an old daemon for it.
type compatTable map[policy.Reason]func(*compatDecision) []string

// compatTableOf returns the table for the dialect of the configuration files.
func compatTableOf(l *config.Loaded) compatTable {
	if l.Server.Dialect == conf.C26 {
		return decisions26
	}
	return decisions19
}

// compatLines returns the old daemon's log lines for a decision.
func (l *decisionLog) compatLines(d *policy.Decision, p *packet) []string {
	phrase := l.compat[d.Reason]
	if phrase == nil || d.Shadow {
		return nil
	}
	c := compatDecision{Decision: d, packet: p, stanza: l.access.StanzaAt(d.Stanza)}
	for i := range l.access.Stanzas {
		st := &l.access.Stanzas[i]
		c.covered = c.covered || st.Source.Contains(p.src.Addr())
		if st.Number == 1 {
			c.accessFile = st.Pos.File
		}
	}
	return phrase(&c)
}

// compatRefusal returns the old daemon's log lines for the refusal by one stanza.
func (l *decisionLog) compatRefusal(r policy.Refusal, p *packet) []string {
	return l.compatLines(&policy.Decision{Verdict: policy.Deny, Reason: r.Reason, Detail: r.Detail, Mode: modeSPA, Src: p.src.Addr(), Stanza: r.Stanza}, p)
}

// compatKindOf returns the kind of record for an old daemon's log line about d.
func compatKindOf(d *policy.Decision) byte {
	if d.Verdict == policy.Deny {
		return privsep.RecordWarning
	}
	return privsep.RecordInfo
}

// compat26f logs a line of the 2.6 daemon that does not belong to a decision.
func (w *worker) compat26f(l *config.Loaded, format string, args ...any) {
	if l.Server.Dialect == conf.C26 {
		w.out.putf(privsep.RecordInfo, format, args...)
	}
}

// dump19 returns what 1.9 prints of a message under --debug.
func dump19(m *spa.Message) []string {
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
