package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/inputs"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce/monitor"
	"fwknopd/ingest"
	"fwknopd/parse"
	"fwknopd/policy"
)

// errRefused makes explain exit with 3.
var errRefused = errors.New("")

// Explain implements `fwknopd explain`: it shows how every stage and stanza treats
// packets: one by its number or payload, or those that a question about their decisions
// selects. It returns the exit code: 0 if all of them are allowed, 3 if not, 1 if there is
// none.
func Explain(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	f, code := cli.Begin(cli.Explain, args, stdout, stderr)
	if f == nil {
		return code
	}
	o := newOptions(f, stdin, stdout, stderr)
	if err := o.checkExplain(); err != nil {
		return cli.Explain.Refuse(stderr, err)
	}
	switch {
	case o.Payload != "":
		return o.exit("explain", o.explainPayload())
	case o.question != nil:
		ctx, end := inputs.UntilInterrupted()
		defer end()
		return o.exit("explain", o.explainQuestion(ctx))
	}
	return o.exit("explain", o.explainRecord())
}

func (o *options) checkExplain() error {
	switch {
	case o.Payload != "" && len(o.Operands) > 0:
		return errors.New("--payload and a file exclude each other")
	case o.Payload == "" && len(o.Operands) == 0:
		return errors.New("give a file and --record N or --src IP, or --payload")
	case o.asksQuestion() && (o.Payload != "" || o.Record != ""):
		return errors.New("--record and --payload name a packet; --reason, --last and --all select several")
	case o.asksQuestion():
		return o.parseQuestion()
	case o.Payload == "":
		return o.parseRecordFlag()
	}
	_, err := o.packet("") // validates the options beside the payload
	return err
}

// parseRecordFlag parses --record.
func (o *options) parseRecordFlag() error {
	number := o.Record
	if i := strings.LastIndexByte(number, ':'); i >= 0 {
		o.record.Name, number = number[:i], number[i+1:]
	}
	var err error
	if o.record.Record, err = strconv.ParseInt(number, 10, 64); err != nil || o.record.Record < 1 {
		return errors.New("which packet? --record N, counted from 1, or --src IP, --reason REASON, --last N, --all")
	}
	return nil
}

// explainRecord decides all records before the one asked for, because its decision
// may depend on them, and then explains that one.
func (o *options) explainRecord() error {
	var src *ingest.Reader
	o.recordOf = func() int64 { return src.Stats().Position().Record }
	c := &frameFilter{all: true}
	d, err := o.load("", c)
	if err != nil {
		return err
	}
	if src, err = o.read(d.server, c); err != nil {
		return err
	}
	defer src.Close()
	if o.record.Name == "" {
		if o.record.Name, err = src.Sole(); err != nil {
			return fmt.Errorf("--record FILE:N is needed: %w", err)
		}
	}
	for ev := new(parse.Event); ; {
		err := src.Next(context.Background(), ev)
		at := src.Stats().Position()
		switch skipped := errors.Is(err, parse.ErrSkip); {
		case err != nil && !skipped:
			return o.recordNotFound(src, err)
		case at == o.record && skipped:
			return fmt.Errorf("%s: record %d holds no packet: %w", at.Name, at.Record, err)
		case at == o.record:
			ok, err := o.explain(d, ev.Time, ev, at)
			if err != nil {
				return err
			}
			return refusedUnless(ok)
		case !skipped:
			d.decide(ev)
		}
	}
}

// decide decides an event that comes before one that is explained.
func (d *decider) decide(ev *parse.Event) {
	decision := d.Decide(ev.Time, ev)
	d.enterAll(ev, &decision)
}

// enterAll enters a decision and the further ones on the same packet.
func (d *decider) enterAll(ev *parse.Event, decision *policy.Decision) {
	d.enter(ev, decision)
	for i := range decision.Others {
		d.enter(ev, &decision.Others[i])
	}
}

// enter adds what a decision grants to what is open, see [openGrants.enter].
func (d *decider) enter(ev *parse.Event, decision *policy.Decision) *monitor.Event {
	if decision.Verdict != policy.Allow {
		return nil
	}
	if !ev.Time.IsZero() {
		d.now = ev.Time
	}
	for d.open.popExpired(d.now) != nil {
	}
	var entry report.Entry
	entry.Set(d.access, ev.Time, ev, decision, ingest.Position{})
	return d.open.enter(&entry, d.now)
}

// recordNotFound returns why the record was not found; end is the error that reading
// ended with.
func (o *options) recordNotFound(src *ingest.Reader, end error) error {
	for _, in := range src.Outcomes() {
		switch {
		case in.Name != o.record.Name:
		case in.Err != nil:
			return fmt.Errorf("%s: %w", in.Name, in.Err)
		case in.Records == 1:
			return fmt.Errorf("%s: there is no record %d: the file has 1 record", in.Name, o.record.Record)
		default:
			return fmt.Errorf("%s: there is no record %d: the file has %d records", in.Name, o.record.Record, in.Records)
		}
	}
	if end != io.EOF {
		return end
	}
	return fmt.Errorf("%s is none of the files", o.record.Name)
}

func refusedUnless(ok bool) error {
	if ok {
		return nil
	}
	return errRefused
}

// explain prints the trace of one packet and reports whether it is allowed.
func (o *options) explain(d *decider, now time.Time, ev *parse.Event, at ingest.Position) (bool, error) {
	t := d.Explain(now, ev)
	text, ok, err := o.explanation(d, &t, now, ev, at)
	if err == nil {
		_, err = o.stdout.Write(text)
	}
	return ok, err
}

// explanation returns the text of a trace and whether the packet is allowed, and enters the
// decision.
func (o *options) explanation(d *decider, t *policy.Trace, now time.Time, ev *parse.Event, at ingest.Position) (b []byte, ok bool, err error) {
	if !t.Filtered() && d.dropsByForm(ev) {
		t.DropByForm()
	}
	var entry report.Entry
	entry.Set(d.access, now, ev, &t.Decision, at)
	if o.JSON() {
		b, err = report.AppendTraceJSON(nil, t, &entry)
	} else {
		b = report.AppendTrace(nil, t, &entry)
	}
	refusal := d.enter(ev, &t.Decision)
	if refusal != nil {
		b = formOf(o.Options).appendEvent(b, refusal, &entry)
	}
	return b, t.Decision.Verdict == policy.Allow && !t.Decision.Shadow && refusal == nil, err
}

// dropsByForm reports whether the kernel drops the packet before the daemon sees it, for what its
// filter looks at: UDP right behind an IP header without options. Of a tagged frame that is not
// known: Linux takes the outermost tag out of it first.
func (d *decider) dropsByForm(ev *parse.Event) bool {
	if ev.Proto != parse.UDP || ev.Origin < parse.OriginFrame || ev.Fragment || ev.Whole != 0 || ev.Tagged || ev.Tunnelled() {
		return false
	}
	headers := 20 + 8
	if ev.Src.Addr().Is6() {
		headers = 40 + 8
	}
	return int(ev.Len) <= headers+len(ev.Payload) && d.drops(ev.Payload)
}
