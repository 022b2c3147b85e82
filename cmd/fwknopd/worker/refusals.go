package worker

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/policy"
)

// A refusalLog limits how many refusals are logged, and reports the others in summaries,
// since a flood of junk must not fill the disk. No timer runs while there is nothing to
// report.
type refusalLog struct {
	budget *privsep.Budget
	report func(report.Suppressed) // must not block

	mu       sync.Mutex
	counts   map[policy.Reason]int // since the last summary
	sources  map[netip.Addr]struct{}
	timer    *time.Timer   // for the next summary; nil: none is due
	interval time.Duration // from the first refusal to its summary
	last     time.Time     // of the last summary
	closed   bool
}

func newRefusalLog(summarise func(report.Suppressed)) *refusalLog {
	return &refusalLog{
		budget: privsep.NewBudget(rate.Every(privsep.RefusalEvery), privsep.RefusalBurst), report: summarise,
		counts: make(map[policy.Reason]int), sources: make(map[netip.Addr]struct{}),
	}
}

// take reports whether a refusal, by so many stanzas, is to be logged, and otherwise
// counts it for the next summary.
func (r *refusalLog) take(now time.Time, d *policy.Decision, stanzas int) bool {
	if r.budget.Take(now, min(max(stanzas, 1), report.MaxRefusals)) >= 0 {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[d.Reason]++
	if len(r.sources) < report.MaxSources {
		r.sources[d.Src] = struct{}{}
	}
	if r.timer == nil && !r.closed {
		if now.Sub(r.last) > 2*privsep.SummaryLast {
			r.interval = privsep.SummaryFirst
		}
		r.timer = time.AfterFunc(r.interval, r.summarise)
	}
	return false
}

func (r *refusalLog) summarise() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flush()
}

// flush reports what has been counted, if a summary is due. The next one takes longer, up
// to SummaryLast. r.mu must be held.
func (r *refusalLog) flush() {
	if r.timer == nil {
		return
	}
	r.timer.Stop()
	r.timer, r.last = nil, time.Now()
	r.interval = min(2*r.interval, privsep.SummaryLast)
	s := report.Suppressed{Time: r.last, Sources: len(r.sources), Reasons: report.SortReasons(r.counts)}
	if len(r.sources) == 1 {
		for s.Src = range r.sources {
		}
	}
	clear(r.counts)
	clear(r.sources)
	r.report(s)
}

// close reports what has been counted, for the last time.
func (r *refusalLog) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.flush()
}
