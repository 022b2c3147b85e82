package worker

import (
	"context"
	"errors"
	"os"
	"time"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce/monitor"
	"fwknopd/policy"
)

// askTimeout is the timeout of a request to the monitor.
const askTimeout = 10 * time.Second

// execute requests what a decision grants from the monitor, which reports the result as
// an event.
func (w *worker) execute(ctx context.Context, d *policy.Decision) {
	switch {
	case d.Verdict != policy.Allow || d.Shadow:
	case d.Command != nil:
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		c := monitor.Command{Stanza: d.Stanza, From: d.Command.From, Text: d.Command.Text, User: d.User, Src: d.Src.String()}
		_ = w.client.Command(ctx, c) // the monitor logs the error
	default:
		g := d.Grant
		w.submitted.Add(1)
		w.client.Submit(g, func(err error) {
			defer w.submitted.Done()
			if err != nil && !errors.Is(err, monitor.ErrRefused) { // the monitor logs refusals
				w.out.warnf("%s is not open: %v", report.GrantText(&g), err)
			}
		})
	}
}

// open requests a file from the monitor.
func (w *worker) open(ctx context.Context, name string) (*os.File, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return w.client.Open(ctx, name)
}
