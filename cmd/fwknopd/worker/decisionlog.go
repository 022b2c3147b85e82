package worker

import (
	"time"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/ingest"
	"fwknopd/parse"
	"fwknopd/policy"
	"fwknopd/policy/conf"
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
	report.Packet
	fields   []string         // of the SPA message, for -v -v
	dump     []string         // the same in the format of 1.9, for --debug
	refusals []policy.Refusal // by stanzas other than that of the decision, in file order
}

// A decisionLog formats decisions.
type decisionLog struct {
	refusals *privsep.Budget
	compat   report.Compat // of the old daemon whose configuration files are used
	event    parse.Event
	entry    report.Entry
	buf      []byte
}

// logDecision logs a decision and the other decisions on the same packet.
func (w *worker) logDecision(p *pending) {
	if p.suppressed > 0 {
		w.out.putf(privsep.RecordWarning, "%s not told one by one", conf.Count(int(p.suppressed), "refusal"))
		w.out.put(privsep.RecordEvent, report.SuppressedJSON(p.packet.Time, p.suppressed))
	}
	w.logOne(&p.decision, &p.packet)
	for i := range p.decision.Others {
		w.logOne(&p.decision.Others[i], &p.packet)
	}
}

func (w *worker) logOne(d *policy.Decision, p *packet) {
	l := &w.decisions
	l.event.Src, l.event.Dst, l.event.Proto = p.Src, p.Dst, p.Proto
	l.entry.Set(p.Time, &l.event, d, ingest.Position{})
	n := 0 // refusals by stanzas before that of the decision
	for n < len(p.refusals) && p.refusals[n].Stanza < d.Stanza {
		n++
	}
	w.logRefusals(p, p.refusals[:n])
	if d.Mode == modeSPA {
		w.logLines(privsep.RecordInfo, l.compat.Matched(d.Stanza, &p.Packet))
	}
	w.logLines(privsep.RecordInfo, l.compat.Signed(d, &p.Packet))
	w.logLines(privsep.RecordInfo, p.dump)
	for _, line := range p.fields {
		w.out.put(privsep.RecordDetail, []byte(privsep.Sanitize(line)))
	}
	l.buf = report.AppendText(l.buf[:0], &l.entry)
	w.out.put(recordKindOf(d), l.buf)
	kind := byte(privsep.RecordInfo)
	if d.Verdict == policy.Deny {
		kind = privsep.RecordWarning
	}
	w.logLines(kind, l.compat.Decision(d, &p.Packet))
	w.logRefusals(p, p.refusals[n:])
	p.refusals = nil // logged once, not again with the other decisions
	l.buf = report.AppendJSON(l.buf[:0], &l.entry)
	w.out.put(privsep.RecordEvent, l.buf)
}

// logRefusals logs, in the old daemon's format, the refusals by stanzas other than that
// of the decision. Our own format has only the decision.
func (w *worker) logRefusals(p *packet, refusals []policy.Refusal) {
	for _, r := range refusals {
		w.logLines(privsep.RecordInfo, w.decisions.compat.Matched(r.Stanza, &p.Packet))
		w.logLines(privsep.RecordWarning, w.decisions.compat.Refusal(r, &p.Packet))
	}
}

// logLines logs lines of an old daemon.
func (w *worker) logLines(kind byte, lines []string) {
	for _, line := range lines {
		w.out.putf(kind, "%s", line)
	}
}

// compat26f logs a line of the 2.6 daemon that does not belong to a decision.
func (w *worker) compat26f(l *config.Loaded, format string, args ...any) {
	if l.Server.Dialect == conf.C26 {
		w.out.putf(privsep.RecordInfo, format, args...)
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
