package replay

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/inputs"
	"fwknopd/cmd/fwknopd/pipe"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
	"fwknopd/ingest"
	"fwknopd/parse"
	"fwknopd/policy"
	"fwknopd/policy/conf"
)

// maxLast bounds --last, and with it the explanations that are kept until the end.
const maxLast = 1000

// A question selects the decisions to explain.
type question struct {
	src    netip.Prefix // zero: of any source
	reason string       // "": any; a prefix if it ends with a dot
	last   int          // how many; 0: all
}

// asksQuestion reports whether the packets are selected by what was decided of them.
func (o *options) asksQuestion() bool {
	return o.Set("reason") || o.Set("last") || o.All || o.Set("src") && o.Payload == ""
}

// parseQuestion parses --src, --reason, --last and --all. Without --last and --all the
// question is about the last decision.
func (o *options) parseQuestion() (err error) {
	q := question{last: 1, reason: o.Reason}
	switch {
	case o.Set("last") && o.All:
		return errors.New("--last and --all exclude each other")
	case o.Set("last") && (o.Last < 1 || o.Last > maxLast):
		return fmt.Errorf("--last: 1 to %d", maxLast)
	case o.Set("last"):
		q.last = o.Last
	case o.All:
		q.last = 0
	}
	if o.Set("src") {
		if q.src, err = cli.ParsePrefix(o.Src); err != nil {
			return fmt.Errorf("--src: %w", err)
		}
	}
	if o.Set("reason") {
		if err := checkReason(q.reason); err != nil {
			return err
		}
	}
	o.question = &q
	return nil
}

// checkReason returns an error for what is neither a reason nor the beginning of several
// up to a dot.
func checkReason(text string) error {
	var known []string
	for _, r := range report.Reasons() {
		if matchesReason(text, r) {
			return nil
		}
		known = append(known, string(r))
	}
	if meant := conf.NearestOf(text, known); meant != "" {
		return fmt.Errorf("--reason: no reason %q (did you mean %s?)", text, meant)
	}
	return fmt.Errorf("--reason: no reason %q (fwknopd help lists them)", text)
}

// matchesReason reports whether r is the reason of that text.
func matchesReason(text string, r policy.Reason) bool {
	return string(r) == text || strings.HasSuffix(text, ".") && strings.HasPrefix(string(r), text)
}

// An inquiry collects the answer to a question while the records are read.
type inquiry struct {
	question
	o  *options
	d  *decider
	in *ingest.Reader

	kept    []explanation // the last ones, the oldest first
	matched int
	denied  bool // one that was printed does not allow
	seen    census
}

type explanation struct {
	text []byte
	ok   bool
}

// explainQuestion explains the decisions that the question selects, in one pass.
func (o *options) explainQuestion(ctx context.Context) error {
	q := &inquiry{question: *o.question, o: o}
	o.recordOf = func() int64 { return q.in.Stats().Position().Record }
	frames := &frameFilter{}
	var err error
	if q.d, err = o.load("", frames); err != nil {
		return err
	}
	if q.in, err = o.read(q.d.server, frames); err != nil {
		return err
	}
	defer q.in.Close()
	stop := o.log.Progress(q.in)
	err = pipe.Run(ctx, q.in, q.step)
	stop()
	if errors.Is(err, context.Canceled) {
		err = inputs.ErrInterrupted
	}
	answer := q.answer()
	o.log.Outcomes(q.in)
	if err != nil && errors.Is(answer, errRefused) {
		return err
	}
	return errors.Join(err, answer)
}

// step decides one event, and explains it if it is selected.
func (q *inquiry) step(ev *parse.Event) error {
	from := ev.Src.Addr().Unmap()
	decision, trace := q.d.DecideExplained(ev.Time, ev, func(d *policy.Decision) bool {
		ofSource := !q.src.IsValid() || q.src.Contains(from)
		q.seen.add(from, ofSource, d)
		return ofSource && q.hasReason(d)
	})
	if trace == nil {
		q.d.enterAll(ev, &decision)
		return nil
	}
	text, ok, err := q.o.explanation(q.d, trace, ev.Time, ev, q.in.Stats().Position())
	if err != nil {
		return err
	}
	for i := range decision.Others {
		q.d.enter(ev, &decision.Others[i])
	}
	return q.keep(explanation{text, ok})
}

// hasReason reports whether a decision, or a further one on the same packet, has the
// reason that is asked for.
func (q *inquiry) hasReason(d *policy.Decision) bool {
	if q.reason == "" || matchesReason(q.reason, d.Reason) {
		return true
	}
	return slices.ContainsFunc(d.Others, func(o policy.Decision) bool { return matchesReason(q.reason, o.Reason) })
}

// keep prints an explanation if all are asked for, else keeps it as the last one.
func (q *inquiry) keep(e explanation) error {
	q.matched++
	if q.last == 0 {
		return q.print(&e)
	}
	if len(q.kept) == q.last {
		q.kept = slices.Delete(q.kept, 0, 1)
	}
	q.kept = append(q.kept, e)
	return nil
}

func (q *inquiry) print(e *explanation) error {
	q.denied = q.denied || !e.ok
	_, err := q.o.stdout.Write(e.text)
	return err
}

// answer prints what was kept, and how many there are beside. It returns an error if nothing
// was selected, and errRefused if one of those that were printed does not allow.
func (q *inquiry) answer() error {
	if q.matched == 0 {
		return errors.New(q.nothing())
	}
	for i := range q.kept {
		if err := q.print(&q.kept[i]); err != nil {
			return err
		}
	}
	if more := q.matched - len(q.kept); q.last > 0 && more > 0 {
		q.o.notice(fmt.Sprintf("%d more: --all", more))
	}
	return refusedUnless(!q.denied)
}

// nothing says that no decision is selected, and which there are.
func (q *inquiry) nothing() string {
	text := "no decision"
	if q.reason != "" {
		text += " " + q.reason
		if strings.HasSuffix(q.reason, ".") {
			text += "*"
		}
	}
	if q.src.IsValid() {
		text += " about " + enforce.PrefixText(q.src)
	}
	switch c := &q.seen; {
	case c.decisions == 0:
		return text + "; there is none at all"
	case c.ofSource == 0:
		return text + "; " + c.elsewhere()
	default:
		return text + "; " + c.others(q.src.IsValid())
	}
}
