package daemon

import (
	"time"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/ingest"
	"fwknopd/parse"
	"fwknopd/policy"
	"fwknopd/policy/conf"
)

// logDecision logs a decision of the worker: as a message, in the old daemon's format,
// and as an object in the event log.
func (d *daemon) logDecision(r *report.Record) {
	s := d.conf()
	p, dec := &r.Packet, &r.Decision
	p.Time = recordTime(p.Time, time.Now())
	compat := report.Compat{Server: s.Server, Access: s.Access, Sources: s.sources}
	n := 0 // refusals by stanzas before that of the decision
	for n < len(r.Refusals) && r.Refusals[n].Stanza < dec.Stanza {
		n++
	}
	d.logRefusals(&compat, p, r.Refusals[:n])
	if dec.Mode == policy.ModeSPA {
		d.logLines(info, compat.Matched(dec.Stanza, p))
	}
	d.logLines(info, compat.Signed(dec, p))
	if r.Message != nil && r.Dump && s.workerConfig.Debug && s.Server.Dialect != conf.C26 {
		d.logLines(info, report.Dump19(r.Message, p.Digest))
	}
	if r.Message != nil && r.Fields && d.verbose > 1 {
		d.logLines(info, report.Fields(r.Message))
	}
	ev := parse.Event{Src: p.Src, Dst: p.Dst, Proto: p.Proto}
	var entry report.Entry
	entry.Set(s.Access, p.Time, &ev, dec, ingest.Position{})
	sev := info
	if dec.Verdict == policy.Deny {
		sev = warning
	}
	text := string(report.AppendText(nil, &entry))
	d.write(sev, wantsAlert(dec), "%s", text)
	d.logLines(sev, compat.Decision(dec, p))
	d.logRefusals(&compat, p, r.Refusals[n:])
	d.events.write(report.AppendJSON(nil, &entry), text)
}

// logRefusals logs, in the old daemon's format, the refusals by stanzas other than that
// of the decision. The format of fwknopd has only the decision.
func (d *daemon) logRefusals(compat *report.Compat, p *report.Packet, refusals []policy.Refusal) {
	for _, r := range refusals {
		d.logLines(info, compat.Matched(r.Stanza, p))
		d.logLines(warning, compat.Refusal(r, p))
	}
}

// logLines logs each line as a message.
func (d *daemon) logLines(sev severity, lines []string) {
	for _, line := range lines {
		d.logf(sev, "%s", line)
	}
}

// logSuppressed logs that refusals are left out.
func (d *daemon) logSuppressed(s *report.Suppressed) {
	s.Time = recordTime(s.Time, time.Now())
	d.logf(warning, "%s", s.Text())
	d.events.write(s.JSON(), s.Text())
}

// maxRecordAge is how far the time of a decision may be from the clock. The time of one
// that is farther is not that of its packet.
const maxRecordAge = time.Minute

// recordTime returns the time to log for a decision that the worker has made at t.
func recordTime(t, now time.Time) time.Time {
	if age := now.Sub(t); age > maxRecordAge || age < -maxRecordAge {
		return now
	}
	return t
}

// wantsAlert reports whether a decision goes out by mail as well: a refusal after
// successful authentication, or a replay.
func wantsAlert(d *policy.Decision) bool {
	if d.Verdict == policy.Allow || d.Mode != policy.ModeSPA {
		return false
	}
	switch d.Reason {
	case policy.SPAHMACMismatch, policy.SPADecryptFailed, policy.NoStanza, policy.SPARateLimited:
		return false
	}
	return true
}
