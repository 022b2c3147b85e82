package jobs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/nats-io/nats.go/jetstream"

	"fwknopd/ingest"
)

const (
	// partSize is how many bytes of a file are an object of their own, packed with S2: to store and to send a
	// byte costs more than to pack it, and logs become a fifth.
	partSize = 16 << 20
	// maxUploaded is for how many parts segments are uploaded before the first of them is merged.
	maxUploaded = 16
	// objectTime bounds how long an object takes from process to process.
	objectTime = 10 * time.Minute
	// partTime bounds how long a part is read: one that is removed meanwhile, as another worker was done with its
	// segment first, never comes to its end.
	partTime = 2 * time.Minute
)

// partName returns the name of the object with a part of a segment.
func partName(number, part int) string { return fmt.Sprintf("%d-%d", number, part) }

// partsOf returns how many parts of a size a segment has.
func partsOf(s ingest.Segment, size int64) int { return int((s.End - s.Start + size - 1) / size) }

// room reports whether a segment may be given out beside those that were and are not merged.
func (s *Submitter) room(ahead []*planned, p *planned) bool {
	if len(ahead) == 0 || s.spec.Part == 0 {
		return len(ahead) < maxAhead
	}
	parts := partsOf(p.Segment, s.spec.Part)
	for _, other := range ahead {
		parts += partsOf(other.Segment, s.spec.Part)
	}
	return parts <= maxUploaded
}

// upload puts the parts of a segment into the object store, unless they are there. If the file cannot be
// read, or has changed, that is noted in p.
func (s *Submitter) upload(ctx context.Context, p *planned) error {
	if s.spec.Part == 0 || p.uploaded > 0 {
		return nil
	}
	f, err := openNamed(ctx, s.files[p.file].name)
	if err != nil {
		p.err = err
		return nil
	}
	defer f.Close()
	for i := range partsOf(p.Segment, s.spec.Part) {
		at := p.Start + int64(i)*s.spec.Part
		in := f.section(at, min(s.spec.Part, p.End-at))
		part, err := s.uploads.pack(in)
		in.Close()
		if err != nil {
			p.err = err
			return nil
		}
		if err := s.uploads.put(ctx, partName(p.Number, i), part); err != nil {
			return fmt.Errorf("upload of %s: %w", p.File.Path, err)
		}
	}
	p.err = p.File.unchanged(f)
	if p.uploaded, err = s.uploads.end(ctx); err != nil {
		return fmt.Errorf("upload of %s: %w", p.File.Path, err)
	}
	return nil
}

// uploads are the parts of segments that are on their way to workers. They have a stream of their own, whose
// front is removed as segments are merged. Of a stream that has results too no block would become empty, and
// the server has the blocks of the last 10 s in memory.
type uploads struct {
	objects jetstream.ObjectStore
	stream  jetstream.Stream
	s2      *s2.Writer
	packed  bytes.Buffer
}

// begin makes the object store. What an earlier run of the job has uploaded is removed.
func (u *uploads) begin(ctx context.Context, js jetstream.JetStream, job string, replicas int) (err error) {
	u.s2 = s2.NewWriter(nil, s2.WriterConcurrency(1))
	if u.objects, err = makeBucket(ctx, js, inputPrefix+job, replicas); err != nil {
		return err
	}
	if u.stream, err = js.Stream(ctx, "OBJ_"+inputPrefix+job); err != nil {
		return err
	}
	return u.stream.Purge(ctx)
}

// pack returns what r has, packed, until the next call. The error is that of r.
func (u *uploads) pack(r io.Reader) ([]byte, error) {
	u.packed.Reset()
	u.s2.Reset(&u.packed)
	if _, err := u.s2.ReadFrom(r); err != nil {
		return nil, err
	}
	err := u.s2.Close()
	return u.packed.Bytes(), err
}

func (u *uploads) put(ctx context.Context, name string, part []byte) error {
	ctx, cancel := context.WithTimeout(ctx, objectTime)
	defer cancel()
	_, err := u.objects.Put(ctx, jetstream.ObjectMeta{Name: name}, bytes.NewReader(part))
	return err
}

// end returns the place in the stream behind what was put.
func (u *uploads) end(ctx context.Context) (uint64, error) {
	info, err := u.stream.Info(ctx)
	if err != nil {
		return 0, err
	}
	return info.State.LastSeq + 1, nil
}

// remove removes the parts of a segment, whose result is merged, and all in front of them: those of earlier
// segments.
func (u *uploads) remove(ctx context.Context, p *planned) error {
	if p.uploaded == 0 {
		return nil
	}
	return u.stream.Purge(ctx, jetstream.WithPurgeSequence(p.uploaded))
}

// A failing reader remembers why it failed.
type failing struct {
	r   io.Reader
	err error
}

func (f *failing) Read(b []byte) (int, error) {
	n, err := f.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

// An uploaded reader reads the parts of a segment.
type uploaded struct {
	ctx     context.Context
	cancel  context.CancelFunc
	objects jetstream.ObjectStore
	number  int                    // of the segment
	left    int64                  // bytes of it, of parts that were not opened
	size    int64                  // of a part
	next    int                    // part
	part    jetstream.ObjectResult // nil: there is none yet, or it was read
	plain   *s2.Reader             // what is packed in it
	due     int64                  // bytes that it must still have
}

func (u *uploaded) Read(b []byte) (n int, err error) {
	for n == 0 && err == nil && len(b) > 0 {
		if u.part == nil {
			if u.left <= 0 {
				return 0, io.EOF
			}
			if err := u.open(); err != nil {
				return 0, err
			}
		}
		n, err = u.plain.Read(b)
		u.due -= int64(n)
		switch atEnd := errors.Is(err, io.EOF); {
		case u.due < 0, atEnd && u.due > 0:
			return 0, fmt.Errorf("%s has another size than what was uploaded", partName(u.number, u.next-1))
		case atEnd:
			err = u.Close()
		}
	}
	return n, err
}

// open opens the next part.
func (u *uploaded) open() (err error) {
	var ctx context.Context
	ctx, u.cancel = context.WithTimeout(u.ctx, partTime)
	if u.part, err = u.objects.Get(polled{ctx}, partName(u.number, u.next)); err != nil {
		return err
	}
	u.due = min(u.size, u.left)
	u.left -= u.size
	u.next++
	u.plain = s2.NewReader(u.part)
	return nil
}

// Close ends the reading of a part.
func (u *uploaded) Close() (err error) {
	if u.part != nil {
		err = u.part.Close()
	}
	if u.cancel != nil {
		u.cancel()
	}
	u.part = nil
	return err
}
