package worker

import (
	"cmp"
	"context"
	"errors"
	"sync"

	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/ingest"
)

// A waits is what a worker waits for: interfaces that do not exist. Each source reports
// from its own goroutine.
type waits struct {
	mu     sync.Mutex
	reason map[string]string    // by label of the source
	specs  []privsep.SourceSpec // the sources in use
}

// setSpecs sets the sources in use.
func (w *waits) setSpecs(specs []privsep.SourceSpec) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.specs = specs
}

// set sets the reason why a source waits, "" if it does not.
func (w *waits) set(label, reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.reason == nil {
		w.reason = make(map[string]string)
	}
	if w.reason[label] = reason; reason == "" {
		delete(w.reason, label)
	}
}

// list returns the reasons of the sources in use.
func (w *waits) list() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := []string{}
	for _, f := range w.specs {
		if reason := w.reason[f.Label()]; reason != "" {
			list = append(list, f.Label()+": "+reason)
		}
	}
	return list
}

// setAway records and logs why nothing comes from a source, as that its interface is missing, or with
// an empty reason that it is back. It is called from the goroutine of the source.
func (w *worker) setAway(ctx context.Context, f privsep.SourceSpec, reason string) {
	w.waits.set(f.Label(), reason)
	back := "interface is there, capturing"
	if f.Mode == "KAFKA" {
		back = "the brokers are there, reading"
	}
	w.logProblem(ingest.Problem{Position: ingest.Position{Name: f.Label()}, Err: errors.New(cmp.Or(reason, back))})
	w.sendWaits(ctx)
}

// sendWaits reports to the monitor what the worker waits for.
func (w *worker) sendWaits(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	_ = w.client.Waiting(ctx, w.waits.list()) // an error means that the monitor is gone, which ends the worker
}
