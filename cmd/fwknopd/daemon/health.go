package daemon

import (
	"strings"
	"sync"

	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce/monitor"
)

// A health is the part of the status about the firewall and the workers so far.
type health struct {
	mu       sync.Mutex
	firewall report.FirewallStatus // the last error
	pid      int                   // of the worker, 0 if there is none or it is of this process
	alive    bool                  // there is one
	starts   int
	lastEnd  string // why a worker ended last
}

// event records what an event shows of the firewall. Errors of external commands are left out.
func (h *health) event(ev *monitor.Event) {
	if ev.Kind != monitor.Failed && ev.Kind != monitor.Contested || ev.Grant.External != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.firewall.Error = strings.TrimPrefix(report.EventText(ev, "", ""), "firewall: ")
	h.firewall.ErrorTime = ev.Time.UTC()
}

// ended keeps why a worker ended, in a text that may be the worker's.
func (h *health) ended(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pid, h.alive, h.lastEnd = 0, false, privsep.Sanitize(err.Error())
}

// fill sets what h has of a status.
func (h *health) fill(s *report.Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.Firewall = h.firewall
	s.WorkerPID, s.Restarts, s.LastEnd = h.pid, max(h.starts-1, 0), h.lastEnd
}

// running reports whether there is a worker.
func (h *health) running() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.alive
}

// restarts returns how many workers were started after the first.
func (h *health) restarts() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return max(h.starts-1, 0)
}

// count counts the workers that start starts.
func (h *health) count(start func() (*monitor.Worker, error)) func() (*monitor.Worker, error) {
	return func() (*monitor.Worker, error) {
		w, err := start()
		if err == nil {
			h.started(w.Pid)
		}
		return w, err
	}
}

// started counts a worker.
func (h *health) started(pid int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.starts++
	h.pid, h.alive = pid, true
}
