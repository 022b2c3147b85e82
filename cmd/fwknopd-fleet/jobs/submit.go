package jobs

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"fwknopd/cmd/fwknopd-fleet/s3store"
	"fwknopd/cmd/fwknopd/inputs"
	"fwknopd/cmd/fwknopd/osreport"
	"fwknopd/cmd/fwknopd/replay"
	"fwknopd/cmd/fwknopd/summaries"
	"fwknopd/ingest"
)

// A Submitter has the inputs of a report, a summary or a replay read by workers.
type Submitter struct {
	Options        osreport.Options // of a replay Inputs, AsGiven and Now
	Summary        summaries.Output // in place of a report, if there is one
	Replay         *replay.Job      // nil: a report or a summary
	Root           string           // files are below it, for workers too; "": anywhere
	Upload         bool             // workers get what they read from the object store, not from files
	Segment        int64            // bytes of a segment of a log; 0: what suits the archive
	Part           int64            // bytes of an object with a part of it, with Upload; 0: partSize
	Stdout, Stderr io.Writer
	Say            func(string) // gets what goes wrong on the way

	log   *inputs.Log
	files []file
	spec  *spec
	id    string

	js      jetstream.JetStream
	queue   jetstream.Stream
	results jetstream.ObjectStore
	uploads uploads
	done    map[int]string // results that are there and not merged yet: why there is none, or ""
	merged  int            // segments, in order
	again   map[int]bool   // those whose result was damaged once
	small   bytes.Buffer   // a result that is being merged
	read    atomic.Int64   // bytes of the segments that were merged

	patience time.Duration // 0: getTime
}

// A file is one input in order.
type file struct {
	name string // as the report has it
	source
	err error // why workers are not asked for it
}

const (
	// leastSegment and mostSegment bound how much of a log a worker reads at a time: up to about a
	// second. Below that an archive has about shares segments, for all workers to have some.
	leastSegment, mostSegment = 4 << 20, 256 << 20
	shares                    = 16
	// maxAhead is how many segments are in the work queue, or have results that wait for earlier ones.
	maxAhead = 256
	// quiet is after how long without a result it is said that there are no workers.
	quiet = 10 * time.Second
)

// Prepare looks at the inputs, and names the job.
func (s *Submitter) Prepare(ctx context.Context) (id string, err error) {
	if s.log = inputs.NewLog(s.Stderr); s.Replay != nil {
		s.log = s.Replay.Log()
	}
	names, err := s.expand(ctx)
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if name == ingest.Stdin {
			return "", errors.New("standard input cannot be read by other processes: name files")
		}
		if s.Summary.Asked() && !s3store.IsName(name) && ingest.Takes(name, osreport.IsEvent) {
			return "", fmt.Errorf("%s is an event log, which workers do not read: use fwknopd stats", name)
		}
		f, err := s.look(ctx, name)
		if err != nil {
			return "", err
		}
		s.files = append(s.files, f)
	}
	if s.spec, err = newSpec(&s.Options, s.Summary.Asked(), s.Replay); err != nil {
		return "", err
	}
	if s.Upload {
		s.spec.Part = cmp.Or(s.Part, partSize)
	}
	var list []source
	for i := range s.files {
		list = append(list, s.files[i].source)
	}
	s.id, err = jobID(s.spec, list)
	return s.id, err
}

// expand returns the files that the inputs stand for, in the order in which they are reported: with
// objects of S3-like storage among them the given one.
func (s *Submitter) expand(ctx context.Context) (names []string, err error) {
	if !slices.ContainsFunc(s.Options.Inputs, s3store.IsName) {
		return s.log.Files(s.Options.Inputs, s.Options.Now, s.Options.AsGiven)
	}
	for _, name := range s.Options.Inputs {
		var more []string
		if s3store.IsName(name) {
			more, err = s3store.List(ctx, name)
		} else {
			more, err = s.log.Files([]string{name}, s.Options.Now, true)
		}
		if err != nil {
			return nil, err
		}
		names = append(names, more...)
	}
	return names, nil
}

// look returns what a name stands for. The error is that of a path that workers cannot have.
func (s *Submitter) look(ctx context.Context, name string) (file, error) {
	path, err := pathFor(s.Root, name)
	if err != nil {
		return file{}, err
	}
	in := file{name: name, source: source{Path: path}}
	f, err := openNamed(ctx, name)
	if err != nil {
		in.err = err
		return in, nil
	}
	defer f.Close()
	in.source, in.err = f.source(path)
	if in.err != nil {
		in.Path = path
	}
	return in, nil
}

// openNamed opens a file by the name that the submitter has for it.
func openNamed(ctx context.Context, name string) (stored, error) {
	if s3store.IsName(name) {
		return openObject(ctx, name)
	}
	f, err := os.Open(name)
	if err != nil {
		err = cmp.Or(inputs.Unreadable(name), err)
	}
	return localFile{f}, err
}

// Run has the job done and writes the report; its errors are those of [osreport.Run], or for
// [replay.Job.Exit]. If ctx ends it writes none, or no further decisions, and the same job submitted
// again goes on with the results that are there. replicas is how often JetStream stores them.
func (s *Submitter) Run(ctx context.Context, js jetstream.JetStream, replicas int) error {
	s.js, s.done, s.again = js, make(map[int]string), make(map[int]bool)
	if err := s.begin(ctx, replicas); err != nil {
		return interrupted(ctx, err)
	}
	r := s.reduction()
	defer r.Close()
	stop := s.log.ProgressOf(s.size(), s.read.Load)
	err := s.reduce(ctx, r)
	stop()
	if err != nil {
		return interrupted(ctx, err)
	}
	err = r.Report()
	s.clean(ctx)
	return err
}

// A reduction makes one result of those of all segments, in their order.
type reduction interface {
	// Add adds the result of a segment of a file. With an error that is damaged nothing was added.
	Add(file int, s ingest.Segment, result *io.SectionReader) error
	// Lost notes that a segment was not read, and why.
	Lost(file int, s ingest.Segment, err error)
	// Report prints what is left to be printed.
	Report() error
	Close()
}

func (s *Submitter) reduction() reduction {
	if s.Replay != nil {
		s.Replay.Start(s.names())
		return s.Replay
	}
	if s.spec.Summary {
		return osreport.NewSummaryReduction(&s.Options, s.Summary, s.spec.Seed, s.names(), s.log, s.Stdout, s.Stderr)
	}
	return osreport.NewReduction(&s.Options, s.names(), s.log, s.Stdout, s.Stderr)
}

func (s *Submitter) names() (names []string) {
	for i := range s.files {
		names = append(names, s.files[i].name)
	}
	return names
}

func (s *Submitter) size() (n int64) {
	for i := range s.files {
		n += s.files[i].Size
	}
	return n
}

// begin makes the queue and the object store of the job, or goes on with those that are there.
func (s *Submitter) begin(ctx context.Context, replicas int) (err error) {
	if s.queue, err = makeQueue(ctx, s.js, replicas); err != nil {
		return err
	}
	if s.results, err = makeBucket(ctx, s.js, bucketPrefix+s.id, replicas); err != nil {
		return fmt.Errorf("results: %w", err)
	}
	if s.Upload {
		if err := s.uploads.begin(ctx, s.js, s.id, replicas); err != nil {
			return fmt.Errorf("upload: %w", err)
		}
	}
	known, err := readSpec(ctx, s.results)
	switch {
	case err == nil:
		s.spec = known
	case errors.Is(err, jetstream.ErrObjectNotFound):
		s.spec.Seed = [2]uint64{rand.Uint64(), rand.Uint64()}
		text, err := json.Marshal(s.spec)
		if err != nil {
			return err
		}
		if _, err := s.results.PutBytes(ctx, specObject, text); err != nil {
			return fmt.Errorf("job: %w", err)
		}
	default:
		return fmt.Errorf("job: %w", err)
	}
	if err := s.queue.Purge(ctx, jetstream.WithPurgeSubject(segmentSubject+s.id)); err != nil {
		return fmt.Errorf("work queue: %w", err)
	}
	return nil
}

// clean removes what the job stored. An error leaves it there, and is said.
func (s *Submitter) clean(ctx context.Context) {
	err := errors.Join(s.queue.Purge(ctx, jetstream.WithPurgeSubject(segmentSubject+s.id)), s.js.DeleteObjectStore(ctx, bucketPrefix+s.id))
	if s.Upload {
		err = errors.Join(err, s.js.DeleteObjectStore(ctx, inputPrefix+s.id))
	}
	if err != nil {
		s.Say(fmt.Sprintf("the job's results were not removed: %v", err))
	}
}

// segments yields the segments of all files, in order.
func (s *Submitter) segments(ctx context.Context) iter.Seq[*planned] {
	return func(yield func(*planned) bool) { s.plan(ctx, yield) }
}

func (s *Submitter) plan(ctx context.Context, yield func(*planned) bool) {
	number := 0
	for i := range s.files {
		in := &s.files[i]
		for part, err := range s.segmentsOf(ctx, in) {
			p := &planned{file: i, err: err, segment: segment{Job: s.id, Seed: s.spec.Seed, Number: number, File: in.source, Segment: part}}
			if number++; !yield(p) {
				return
			}
		}
	}
}

// A planned segment is one that is in the queue or will be.
type planned struct {
	segment
	file     int
	err      error  // why it is not put into the queue
	uploaded uint64 // the stream of uploads up to there has all of its parts; 0: none
}

func (s *Submitter) segmentsOf(ctx context.Context, in *file) iter.Seq2[ingest.Segment, error] {
	return func(yield func(ingest.Segment, error) bool) {
		whole := ingest.Segment{End: in.Size}
		if in.err != nil {
			yield(whole, in.err)
			return
		}
		f, err := openNamed(ctx, in.name)
		if err != nil {
			yield(whole, err)
			return
		}
		defer f.Close()
		size := cmp.Or(s.Segment, min(max(s.size()/shares, leastSegment), cmp.Or(s.spec.Part, mostSegment)))
		ingest.Segments(f, in.Size, (in.Size+size-1)/size)(yield)
	}
}

// reduce puts segments into the queue and merges their results, in order.
func (s *Submitter) reduce(ctx context.Context, r reduction) error {
	watch, err := s.results.Watch(ctx)
	if err != nil {
		return fmt.Errorf("results: %w", err)
	}
	defer watch.Stop()
	for info := range watch.Updates() {
		if info == nil { // these were there
			break
		}
		s.note(info)
	}
	next, stop := iter.Pull(s.segments(ctx))
	defer stop()
	var ahead []*planned
	p, more := next()
	for {
		for more && s.room(ahead, p) {
			if err := s.publish(ctx, p); err != nil {
				return err
			}
			ahead = append(ahead, p)
			p, more = next()
		}
		if len(ahead) == 0 {
			return nil
		}
		if err := s.wait(ctx, ahead[0], watch); err != nil {
			return err
		}
		switch merged, err := s.merge(ctx, r, ahead[0]); {
		case err != nil:
			return err
		case merged:
			if err := s.uploads.remove(ctx, ahead[0]); err != nil {
				return fmt.Errorf("uploaded segments: %w", err)
			}
			s.read.Add(ahead[0].End - ahead[0].Start)
			s.merged++
			ahead = ahead[1:]
		}
	}
}

// publish puts a segment into the queue, unless its result is there.
func (s *Submitter) publish(ctx context.Context, p *planned) error {
	if _, there := s.done[p.Number]; there || p.err != nil {
		return nil
	}
	if err := s.upload(ctx, p); err != nil || p.err != nil {
		return err
	}
	text, err := json.Marshal(&p.segment)
	if err != nil {
		return err
	}
	if _, err := s.js.Publish(ctx, segmentSubject+s.id, text); err != nil {
		return fmt.Errorf("work queue: %w", err)
	}
	return nil
}

// wait waits for the result of a segment.
func (s *Submitter) wait(ctx context.Context, p *planned, watch jetstream.ObjectWatcher) error {
	idle := time.NewTimer(quiet)
	defer idle.Stop()
	for {
		if _, there := s.done[p.Number]; there || p.err != nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ErrInterrupted
		case info, open := <-watch.Updates():
			if !open {
				return errors.New("results: NATS ended the connection")
			}
			if info != nil {
				s.note(info)
			}
		case <-idle.C:
			if s.merged == 0 && len(s.done) == 0 {
				s.Say("no result yet: are there workers (fwknopd fleet work)?")
			}
		}
	}
}

// ErrInterrupted is the error of a submitter whose context ended.
var ErrInterrupted = errors.New("interrupted; the same command again goes on with the results that are there")

// interrupted returns the error of a job that failed: after the end of ctx that is why.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ErrInterrupted
	}
	return err
}
