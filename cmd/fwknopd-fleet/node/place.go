package node

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// A Place is how far a stream was read. A stream that was removed and made anew, or restored from a copy, is
// read from its beginning: the ordered consumer of the library goes on there at the place of the former one.
type Place struct {
	made time.Time // when the stream was
	last uint64    // sequence number in it of the last that was read; 0: none was
}

// EndOf returns the place behind all that a stream has.
func EndOf(s *jetstream.StreamInfo) Place { return Place{s.Created, s.State.LastSeq} }

const (
	pullExpiry    = 4 * time.Second
	pullHeartbeat = time.Second
	pullBytes     = 1 << 20 // on their way to a reader
)

// A Reading delivers the messages of a stream that come after a [Place], which moves on with them.
type Reading struct {
	Pending uint64 // how many there were to be read when it began
	it      jetstream.MessagesContext
	place   *Place
	number  uint64 // of the last message, from 1
}

// Read begins to read the messages of a subject. Where none was read yet it begins with those that were
// stored at since, or the first.
func (p *Place) Read(ctx context.Context, s jetstream.Stream, subject string, since time.Time) (*Reading, error) {
	info, err := s.Info(ctx)
	if err != nil {
		return nil, err
	}
	c, err := s.CreateConsumer(ctx, p.consumer(info, subject, since))
	if err != nil {
		return nil, err
	}
	it, err := c.Messages(jetstream.PullExpiry(pullExpiry), jetstream.PullHeartbeat(pullHeartbeat), jetstream.WithMessagesErrOnMissingHeartbeat(true),
		jetstream.PullMaxBytes(pullBytes))
	if err != nil {
		return nil, err
	}
	return &Reading{Pending: c.CachedInfo().NumPending, it: it, place: p}, nil
}

// renew begins anew if the stream is not the one that was read.
func (p *Place) renew(s *jetstream.StreamInfo) {
	if !s.Created.Equal(p.made) || p.last > s.State.LastSeq {
		*p = Place{made: s.Created}
	}
}

func (p *Place) consumer(s *jetstream.StreamInfo, subject string, since time.Time) jetstream.ConsumerConfig {
	p.renew(s)
	c := jetstream.ConsumerConfig{
		FilterSubjects: []string{subject}, AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1, InactiveThreshold: time.Minute,
	}
	switch {
	case p.last > 0:
		c.DeliverPolicy, c.OptStartSeq = jetstream.DeliverByStartSequencePolicy, p.last+1
	case !since.IsZero():
		c.DeliverPolicy, c.OptStartTime = jetstream.DeliverByStartTimePolicy, &since
	}
	return c
}

// errMissing is the error of a message that was lost on its way.
var errMissing = errors.New("a message did not arrive")

// Next returns the next message, which it waits for until ctx ends. With another error the Place has to be
// read anew: the member that leads was lost, or a message was.
func (r *Reading) Next(ctx context.Context) (jetstream.Msg, *jetstream.MsgMetadata, error) {
	m, err := r.it.Next(jetstream.NextContext(ctx))
	if err != nil {
		return nil, nil, err
	}
	meta, err := m.Metadata()
	if err != nil {
		return nil, nil, err
	}
	if r.number++; meta.Sequence.Consumer != r.number {
		return nil, nil, errMissing
	}
	r.place.last = meta.Sequence.Stream
	return m, meta, nil
}

// Stop ends the reading.
func (r *Reading) Stop() { r.it.Stop() }
