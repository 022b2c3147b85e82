package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"fwknopd/cmd/fwknopd-fleet/node"
	"fwknopd/cmd/fwknopd/osreport"
)

// A Worker takes segments and puts their results.
type Worker struct {
	Name string       // for messages
	Jobs int          // segments at a time
	Root string       // files are below it; "": anywhere
	Say  func(string) // gets what goes wrong

	js   jetstream.JetStream
	end  context.CancelCauseFunc
	mu   sync.Mutex
	jobs map[string]*job
}

// A job is what a worker knows of one.
type job struct {
	spec    *spec
	options osreport.Options
	results jetstream.ObjectStore
	inputs  jetstream.ObjectStore // nil: workers read the files
}

const (
	// retryWait is how long a worker waits after something went wrong, and for a first job.
	retryWait = time.Second
	// fetchWait is how long it asks for a segment at a time.
	fetchWait = 10 * time.Second
	// maxTries is how often a segment is tried that a worker cannot read, or that makes it panic.
	maxTries = 2
	// maxJobs bounds how many jobs a worker remembers.
	maxJobs = 8
)

// Run takes segments until ctx ends; those that are being read are given back. A [Server] whose job
// is done ends it too. The error is that of a job or a server that the worker can do nothing for.
func (w *Worker) Run(ctx context.Context, nc *nats.Conn) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w.end = cancel
	end, err := nc.Subscribe(endSubject, func(*nats.Msg) {
		nc.SetDisconnectErrHandler(nil) // the server ends too
		cancel(nil)
	})
	if err != nil {
		return err
	}
	defer end.Unsubscribe()
	if w.js, err = jetstream.New(nc); err != nil {
		return err
	}
	w.jobs = make(map[string]*job)
	nc.SetClosedHandler(func(nc *nats.Conn) { cancel(fmt.Errorf("NATS ended the connection for good: %w", nc.LastError())) })
	var running sync.WaitGroup
	for range w.Jobs {
		running.Go(func() { w.loop(ctx) })
	}
	running.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// loop takes one segment after the other.
func (w *Worker) loop(ctx context.Context) {
	var queue jetstream.Consumer
	for ctx.Err() == nil {
		var err error
		if queue == nil {
			if queue, err = w.js.Consumer(ctx, segmentStream, workers); err != nil { // no job yet, or no server
				queue = nil
				node.Pause(ctx, retryWait)
				continue
			}
		}
		wait, cancel := context.WithTimeout(ctx, fetchWait)
		msg, err := queue.Next(jetstream.FetchContext(wait))
		cancel()
		switch {
		case err == nil:
			w.take(ctx, msg)
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout), errors.Is(err, jetstream.ErrNoMessages):
		default:
			queue = nil
			node.Pause(ctx, retryWait)
		}
	}
}

// take reads a segment and puts its result, or why there is none. If that is not known for sure, the
// segment is given back.
func (w *Worker) take(ctx context.Context, msg jetstream.Msg) {
	stop := keep(msg)
	err := w.handle(ctx, msg)
	stop()
	switch {
	case err == nil:
		err = msg.Ack() // at worst it is read again
	case ctx.Err() != nil:
		err = msg.Nak()
	default:
		w.Say(err.Error())
		err = msg.NakWithDelay(retryWait)
	}
	if err != nil && ctx.Err() == nil {
		w.Say(fmt.Sprintf("NATS: %v", err))
	}
}

// keep says again and again that a segment is being read.
func keep(msg jetstream.Msg) (stop func()) {
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		alive := time.NewTicker(ackWait / 5)
		defer alive.Stop()
		for {
			select {
			case <-quit:
				return
			case <-alive.C:
				_ = msg.InProgress() // if it does not arrive, another worker reads it too
			}
		}
	}()
	return func() { close(quit); <-ended }
}

// handle handles a segment. After an error it is to be given back.
func (w *Worker) handle(ctx context.Context, msg jetstream.Msg) error {
	s, deliveries, err := decodeSegment(msg)
	if err != nil {
		_ = msg.Term()
		return fmt.Errorf("the work queue has a message that is no segment: %w", err)
	}
	j, err := w.job(ctx, s)
	switch {
	case errors.Is(err, jetstream.ErrBucketNotFound):
		return nil // the job is over
	case errors.Is(err, errSpec):
		w.end(err)
		return err
	case err != nil:
		return fmt.Errorf("job %s: %w", s.Job, err)
	}
	name := resultName(s.Number)
	if _, err := j.results.GetInfo(ctx, name); err == nil {
		return nil // a worker that ended before it could say so was done
	}
	if deliveries > maxDeliveries {
		return fail(ctx, j, name, fmt.Errorf("%d workers took it, and ended without a word", deliveries-1))
	}
	err = w.read(ctx, j, s)
	var put putError
	switch {
	case err == nil || ctx.Err() != nil || errors.As(err, &put):
		return err
	case errors.As(err, new(changedError)) || deliveries >= maxTries:
		return fail(ctx, j, name, fmt.Errorf("%s: %w", w.Name, err))
	}
	return fmt.Errorf("%s, bytes %d to %d: %w", s.File.Path, s.Start, s.End, err)
}

// decodeSegment returns the segment of a message, and how often it was handed out.
func decodeSegment(msg jetstream.Msg) (s *segment, deliveries uint64, err error) {
	about, err := msg.Metadata()
	if err == nil {
		err = json.Unmarshal(msg.Data(), &s)
	}
	switch {
	case err != nil:
		return nil, 0, err
	case s == nil || s.Number < 0 || s.Start < 0 || s.End < s.Start:
		return nil, 0, errors.New("a range that is none")
	}
	return s, about.NumDelivered, nil
}

// job returns what is known of the job of a segment, which it gets if it is new.
func (w *Worker) job(ctx context.Context, s *segment) (*job, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if j := w.jobs[s.Job]; j != nil && j.spec.Seed == s.Seed {
		return j, nil
	}
	j, err := w.findJob(ctx, s.Job)
	if err != nil {
		return nil, err
	}
	if j.spec.Seed != s.Seed {
		return nil, errors.New("it was submitted once more meanwhile")
	}
	if len(w.jobs) >= maxJobs {
		clear(w.jobs)
	}
	w.jobs[s.Job] = j
	return j, nil
}

func (w *Worker) findJob(ctx context.Context, id string) (j *job, err error) {
	j = new(job)
	if j.results, err = w.js.ObjectStore(ctx, bucketPrefix+id); err != nil {
		return nil, err
	}
	if j.spec, err = readSpec(ctx, j.results); err != nil {
		return nil, err
	}
	if j.spec.Part > 0 {
		if j.inputs, err = w.js.ObjectStore(ctx, inputPrefix+id); err != nil {
			return nil, err
		}
	}
	if j.options, err = j.spec.options(); err != nil {
		return nil, fmt.Errorf("%w: %w", errSpec, err)
	}
	return j, nil
}

// errSpec is that of a job that this worker cannot work for.
var errSpec = errors.New("the job is not one for this worker")

func readSpec(ctx context.Context, results jetstream.ObjectStore) (*spec, error) {
	object, err := results.Get(ctx, specObject)
	if err != nil {
		return nil, err
	}
	defer object.Close()
	text, err := io.ReadAll(io.LimitReader(object, maxSpec))
	if err != nil {
		return nil, err
	}
	var s spec
	return &s, json.Unmarshal(text, &s)
}

// A putError is that of the object store, not of the segment.
type putError struct{ error }

// read reads a segment and puts its result.
func (w *Worker) read(ctx context.Context, j *job, s *segment) error {
	reading, cancel := context.WithCancel(ctx)
	defer cancel()
	in, sound, err := w.open(reading, j, s)
	if err != nil {
		return err
	}
	defer in.Close()
	from, to := io.Pipe()
	failed := make(chan error, 1)
	go func() {
		err := w.count(reading, j, s, in, to)
		if err == nil {
			err = sound()
		}
		failed <- err
		to.CloseWithError(err)
	}()
	_, err = j.results.Put(ctx, jetstream.ObjectMeta{Name: resultName(s.Number)}, from)
	from.CloseWithError(context.Canceled)
	cancel()
	switch counting := <-failed; {
	case err == nil:
		return nil
	case counting != nil && !errors.Is(counting, context.Canceled):
		return counting
	}
	return putError{fmt.Errorf("result of %s: %w", s.File.Path, err)}
}

// open returns what yields the bytes of a segment; after reading sound returns why they are not those.
func (w *Worker) open(ctx context.Context, j *job, s *segment) (in io.ReadCloser, sound func() error, err error) {
	if j.spec.Part > 0 {
		u := &uploaded{ctx: ctx, objects: j.inputs, number: s.Number, left: s.End - s.Start, size: j.spec.Part}
		in := &failing{r: u}
		return struct {
			io.Reader
			io.Closer
		}{in, u}, func() error { return in.err }, nil
	}
	f, err := open(ctx, w.Root, s.File.Path)
	if err != nil {
		return nil, nil, err
	}
	sound = func() error { return s.File.unchanged(f) }
	if err := sound(); err != nil {
		f.Close()
		return nil, nil, err
	}
	part := f.section(s.Start, s.End-s.Start)
	return struct {
		io.Reader
		io.Closer
	}{part, closers{part, f}}, sound, nil
}

// count writes the result of a segment. A panic is an error.
func (w *Worker) count(ctx context.Context, j *job, s *segment, in io.Reader, to io.Writer) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	o, bytes := j.options, cancelable{ctx, in}
	switch {
	case j.spec.Replay != nil:
		return j.spec.Replay.Events(ctx, s.Segment, bytes, o.Now, to)
	case j.spec.Summary:
		return o.SummarizeSegment(ctx, s.Segment, bytes, j.spec.Seed, w.Jobs, to)
	}
	return o.CountSegment(ctx, s.Segment, bytes, w.Jobs, to)
}

// fail puts why a segment has no result, if none came meanwhile.
func fail(ctx context.Context, j *job, name string, err error) error {
	if _, err := j.results.GetInfo(ctx, name); err == nil {
		return nil
	}
	reason := err.Error()
	_, err = j.results.Put(ctx, jetstream.ObjectMeta{Name: name, Description: reason[:min(len(reason), maxReason)]}, nil)
	return err
}
