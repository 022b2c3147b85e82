package worker

import (
	"context"
	"errors"
	"os"
	"time"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
	"fwknopd/enforce/monitor"
	"fwknopd/policy"
)

// askTimeout is the timeout of a request to the monitor.
const askTimeout = 10 * time.Second

// submit requests what a decision and those of other stanzas open, by a method of the
// client, for which the commit of the batch waits. The monitor reports the result as an event.
func (w *worker) submit(d *policy.Decision, commit *batchCommit, submit func(enforce.Grant, func(error))) {
	if d.Verdict == policy.Allow && !d.Shadow && d.Command == nil {
		g := d.Grant
		w.submitted.Add(1)
		commit.wait()
		submit(g, func(err error) {
			defer w.submitted.Done()
			commit.done(errors.Is(err, monitor.ErrGone))
			if err != nil {
				w.unopened.Store(true)
			}
			if err != nil && !errors.Is(err, monitor.ErrRefused) { // refusals are logged already
				w.out.warnf("%s is not open: %v", report.GrantText(&g), err)
			}
		})
	}
	for i := range d.Others {
		w.submit(&d.Others[i], commit, submit)
	}
}

// execute requests the command of a decision and of those of other stanzas. The monitor
// reports the result as an event.
func (w *worker) execute(ctx context.Context, d *policy.Decision) {
	if d.Verdict == policy.Allow && !d.Shadow && d.Command != nil {
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		c := monitor.Command{Stanza: d.Stanza, From: d.Command.From, Text: d.Command.Text, User: d.User, Src: d.Src.String()}
		if w.client.Command(ctx, c) != nil { // the monitor logs the error
			w.unopened.Store(true)
		}
	}
	for i := range d.Others {
		w.execute(ctx, &d.Others[i])
	}
}

// open requests a file from the monitor.
func (w *worker) open(ctx context.Context, name string) (*os.File, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return w.client.Open(ctx, name)
}
