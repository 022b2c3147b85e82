package worker

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/ingest"
	"fwknopd/parse"
	"fwknopd/policy"
	"fwknopd/policy/conf"
	"fwknopd/policy/spa"
)

// modeSPA is the Decision.Mode of an SPA packet.
const modeSPA = "spa"

// Refusals are logged up to a burst of refusalBurst, then at refusalRate per second: a
// flood of packets that look like SPA must not fill the disk.
const (
	refusalRate  = 5
	refusalBurst = 100
)

// A packet is what is logged of a packet beside the decision.
type packet struct {
	now      time.Time
	src, dst netip.AddrPort
	proto    parse.Proto
	input    ingest.Position
	fields   []string // of the SPA message, for -v -v
	dump     []string // the same in the format of 1.9, for --debug
	detail19 detail19
	signer   string           // fingerprint, if an OpenPGP message was decrypted
	refusals []policy.Refusal // by stanzas other than that of the decision, in file order
}

func packetOf(now time.Time, ev *parse.Event) packet {
	return packet{now: now, src: ev.Src, dst: ev.Dst, proto: ev.Proto}
}

// A decisionLog formats decisions.
type decisionLog struct {
	refusals *privsep.Budget
	access   *conf.Access
	compat   compatTable // of the old daemon whose configuration files are used
	event    parse.Event
	entry    report.Entry
	buf      []byte
}

// logDecision logs a decision and the other decisions on the same packet.
func (w *worker) logDecision(p *pending) {
	if p.suppressed > 0 {
		w.out.putf(privsep.RecordWarning, "%s not told one by one", conf.Count(int(p.suppressed), "refusal"))
		w.out.put(privsep.RecordEvent, report.SuppressedJSON(p.packet.now, p.suppressed))
	}
	w.logOne(&p.decision, &p.packet)
	for i := range p.decision.Others {
		w.logOne(&p.decision.Others[i], &p.packet)
	}
}

func (w *worker) logOne(d *policy.Decision, p *packet) {
	l := &w.decisions
	l.event.Src, l.event.Dst, l.event.Proto = p.src, p.dst, p.proto
	l.entry.Set(p.now, &l.event, d, p.input)
	n := 0 // refusals by stanzas before that of the decision
	for n < len(p.refusals) && p.refusals[n].Stanza < d.Stanza {
		n++
	}
	w.logRefusals(p, p.refusals[:n])
	w.logMatch26(d.Stanza, d.Mode, p)
	w.logSigned26(d.Stanza, d.Reason, p)
	for _, line := range p.dump {
		w.out.putf(privsep.RecordInfo, "%s", line)
	}
	for _, line := range p.fields {
		w.out.put(privsep.RecordDetail, []byte(privsep.Sanitize(line)))
	}
	l.buf = report.AppendText(l.buf[:0], &l.entry)
	w.out.put(recordKindOf(d), l.buf)
	for _, line := range l.compatLines(d, p) {
		w.out.putf(compatKindOf(d), "%s", line)
	}
	w.logRefusals(p, p.refusals[n:])
	p.refusals = nil // logged once, not again with the other decisions
	l.buf = report.AppendJSON(l.buf[:0], &l.entry)
	w.out.put(privsep.RecordEvent, l.buf)
}

// logMatch26 logs what 2.6 prints for each stanza whose SOURCE matches.
func (w *worker) logMatch26(line int, mode string, p *packet) {
	if st := w.decisions.access.StanzaAt(line); st != nil && mode == modeSPA {
		w.compat26f(w.loaded, "(stanza #%d) SPA Packet from IP: %s received with access source match", st.Number, p.src.Addr())
	}
}

// logRefusals logs, in the old daemon's format, the refusals by stanzas other than that
// of the decision. Our own format has only the decision.
func (w *worker) logRefusals(p *packet, refusals []policy.Refusal) {
	for _, r := range refusals {
		w.logMatch26(r.Stanza, modeSPA, p)
		for _, line := range w.decisions.compatRefusal(r, p) {
			w.out.putf(privsep.RecordWarning, "%s", line)
		}
	}
}

// recordKindOf returns the kind of record for a decision. A refusal after successful
// authentication and a replay also go out by mail.
func recordKindOf(d *policy.Decision) byte {
	if d.Verdict == policy.Allow {
		return privsep.RecordInfo
	}
	switch d.Reason {
	case policy.SPAHMACMismatch, policy.SPADecryptFailed, policy.NoStanza, policy.SPARateLimited:
		return privsep.RecordWarning
	}
	if d.Mode == modeSPA {
		return privsep.RecordAlert
	}
	return privsep.RecordWarning
}

// logProblem logs an input error, with a rate limit: each packet of a flood may cause
// one. It may be called concurrently.
func (w *worker) logProblem(p ingest.Problem) {
	lost := w.problems.Take(time.Now(), 1)
	if lost > 0 {
		w.out.putf(privsep.RecordWarning, "%d more like this were not told one by one", lost)
	}
	switch {
	case lost < 0:
	case p.Record == 0:
		w.out.putf(privsep.RecordWarning, "%s: %v", p.Name, p.Err)
	default:
		w.out.putf(privsep.RecordWarning, "%s:%d: %v", p.Name, p.Record, p.Err)
	}
}

// fields returns the fields of a message without secrets, one per line.
func fields(m *spa.Message) []string {
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

var typeNames = map[spa.Type]string{
	spa.Command: "Command msg", spa.Access: "Access msg", spa.NATAccess: "NAT Access msg",
	spa.AccessTimeout: "Client Timeout Access msg", spa.NATAccessTimeout: "Client Timeout NAT Access msg",
	spa.LocalNATAccess: "Local NAT Access msg", spa.LocalNATAccessTimeout: "Client Timeout Local NAT Access msg",
}
