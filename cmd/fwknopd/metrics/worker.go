package metrics

import (
	"math"
	"strings"

	"fwknopd/cmd/fwknopd/report"
)

// A tally adds up what one worker after the other counts. It never falls.
type tally struct {
	ended   uint64 // what earlier workers counted
	current uint64 // the highest that this one has said
}

func (t *tally) raise(n uint64) { t.current = max(t.current, n) }
func (t *tally) total() uint64  { return saturated(t.ended, t.current) }
func (t *tally) next()          { t.ended, t.current = t.total(), 0 }

// saturated adds up to the highest number: a worker that is taken over can say any.
func saturated(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}

// workerCounts are what only the workers know. Nothing of it is proven.
type workerCounts struct {
	// Decisions without a record. Both are lower bounds of what the current worker counts:
	// what it says when it is asked, and what its summaries add up to. Its end may come
	// between the two.
	unlogged  []tally
	summaries []uint64

	claims    claimTallies
	announced announcedTallies
	seen      uint64
	sources   []source // those of the configuration first
	known     int      // how many are of the configuration
}

// A source is an ingest source that is, or was, configured.
type source struct {
	name                             string
	events, notOurs, malformed, lost tally
	lag                              float64 // seconds
}

// claimTallies are those of the claims from a fleet.
type claimTallies struct {
	first, taken, unavailable, sum tally
	took                           []tally // as in [report.Claims]
}

func (c *claimTallies) all() []*tally {
	list := []*tally{&c.first, &c.taken, &c.unavailable, &c.sum}
	for i := range c.took {
		list = append(list, &c.took[i])
	}
	return list
}

func (c *claimTallies) raise(said *report.Claims) {
	c.first.raise(said.First)
	c.taken.raise(said.Taken)
	c.unavailable.raise(said.Unavailable)
	c.sum.raise(said.Sum)
	for i, n := range said.Took[:min(len(said.Took), len(c.took))] {
		c.took[i].raise(n)
	}
}

// announcedTallies are those of the announcements of a group.
type announcedTallies struct{ sent, granted, refused, dropped tally }

func (a *announcedTallies) all() []*tally {
	return []*tally{&a.sent, &a.granted, &a.refused, &a.dropped}
}

func (a *announcedTallies) raise(said *report.Announced) {
	a.sent.raise(said.Sent)
	a.granted.raise(said.Granted)
	a.refused.raise(said.Refused)
	a.dropped.raise(said.Dropped)
}

// Configured sets the names of the ingest sources. Those of earlier configurations keep
// their counters; a worker can make no other ones.
func (s *Set) Configured(names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &s.worker
	old := w.sources
	w.sources = nil
	for _, name := range names {
		name = strings.TrimSpace(name)
		if find(w.sources, name) == nil {
			src := source{name: name}
			if before := find(old, name); before != nil {
				src = *before
			}
			w.sources = append(w.sources, src)
		}
	}
	w.known = len(w.sources)
	for _, src := range old {
		if find(w.sources, src.name) == nil {
			src.lag = 0
			w.sources = append(w.sources, src)
		}
	}
}

func find(list []source, name string) *source {
	for i := range list {
		if list[i].name == name {
			return &list[i]
		}
	}
	return nil
}

// WorkerStarted begins to count for another worker.
func (s *Set) WorkerStarted() {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &s.worker
	for i := range w.unlogged {
		w.unlogged[i].next()
	}
	clear(w.summaries)
	for _, t := range append(w.claims.all(), w.announced.all()...) {
		t.next()
	}
	w.nextSources()
}

// SourcesOpened is called when the worker has opened its sources, whose counters begin anew.
func (s *Set) SourcesOpened() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.worker.nextSources()
}

func (w *workerCounts) nextSources() {
	for i := range w.sources {
		src := &w.sources[i]
		for _, t := range []*tally{&src.events, &src.notOurs, &src.malformed, &src.lost} {
			t.next()
		}
		src.lag = 0
	}
}

// Summarised counts refusals that a summary of the worker has.
func (s *Set) Summarised(sum *report.Suppressed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &s.worker
	for _, r := range sum.Reasons {
		if p, known := places[r.Reason]; known {
			w.summaries[p.plain] = saturated(w.summaries[p.plain], uint64(max(r.Count, 0)))
			w.unlogged[p.plain].raise(w.summaries[p.plain])
		}
	}
}

// Said takes over the counters of the current worker. Sources of other names than those
// configured are left out.
func (s *Set) Said(state *report.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &s.worker
	w.seen = state.Seen
	w.claims.raise(&state.Claims)
	w.announced.raise(&state.Group)
	for _, r := range state.Unlogged {
		if p, known := places[r.Reason]; known {
			w.unlogged[p.plain].raise(uint64(max(r.Count, 0)))
		}
	}
	for i := range w.sources {
		w.sources[i].raise(state.Sources)
	}
}

// raise takes over the counters of the source, the sum where it is configured twice.
func (src *source) raise(said []report.SourceState) {
	var sum report.SourceState
	found := false
	for i := range said {
		if n := &said[i]; n.Name == src.name {
			found = true
			sum.Events, sum.NotOurs = saturated(sum.Events, n.Events), saturated(sum.NotOurs, n.NotOurs)
			sum.Malformed, sum.Lost = saturated(sum.Malformed, n.Malformed), saturated(sum.Lost, n.Lost)
			sum.Lag = max(sum.Lag, n.Lag)
		}
	}
	if !found {
		return
	}
	src.events.raise(sum.Events)
	src.notOurs.raise(sum.NotOurs)
	src.malformed.raise(sum.Malformed)
	src.lost.raise(sum.Lost)
	src.lag = sum.Lag.Seconds()
}
