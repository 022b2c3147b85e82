// Package events is the part of the fleet process that keeps what the gateways publish, in two
// streams: the objects of their event logs, and what is open at each now. A [Publisher] takes those
// of this gateway from the monitor, a [Store] reads those of all.
package events

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"fwknopd/cmd/fwknopd-fleet/node"
	"fwknopd/cmd/fwknopd/fleetlink"
)

// A gateway publishes on the subjects that end in its name.
const (
	eventSubjects = "fwknop.events."
	openSubjects  = "fwknop.open."
)

const (
	maxAge       = 7 * 24 * time.Hour
	maxBytes     = 256 << 20        // of events; the oldest are forgotten for want of room
	maxOpenBytes = 64 << 20         // of what is open
	maxHeader    = 1 << 10          // of a message
	window       = 10 * time.Minute // for which a message that is published again is known
)

// eventStream has the events, in messages of one or more. That of the same gateway follow each other.
var eventStream = jetstream.StreamConfig{
	Name: "fwknop_events", Subjects: []string{eventSubjects + "*"}, Description: "events of the gateways of a fleet of fwknopd",
	Storage: jetstream.FileStorage, Discard: jetstream.DiscardOld, MaxMsgsPerSubject: -1,
	MaxAge: maxAge, MaxBytes: maxBytes, MaxMsgSize: fleetlink.MaxObjects + maxHeader, Duplicates: window,
}

// openStream has the last that each gateway has said of what is open there. Any member that has a copy
// answers, also one that is cut off.
var openStream = jetstream.StreamConfig{
	Name: "fwknop_open", Subjects: []string{openSubjects + "*"}, Description: "what is open at the gateways of a fleet of fwknopd",
	Storage: jetstream.FileStorage, Discard: jetstream.DiscardOld, MaxMsgsPerSubject: 1, AllowDirect: true,
	MaxAge: maxAge, MaxBytes: maxOpenBytes, MaxMsgSize: fleetlink.MaxOpen + maxHeader,
}

// A Store is both streams. It may be used by several goroutines.
type Store struct {
	node *node.Node

	mu     sync.Mutex
	events jetstream.Stream // nil: not found yet
	open   jetstream.Stream
}

// NewStore returns the streams of a fleet.
func NewStore(n *node.Node) *Store { return &Store{node: n} }

// stream returns one of the streams, which is looked for once.
func (s *Store) stream(ctx context.Context, which *jetstream.Stream, want jetstream.StreamConfig) (jetstream.Stream, error) {
	s.mu.Lock()
	found := *which
	s.mu.Unlock()
	if found != nil {
		return found, nil
	}
	found, err := s.node.Stream(ctx, want)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	*which = found
	return found, nil
}

// forget has the streams looked for again: one of them may have been removed.
func (s *Store) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events, s.open = nil, nil
}

// header is the id of a message, by which JetStream knows one that comes again, and which says where
// its objects belong.
const header = jetstream.MsgIDHeader

func idOf(gateway string, e *fleetlink.Events) string {
	return fmt.Sprintf("%d.%d.%d.%s", e.Run, e.First, len(e.Objects), gateway)
}

// eventsOf returns what a message holds; none if it holds more than a gateway publishes at a time. An id
// that is none leaves the objects unnumbered.
func eventsOf(id string, data []byte) (e fleetlink.Events) {
	if len(data) > fleetlink.MaxObjects {
		return e
	}
	if _, err := fmt.Sscanf(id, "%d.%d.", &e.Run, &e.First); err != nil {
		e.Run, e.First = 0, 0
	}
	for object := range bytes.SplitSeq(data, []byte("\n")) {
		e.Objects = append(e.Objects, string(object))
	}
	return e
}
