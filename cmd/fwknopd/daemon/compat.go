package daemon

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/firewall"
	"fwknopd/enforce"
	"fwknopd/enforce/iptables"
	"fwknopd/enforce/monitor"
	"fwknopd/policy"
	"fwknopd/policy/conf"
	"fwknopd/policy/spa"
)

// Log filters and scripts match lines of the old daemons. With the configuration files of
// one of them, its log lines are printed in addition to ours. There are two tables for
// each: for decisions, by reason ([decisions26], [decisions19]), and for monitor events,
// by kind ([events26], [events19]).

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

// byLine returns the stanzas by the line number that identifies them.
func byLine(l *config.Loaded) map[int]*conf.Stanza {
	m := make(map[int]*conf.Stanza, len(l.Access.Stanzas))
	for i := range l.Access.Stanzas {
		m[l.Access.Stanzas[i].Pos.Line] = &l.Access.Stanzas[i]
	}
	return m
}

// compatLines returns the old daemon's log lines for a decision.
func (l *decisionLog) compatLines(d *policy.Decision, p *packet) []string {
	phrase := l.compat[d.Reason]
	if phrase == nil || d.Shadow {
		return nil
	}
	c := compatDecision{Decision: d, packet: p, stanza: l.stanzas[d.Stanza]}
	for _, st := range l.stanzas {
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
		return recordCompatWarning
	}
	return recordCompat
}

// compat26f logs a line of the 2.6 daemon that does not belong to a decision.
func (w *worker) compat26f(l *config.Loaded, format string, args ...any) {
	if l.Server.Dialect == conf.C26 {
		w.out.putf(recordCompat, format, args...)
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

// logCompat logs a monitor event the way the old daemon did.
func (d *daemon) logCompat(ev *monitor.Event) {
	table := events19
	if d.conf().Server.Dialect == conf.C26 {
		table = events26
	}
	if linesOf := table[ev.Kind]; linesOf != nil {
		for _, line := range linesOf(d, ev) {
			d.logf(info, "%s", line)
		}
	}
}

// A compatRule is one rule of a grant as the old daemons name it.
type compatRule struct {
	what  string // in 2.6: "access", "FORWARD", …
	role  enforce.Role
	chain string
	part  enforce.Grant
}

// compatRules returns the rules of a grant in the order of 2.6. A grant that runs a
// command has none.
func (d *daemon) compatRules(g *enforce.Grant) (rules []compatRule) {
	if g.External != nil || d.fw == nil {
		return nil
	}
	all := ""
	if g.All {
		all = " ALL"
	}
	parts := g.Split()
	add := func(what string, role enforce.Role) {
		for _, part := range parts {
			rules = append(rules, compatRule{what, role, d.chainOf(role), part})
		}
	}
	n := g.NAT
	switch {
	case n == nil:
		add("access", enforce.Input)
	case n.Local:
		add("local NAT", enforce.Input)
	default:
		add("FORWARD"+all, enforce.Forward)
	}
	if g.Output {
		add("OUTPUT", enforce.Output)
	}
	if n != nil && n.Target.IsValid() {
		add("DNAT"+all, enforce.DNAT)
	}
	switch {
	case n != nil && n.Masquerade:
		add("SNAT"+all, enforce.Masquerade)
	case n != nil && n.SNAT.IsValid():
		add("SNAT"+all, enforce.SNAT)
	}
	return rules
}

// chainOf returns the name of the chain for a role, or the name of a firewall that has
// no such chains.
func (d *daemon) chainOf(role enforce.Role) string {
	if !strings.Contains(d.fw.Name, "iptables") {
		return d.fw.Name
	}
	if c := firewall.Chains(d.conf().Server)[role]; c.To != "" {
		return c.To
	}
	return iptables.Defaults[role].To
}

// stanzaOf returns the stanza of a grant or command, nil if a reload removed it.
func (d *daemon) stanzaOf(line int) *conf.Stanza {
	return byLine(d.conf().Loaded)[line]
}
