package daemon

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"sync"

	"fwknopd/ingest"
)

// maxWaits is the maximum length in bytes of what a worker may report that it waits
// for.
const maxWaits = 512

// A waits is what a worker waits for: interfaces that do not exist. Each source reports
// from its own goroutine.
type waits struct {
	mu     sync.Mutex
	reason map[string]string // by label of the source
	specs  []sourceSpec      // the sources in use
}

// setSpecs sets the sources in use.
func (w *waits) setSpecs(specs []sourceSpec) {
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
		if reason := w.reason[f.label()]; reason != "" {
			list = append(list, f.label()+": "+reason)
		}
	}
	return list
}

// label names a source in messages.
func (f *sourceSpec) label() string { return f.Mode + ": " + f.Path }

// setAway records and logs that the interface of a source is missing, or with an empty
// reason that it is back. It is called from the goroutine of the source.
func (w *worker) setAway(ctx context.Context, f sourceSpec, reason string) {
	w.waits.set(f.label(), reason)
	w.logProblem(ingest.Problem{Position: ingest.Position{Name: f.label()}, Err: errors.New(cmp.Or(reason, "interface is there, capturing"))})
	w.sendWaits(ctx)
}

// sendWaits reports to the monitor what the worker waits for.
func (w *worker) sendWaits(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	_ = w.client.Waiting(ctx, w.waits.list()) // an error means that the monitor is gone, which ends the worker
}

// setWaiting records what the worker reports to wait for, and notifies the service
// manager.
func (d *daemon) setWaiting(list []string) {
	text := sanitize(strings.Join(list, "; "))
	d.mu.Lock()
	changed := d.waitReason != text
	d.waitReason = text[:min(len(text), maxWaits)]
	d.mu.Unlock()
	if changed && d.ready.Load() {
		notifyStatus(text)
	}
}

// waiting returns what the worker waits for, "" for nothing.
func (d *daemon) waiting() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.waitReason
}

// waitsForInterface reports whether the worker waits for a missing interface. It does
// if the configuration names the interface, or once a worker has been ready. At the
// start, a missing interface from the command line or the default is an error.
func (d *daemon) waitsForInterface() bool {
	s := d.conf()
	return d.ready.Load() || !s.Server.ExitAtIntfDown && s.Values.IsSet("PCAP_INTF") && d.o.Interface == ""
}
