package daemon

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"sync"

	"fwknopd/ingest"
)

// maxWaits bounds what a worker may say it waits for, bytes.
const maxWaits = 512

// A waits is what a worker waits for: interfaces that are not there. Each feed tells
// from a goroutine of its own.
type waits struct {
	mu     sync.Mutex
	reason map[string]string // by place of the feed
	specs  []sourceSpec      // in use
}

// use says which feeds are in use from now on.
func (w *waits) setSpecs(feeds []sourceSpec) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.specs = feeds
}

// set notes the reason of a feed, "" for none.
func (w *waits) set(feed, reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.reason == nil {
		w.reason = make(map[string]string)
	}
	if w.reason[feed] = reason; reason == "" {
		delete(w.reason, feed)
	}
}

// list is all reasons of the feeds that are in use.
func (w *waits) list() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := []string{}
	for _, f := range w.specs {
		if why := w.reason[f.label()]; why != "" {
			list = append(list, f.label()+": "+why)
		}
	}
	return list
}

// place names a feed for people.
func (f *sourceSpec) label() string { return f.Mode + ": " + f.Path }

// away tells that a feed has nothing to capture on, or has again. It is called from
// the goroutine of the feed.
func (w *worker) setAway(ctx context.Context, f sourceSpec, reason string) {
	w.waits.set(f.label(), reason)
	w.logProblem(ingest.Problem{Position: ingest.Position{Name: f.label()}, Err: errors.New(cmp.Or(reason, "interface is there, capturing"))})
	w.sendWaits(ctx)
}

// tellWaits tells the monitor what we wait for.
func (w *worker) sendWaits(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	_ = w.client.Waiting(ctx, w.waits.list()) // without a monitor this is over anyway
}

// setWaiting keeps what the worker says it waits for, and tells a service manager.
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

// waiting is what the worker waits for, "" for nothing.
func (d *daemon) waiting() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.waitReason
}

// waitsForInterface says whether an interface that does not exist is waited for. It is
// where the configuration names it; not at the start of a daemon that was given it on
// its command line, or not at all, since what is not there then is a mistake. A daemon
// that has been at work waits in any case.
func (d *daemon) waitsForInterface() bool {
	s := d.conf()
	return d.ready.Load() || !s.Server.ExitAtIntfDown && s.Values.IsSet("PCAP_INTF") && d.o.Interface == ""
}
