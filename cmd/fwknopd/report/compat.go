package report

import (
	"fmt"
	"net/netip"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/monitor"
	"fwknopd/parse"
	"fwknopd/policy"
	"fwknopd/policy/conf"
	"fwknopd/policy/spa"
)

// modeSPA is the Decision.Mode of an SPA packet.
const modeSPA = "spa"

// A Compat formats decisions and monitor events as an old daemon does: log filters and
// scripts match its lines, which are printed in addition to ours. There are two tables for
// each dialect of the configuration files: for decisions, by reason ([decisions26],
// [decisions19]), and for monitor events, by kind ([events26], [events19]).
type Compat struct {
	Server *conf.Server
	Access *conf.Access
	// Sources are those of Access, for decisions.
	Sources *Sources
	// Chain names the chain of a role, and Credential the account that a command of a
	// stanza runs as. Both are for events only. Chain is nil if there are no rules.
	Chain      func(enforce.Role) string
	Credential func(*conf.Stanza) string

	rules     map[string][]string // the rules of each chain, by key, in the order in which 2.6 appends them
	lifetimes map[string]int      // of rules, by key, in seconds, as 1.9 logs them
}

// A Packet is what is logged of a packet beside the decision.
type Packet struct {
	Time     time.Time
	Src, Dst netip.AddrPort
	Proto    parse.Proto

	Text   string // the message field of an SPA message
	Digest string // of the message as 1.9 stores it; of a replay, or of a message to dump
	Signer string // fingerprint, if an OpenPGP message was decrypted
}

// NewPacket returns the packet of an event, which arrived at the time now.
func NewPacket(now time.Time, ev *parse.Event) Packet {
	return Packet{Time: now, Src: ev.Src, Dst: ev.Dst, Proto: ev.Proto}
}

// SetMessage adds the message of an SPA packet, nil if none was decrypted.
func (p *Packet) SetMessage(d *policy.Decision, m *spa.Message) {
	if m == nil {
		return
	}
	p.Text, p.Signer = m.Text, m.Signer
	if d.Reason == policy.SPAReplay {
		p.Digest = Digest19(m)
	}
}

// Matched returns what 2.6 prints for each stanza whose SOURCE matches an SPA packet.
func (c *Compat) Matched(stanza int, p *Packet) []string {
	if c.Server.Dialect != conf.C26 {
		return nil
	}
	st := c.Access.StanzaAt(stanza)
	if st == nil {
		return nil
	}
	return []string{fmt.Sprintf("(stanza #%d) SPA Packet from IP: %s received with access source match", st.Number, p.Src.Addr())}
}

// Signed returns what 2.6 prints for a message decrypted with the GPG key of a stanza.
func (c *Compat) Signed(d *policy.Decision, p *Packet) []string {
	if c.Server.Dialect != conf.C26 || p.Signer == "" || d.Reason == policy.SPAReplay {
		return nil
	}
	st := c.Access.StanzaAt(d.Stanza)
	if st == nil || st.GPG == nil || st.GPG.DisableSig {
		return nil
	}
	return []string{fmt.Sprintf("[%s] (stanza #%d) Incoming SPA data signed by '%s' (fingerprint '%s').", p.Src.Addr(), st.Number, shortID(p.Signer), p.Signer)}
}

// Refusal returns the log lines for the refusal by one stanza.
func (c *Compat) Refusal(r policy.Refusal, p *Packet) []string {
	return c.Decision(&policy.Decision{Verdict: policy.Deny, Reason: r.Reason, Detail: r.Detail, Mode: modeSPA, Src: p.Src.Addr(), Stanza: r.Stanza}, p)
}

// Decision returns the log lines for a decision.
func (c *Compat) Decision(d *policy.Decision, p *Packet) []string {
	table := decisions19
	if c.Server.Dialect == conf.C26 {
		table = decisions26
	}
	linesOf := table[d.Reason]
	if linesOf == nil || d.Shadow {
		return nil
	}
	about := compatDecision{Decision: d, packet: p, stanza: c.Access.StanzaAt(d.Stanza), sources: c.Sources}
	if all := c.Access.Stanzas; len(all) > 0 && all[0].Number == 1 {
		about.accessFile = all[0].Pos.File
	}
	return linesOf(&about)
}

// A compatDecision is a decision and what the old daemons' messages mention beside it.
type compatDecision struct {
	*policy.Decision
	packet     *Packet
	stanza     *conf.Stanza // nil: none
	sources    *Sources     // of all stanzas
	accessFile string       // of the first stanza
}

// covered reports whether the SOURCE of some stanza contains that of the packet.
func (c *compatDecision) covered() bool { return c.sources.Cover(c.packet.Src.Addr()) }

// Event returns the log lines for a monitor event. It must be called for every event, in
// order.
func (c *Compat) Event(ev *monitor.Event) []string {
	if c.rules == nil {
		c.rules, c.lifetimes = make(map[string][]string), make(map[string]int)
	}
	table := events19
	if c.Server.Dialect == conf.C26 {
		table = events26
	}
	if linesOf := table[ev.Kind]; linesOf != nil {
		return linesOf(c, ev)
	}
	return nil
}

// A compatRule is one rule of a grant as the old daemons name it.
type compatRule struct {
	what  string // in 2.6: "access", "FORWARD", …
	role  enforce.Role
	chain string
	part  enforce.Grant
}

// rulesOf returns the rules of a grant in the order of 2.6. A grant that runs a
// command has none.
func (c *Compat) rulesOf(g *enforce.Grant) (rules []compatRule) {
	if g.External != nil || c.Chain == nil {
		return nil
	}
	all := ""
	if g.All {
		all = " ALL"
	}
	parts := g.Split()
	add := func(what string, role enforce.Role) {
		for _, part := range parts {
			rules = append(rules, compatRule{what, role, c.Chain(role), part})
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

// shortID returns the last digits of a key id or fingerprint, as 2.6 prints it.
func shortID(id string) string { return id[max(len(id)-8, 0):] }
