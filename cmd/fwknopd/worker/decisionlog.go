package worker

import (
	"time"

	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
	"fwknopd/ingest"
	"fwknopd/policy"
	"fwknopd/policy/spa"
)

// A packet is what is logged of a packet beside the decision.
type packet struct {
	report.Packet
	message      *spa.Message     // to print, nil: none
	fields, dump bool             // how
	refusals     []policy.Refusal // by stanzas other than that of the decision, in file order
}

// logDecision logs a decision and the other decisions on the same packet.
func (w *worker) logDecision(p *pending) {
	w.logOne(p.decision, &p.packet)
	for _, d := range p.decision.Others {
		w.logOne(d, &p.packet)
	}
}

func (w *worker) logOne(d policy.Decision, p *packet) {
	d.Others = nil
	if d.Verdict != policy.Allow {
		d.Command = nil
	}
	if d.Verdict != policy.Allow || d.Command != nil {
		d.Grant = enforce.Grant{}
	}
	if e := d.Grant.External; e != nil { // the environment is not logged
		d.Grant.External = &enforce.External{Open: e.Open, Close: e.Close}
	}
	r := report.Record{Packet: p.Packet, Decision: d, Refusals: p.refusals, Message: p.message, Fields: p.fields, Dump: p.dump}
	p.refusals = nil // logged once, not again with the other decisions
	if err := r.Check(); err != nil {
		w.out.warnf("not logged: %s %s: %v", d.Reason, p.Src, err)
		w.countUnlogged(&d)
		return
	}
	if !w.out.put(privsep.RecordDecision, r) {
		w.countUnlogged(&d)
	}
}

// countUnlogged counts a decision of which the monitor gets no record.
func (w *worker) countUnlogged(d *policy.Decision) {
	if w.unlogged == nil {
		w.unlogged = make(map[policy.Reason]int)
	}
	w.unlogged[d.Reason]++
}

// logProblem logs an input error, with a rate limit: each packet of a flood may cause
// one. It may be called concurrently.
func (w *worker) logProblem(p ingest.Problem) {
	lost := w.problems.Take(time.Now(), 1)
	if lost > 0 {
		w.out.warnf("%d more like this were not told one by one", lost)
	}
	switch {
	case lost < 0:
	case p.Record == 0:
		w.out.warnf("%s: %v", p.Name, p.Err)
	default:
		w.out.warnf("%s:%d: %v", p.Name, p.Record, p.Err)
	}
}
