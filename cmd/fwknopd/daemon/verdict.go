package daemon

import (
	"context"
	"errors"
	"slices"
	"time"

	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/report"
)

// keepVerdict writes a verdict to the event log and keeps it for the status.
func (d *daemon) keepVerdict(verdict report.Reload) {
	d.events.write(verdict.JSON(), verdict.Text())
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lastReload = &verdict
	if verdict.Verdict == report.ReloadLoaded {
		d.loaded = verdict.Time
	}
}

// takeTimeout is how long a request to reload waits for the worker.
const takeTimeout = 30 * time.Second

var errEnding = errors.New("the daemon ends")

// reloadOnRequest reads the configuration again, after what is being reloaded, and waits for
// the worker to follow. The error is that of ctx.
func (d *daemon) reloadOnRequest(ctx context.Context) (report.Reload, error) {
	done := make(chan report.Reload, 1)
	select {
	case d.reloads <- done:
	case <-ctx.Done():
		return report.Reload{}, errEnding
	}
	var verdict report.Reload
	select {
	case verdict = <-done:
	case <-ctx.Done():
		return verdict, errEnding
	}
	if verdict.Verdict != report.ReloadLoaded {
		return verdict, nil
	}
	ctx, cancel := context.WithTimeout(ctx, takeTimeout)
	defer cancel()
	switch taken, ok := d.reported.awaitTaken(ctx, d.conf().workerConfig.Generation); {
	case !ok:
		verdict.Verdict = report.ReloadUnconfirmed
	case taken.Error != "":
		verdict.Verdict, verdict.Error = report.ReloadNotApplied, taken.Error
	}
	if s := d.conf(); d.reported.wasReplaced(s.workerConfig.Generation) {
		if p := forgotten(s.Access); p != nil {
			verdict.Problems = append(slices.Clone(verdict.Problems), *p)
		}
	}
	return verdict, nil
}

// configurationTaken handles a worker's report on the configuration that it has fetched.
func (d *daemon) configurationTaken(taken report.Taken) error {
	if taken.Generation > d.conf().workerConfig.Generation {
		return errors.New("a configuration that there is not")
	}
	taken.Error = privsep.Sanitize(taken.Error)
	d.reported.take(taken)
	if taken.Error == "" {
		return nil
	}
	verdict := report.NotApplied(time.Now(), taken.Error)
	if event := verdict.JSON(); d.mayLog(len(event), 0) {
		d.logf(warning, "worker: %s", verdict.Text())
		d.events.write(event, verdict.Text())
	}
	return nil
}
