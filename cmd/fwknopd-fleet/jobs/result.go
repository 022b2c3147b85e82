package jobs

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"fwknopd/cmd/fwknopd/inputs"
	"fwknopd/cmd/fwknopd/sources"
)

const (
	// getTime is for how long a result is read at first.
	getTime = 10 * time.Second
	// smallResult is the size up to which a result is held in memory, not in a temporary file.
	smallResult = 8 << 20
)

// note notes a change in the object store.
func (s *Submitter) note(info *jetstream.ObjectInfo) {
	n, ok := resultNumber(info.Name)
	switch {
	case !ok || n < s.merged:
	case info.Deleted:
		delete(s.done, n)
	default:
		s.done[n] = info.Description
	}
}

// merge merges the result of a segment; false if that was damaged, and is asked for again.
func (s *Submitter) merge(ctx context.Context, r reduction, p *planned) (bool, error) {
	reason := s.done[p.Number]
	delete(s.done, p.Number)
	switch {
	case p.err != nil:
		r.Lost(p.file, p.Segment, p.err)
		return true, nil
	case reason != "":
		r.Lost(p.file, p.Segment, errors.New(reason))
		return true, nil
	}
	err := s.get(ctx, resultName(p.Number), func(result *io.SectionReader) error { return r.Add(p.file, p.Segment, result) })
	switch {
	case err == nil:
		return true, nil
	case ctx.Err() != nil || !damaged(err):
		return false, err
	case s.again[p.Number]:
		r.Lost(p.file, p.Segment, fmt.Errorf("result: %w", err))
		return true, nil
	}
	s.again[p.Number] = true
	s.Say(fmt.Sprintf("%s, bytes %d to %d: result: %v; it is read again", p.File.Path, p.Start, p.End, err))
	if err := s.results.Delete(ctx, resultName(p.Number)); err != nil && !errors.Is(err, jetstream.ErrObjectNotFound) {
		return false, fmt.Errorf("results: %w", err)
	}
	return false, s.publish(ctx, p)
}

// damaged reports an error of a result, after which nothing of it was merged.
func damaged(err error) bool {
	return errors.Is(err, sources.ErrPartial) || errors.Is(err, jetstream.ErrDigestMismatch) || errors.Is(err, jetstream.ErrObjectNotFound)
}

// get calls f with an object. What is read of one that a second worker replaces meanwhile never comes to its
// end: it is read again, each time for twice as long.
func (s *Submitter) get(ctx context.Context, name string, f func(*io.SectionReader) error) error {
	for limit := cmp.Or(s.patience, getTime); ; limit *= 2 {
		err := s.getWithin(ctx, limit, name, f)
		late := errors.Is(err, nats.ErrTimeout) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
		if !late || limit > objectTime || ctx.Err() != nil {
			return err
		}
	}
}

// A polled context has reads of an object look whether it has ended: nats.go does so only before it waits for bytes,
// and again at the deadline. A read that was in vain until then returns no bytes and no error.
type polled struct{ context.Context }

// pollEvery is how long a read may go on after its context has ended.
const pollEvery = 200 * time.Millisecond

func (polled) Deadline() (time.Time, bool) { return time.Now().Add(pollEvery), true }

// getWithin calls f with an object, which it holds in memory if it is small.
func (s *Submitter) getWithin(ctx context.Context, limit time.Duration, name string, f func(*io.SectionReader) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	object, err := s.results.Get(polled{ctx}, name)
	if err != nil {
		return fmt.Errorf("results: %w", err)
	}
	defer object.Close()
	s.small.Reset()
	limited := io.LimitReader(object, maxResult)
	if _, err = io.CopyN(&s.small, limited, smallResult); errors.Is(err, io.EOF) {
		return f(io.NewSectionReader(bytes.NewReader(s.small.Bytes()), 0, int64(s.small.Len())))
	}
	if err != nil {
		return fmt.Errorf("results: %w", err)
	}
	temp, err := inputs.Storage(0, 1).Create()
	if err != nil {
		return err
	}
	defer temp.Close()
	n, err := io.Copy(temp, io.MultiReader(&s.small, limited))
	if err != nil {
		return fmt.Errorf("results: %w", err)
	}
	return f(io.NewSectionReader(temp, 0, n))
}
