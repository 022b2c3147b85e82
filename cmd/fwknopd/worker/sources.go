package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce/monitor"
	"fwknopd/ingest"
	"fwknopd/parse"
)

// sources are the sources of a configuration, merged into one.
type sources struct {
	ingest.Source
	specs []privsep.SourceSpec
	each  []ingest.Source // one for each of specs
	lags  []time.Duration // of the last event with a time, one for each of specs

	committers map[int]ingest.Committer // by index in each
}

// newSources merges sources.
func newSources(specs []privsep.SourceSpec, each []ingest.Source) *sources {
	s := &sources{Source: ingest.Merge(each...), specs: specs, each: each, lags: make([]time.Duration, len(each)), committers: make(map[int]ingest.Committer)}
	for i, src := range each {
		if c, ok := src.(ingest.Committer); ok {
			s.committers[i] = c
		}
	}
	return s
}

// delivery names the record that Next returned last, if its source may deliver it again.
func (s *sources) delivery() []byte {
	if len(s.committers) == 0 || s.committers[s.Stats().Turn()] == nil {
		return nil
	}
	at := s.Stats().Position()
	return fmt.Appendf(nil, "%s:%d", at.Name, at.Record)
}

// sawEvent notes by how much the event that Next returned last is behind the clock. Its time
// at is that of its record.
func (s *sources) sawEvent(now, at time.Time) {
	if parse.OfClock(at) {
		s.lags[s.Stats().Turn()] = max(now.Sub(at), 0)
	}
}

// states returns the counters of each source.
func (s *sources) states() []report.SourceState {
	list := make([]report.SourceState, len(s.each))
	for i, src := range s.each {
		n := src.Stats().Counts()
		list[i] = report.SourceState{Name: strings.TrimSpace(s.specs[i].Name()), Records: n.Records, Events: n.Events, NotOurs: n.NotOurs, Malformed: n.Malformed, Lost: n.Lost, Lag: s.lags[i]}
	}
	return list
}

// sources opens the sources of l, or returns the open ones if they are the same. If the
// new ones cannot be opened, the old ones stay in use, unless both need the same port:
// then the old ones have been closed and w.src is nil.
func (w *worker) sources(ctx context.Context, l *config.Loaded, at privsep.Positions) (*sources, error) {
	list := privsep.SourceSpecs(l)
	old := w.src
	if old != nil && reflect.DeepEqual(old.specs, list) {
		return old, nil
	}
	if old != nil {
		w.sendCounters() // of those that are to be closed
	}
	clash := old != nil && slices.ContainsFunc(list, func(f privsep.SourceSpec) bool {
		return slices.ContainsFunc(old.specs, func(o privsep.SourceSpec) bool { return f.Port != 0 && f.Name() == o.Name() })
	})
	if clash {
		old.Close()
		w.src = nil
	}
	src, err := w.openSources(ctx, list, at)
	if err == nil {
		w.out.putBytes(privsep.RecordListening, nil)
	}
	if err == nil && old != nil && !clash {
		old.Close()
	}
	return src, err
}

func (w *worker) openSources(ctx context.Context, list []privsep.SourceSpec, at privsep.Positions) (*sources, error) {
	var open []ingest.Source
	for _, f := range list {
		src, err := w.openSource(ctx, f, at)
		if err != nil {
			for _, s := range open {
				s.Close()
			}
			return nil, fmt.Errorf("%s: %w", f.Mode, err)
		}
		open = append(open, src)
	}
	return newSources(list, open), nil
}

func (w *worker) openSource(ctx context.Context, f privsep.SourceSpec, at privsep.Positions) (ingest.Source, error) {
	w.waits.set(f.Label(), "") // of the source before this one; From says if this one waits
	src, err := f.From(ingest.Handover{
		Open: func(name string) (*os.File, error) { return w.open(ctx, name) },
		Journal: func(q ingest.JournalQuery) (*os.File, error) {
			ctx, cancel := context.WithTimeout(ctx, askTimeout)
			defer cancel()
			return w.client.Journal(ctx, monitor.Journal(q))
		},
		Lines: func() (ingest.LineFeed, error) {
			file, err := w.open(ctx, f.Name())
			if err != nil {
				return nil, err
			}
			conn, err := fleetlink.Conn(file)
			if err != nil {
				return nil, err
			}
			return fleetlink.NewLines(conn), nil
		},
		Problem: w.logProblem, Resume: at.Places[f.Name()], Wait: w.wait,
		Away: func(reason string) { w.setAway(context.WithoutCancel(ctx), f, reason) },
	})
	if err == nil && f.Discard {
		src = discardSource{src}
	}
	return src, err
}

// A discardSource drops everything that it receives.
type discardSource struct{ ingest.Source }

// Next implements ingest.Source. It returns only errors.
func (d discardSource) Next(ctx context.Context, ev *parse.Event) error {
	for {
		if err := d.Source.Next(ctx, ev); err != nil && !errors.Is(err, parse.ErrSkip) {
			return err
		}
	}
}
