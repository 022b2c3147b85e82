package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"fwknopd/cmd/fwknopd-fleet/node"
	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/policy/conf"
)

// answerTime is how long the fleet may take to answer.
const answerTime = 5 * time.Second

// heardTime is how long after its last word a gateway counts as heard of: each speaks every second.
const heardTime = 5 * time.Second

// againTime is how long after a failure events are read again.
const againTime = 200 * time.Millisecond

// Read implements [fleetlink.Reader].
func (s *Store) Read(ctx context.Context, q fleetlink.Query, tell func(fleetlink.Stored) error) error {
	var err error
	if q.Open {
		err = s.readOpen(ctx, q, tell)
	} else {
		err = s.readEvents(ctx, q, tell)
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	return errors.New(node.Reason(err))
}

// readEvents tells the events, and with Follow those to come. What was lost on the way, or with the member
// that leads, is read again.
func (s *Store) readEvents(ctx context.Context, q fleetlink.Query, tell func(fleetlink.Stored) error) error {
	heard := time.Now()
	place, since, err := s.begin(ctx, q)
	if err != nil {
		return err
	}
	var refused error
	for {
		err := s.readFrom(ctx, &place, since, q, func(told fleetlink.Stored) error {
			heard, refused = time.Now(), tell(told)
			return refused
		})
		if err == nil || refused != nil || ctx.Err() != nil || !q.Follow && time.Since(heard) > answerTime {
			return err
		}
		s.forget() // it may have been removed
		node.Pause(ctx, againTime)
	}
}

// begin returns where the events begin that a query asks for: at a place, or at a time.
func (s *Store) begin(ctx context.Context, q fleetlink.Query) (place node.Place, since time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	stream, err := s.stream(ctx, &s.events, eventStream)
	if err != nil {
		return place, since, err
	}
	if _, err := s.gateways(ctx, stream, eventSubjects, q.Gateway); err != nil {
		return place, since, err
	}
	if q.Since > 0 {
		return place, time.Now().Add(-time.Duration(min(q.Since, int64(maxAge/time.Second))) * time.Second), nil
	}
	info, err := stream.Info(ctx)
	if err != nil {
		return place, since, err
	}
	return node.EndOf(info), since, nil
}

// readFrom tells the events from a place on, until all are told or, with Follow, until one cannot be read.
func (s *Store) readFrom(ctx context.Context, place *node.Place, since time.Time, q fleetlink.Query, tell func(fleetlink.Stored) error) error {
	asking, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	stream, err := s.stream(asking, &s.events, eventStream)
	if err != nil {
		return err
	}
	r, err := place.Read(asking, stream, eventSubjects+cmp.Or(q.Gateway, "*"), since)
	if err != nil {
		return err
	}
	defer r.Stop()
	for pending := r.Pending; q.Follow || pending > 0; {
		m, meta, err := next(ctx, r, q.Follow)
		if err != nil {
			return err
		}
		pending = meta.NumPending
		e := eventsOf(m.Headers().Get(header), m.Data())
		if err := tell(fleetlink.Stored{Place: s.place(m.Subject(), meta.Timestamp), Events: e}); err != nil {
			return err
		}
	}
	return nil
}

// next waits for a message, for ever only if one need not be there.
func next(ctx context.Context, r *node.Reading, follow bool) (jetstream.Msg, *jetstream.MsgMetadata, error) {
	if !follow {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, answerTime)
		defer cancel()
	}
	return r.Next(ctx)
}

// readOpen tells what is open at each gateway.
func (s *Store) readOpen(ctx context.Context, q fleetlink.Query, tell func(fleetlink.Stored) error) error {
	asking, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	stream, err := s.stream(asking, &s.open, openStream)
	if err != nil {
		return err
	}
	names, err := s.gateways(asking, stream, openSubjects, q.Gateway)
	if err != nil {
		return err
	}
	for _, name := range names {
		told := fleetlink.Stored{Place: s.place(openSubjects+name, time.Time{}), Open: "{}"}
		switch m, err := stream.GetLastMsgForSubject(asking, openSubjects+name); {
		case err == nil:
			told.Place, told.Open = s.place(m.Subject, m.Time), string(m.Data)
		case !errors.Is(err, jetstream.ErrMsgNotFound):
			return err
		}
		if err := tell(told); err != nil {
			return err
		}
	}
	return nil
}

// knownTime is how long [Store.Known] may take: a status waits for it.
const knownTime = time.Second

// Known returns the gateways that have said what is open at them within the time for which that is kept,
// by name; none where the fleet does not answer.
func (s *Store) Known(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, knownTime)
	defer cancel()
	stream, err := s.stream(ctx, &s.open, openStream)
	if err != nil {
		return nil
	}
	names, err := s.gateways(ctx, stream, openSubjects, "")
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(names, func(name string) bool { return !conf.IsFleetName(name) })
}

// gateways returns those that have published in a stream or are heard of, or the one that is wanted,
// which is an error if there is none of that name. Where the fleet does not answer, they are those that
// are heard of, or were.
func (s *Store) gateways(ctx context.Context, stream jetstream.Stream, subjects, wanted string) ([]string, error) {
	known := make(map[string]bool)
	for _, m := range s.node.Members() {
		if !m.Witness {
			known[m.Name] = true
		}
	}
	asking, cancel := context.WithTimeout(ctx, answerTime/2)
	defer cancel()
	info, err := stream.Info(asking, jetstream.WithSubjectFilter(subjects+"*"))
	if err == nil {
		for subject := range info.State.Subjects {
			known[strings.TrimPrefix(subject, subjects)] = true
		}
	}
	names := slices.Sorted(maps.Keys(known))
	switch {
	case wanted == "":
		return names, nil
	case known[wanted]:
		return []string{wanted}, nil
	}
	return nil, fmt.Errorf("no gateway %s is known, but %s", wanted, strings.Join(names, ", "))
}

// place returns where something was stored, and whether its gateway is heard of.
func (s *Store) place(subject string, stored time.Time) fleetlink.Place {
	p := fleetlink.Place{Gateway: subject[strings.LastIndexByte(subject, '.')+1:], Stored: stored.UTC()}
	if !stored.IsZero() {
		p.Ago = max(time.Since(stored), 0)
	}
	for _, m := range s.node.Members() {
		if m.Name == p.Gateway {
			p.Heard, p.Self = m.Self || time.Since(m.Heard) < heardTime, m.Self
		}
	}
	return p
}
