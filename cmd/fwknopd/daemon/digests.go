package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"fwknopd/cmd/fwknopd/engine"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/cmd/fwknopd/state"
	"fwknopd/enforce/monitor"
	"fwknopd/policy/replay"
)

// digests owns the journal of digests: only the monitor writes to it. A worker gets its
// content through a pipe when it starts, and sends what it adds.
type digests struct {
	ctx     context.Context                              // ends the reading of a long journal
	current func() (path string, options replay.Options) // as configured; path is "" if it is in memory
	warn    func(text string)

	budget  *digestBudget
	mu      sync.Mutex
	journal *replay.Journal // nil until a worker has asked for it
	path    string          // of journal
	sending *os.File        // the pipe to the last worker that asked
	failing bool            // the last records could not be written
}

// openDigests prepares the journal, which is opened when a worker asks for it.
func (d *daemon) openDigests(ctx context.Context) {
	warn := func(text string) { d.alertf(warning, "%s", text) }
	d.digests = &digests{ctx: ctx, warn: warn, budget: newDigestBudget(), current: func() (string, replay.Options) {
		s := d.conf().Server
		o := engine.StoreOptions(s, time.Now(), warn)
		o.Lost = d.digestsLost
		if !d.o.Test {
			o.State = filepath.Join(s.StateDir, state.Digests)
		}
		return engine.DigestFile(s), o
	}}
	d.closers = append(d.closers, func() {
		closed := make(chan struct{})
		go func() { d.digests.close(); close(closed) }()
		select {
		case <-closed:
		case <-time.After(digestsClose):
			d.logf(warning, "the disk with the journal of digests does not answer")
		}
	})
}

// digestsClose bounds the closing of the journal.
const digestsClose = 3 * time.Second

// digestsLost logs that records of digests may be lost.
func (d *daemon) digestsLost(why string, horizon time.Time) {
	d.events.write(report.DigestsLostJSON(time.Now(), why, horizon), report.DigestsLostText(why, horizon))
	d.alertf(warning, "%s", report.DigestsLostText(why, horizon))
}

// errNoJournal refuses digests of a worker that did not ask for the journal first.
var errNoJournal = errors.New("the journal of digests is not open")

// open returns a pipe from which a worker reads the journal. It opens the configured
// journal if that is not open.
func (d *digests) open() (*os.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.use(d.current()); err != nil {
		return nil, err
	}
	content, err := d.journal.Snapshot()
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, content.Close())
	}
	if d.sending != nil { // to a worker that asked before
		d.sending.Close()
	}
	d.sending = w
	go func() {
		defer content.Close()
		defer w.Close()
		_, _ = content.WriteTo(w) // the reader knows how much is missing
	}()
	return r, nil
}

// use makes the journal at path the current one. d.mu must be held.
func (d *digests) use(path string, o replay.Options) error {
	if d.journal != nil && d.path == path {
		return nil
	}
	if path != "" {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
	}
	var next *replay.Journal
	var err error
	if d.journal == nil {
		next, err = replay.Open(d.ctx, path, o)
	} else {
		next, err = d.journal.Move(d.ctx, path, o)
	}
	if err == nil {
		d.journal, d.path = next, path
	}
	return err
}

// record writes what a worker has seen.
func (d *digests) record(list []monitor.Digest) error {
	records := recordsOf(list)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.journal == nil {
		return errNoJournal
	}
	_, options := d.current()
	d.journal.Configure(options)
	now := time.Now()
	err := d.budget.take(now, records, &options)
	if err == nil {
		err = d.journal.Append(now, records)
	}
	if err != nil && !d.failing {
		d.warn("digests cannot be recorded, so that nothing is granted: " + err.Error())
	}
	d.failing = err != nil
	return err
}

// recordsOf returns the records of digests.
func recordsOf(list []monitor.Digest) []replay.Record {
	records := make([]replay.Record, len(list))
	for i := range list {
		records[i] = replay.Record(list[i])
	}
	return records
}

// close closes the journal.
func (d *digests) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sending != nil {
		d.sending.Close()
	}
	if d.journal == nil {
		return
	}
	if err := d.journal.Close(); err != nil {
		d.warn(err.Error())
	}
	d.journal = nil
}
