package jobs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/nats-io/nats.go/jetstream"

	"fwknopd/fixtures/wait"
)

// testPart has segments of a log be uploaded in several parts, two segments at a time.
const testPart = 8 << 10

func upload(s *Submitter) { s.Upload, s.Part = true, testPart }

// Workers that have none of the files give what one process reports; no more parts than the bound are stored
// at a time, and each segment is removed when it is done.
func TestUpload(t *testing.T) {
	o := optionsFor(archive(t, 8000))
	want := plain(t, o)
	s := newSite(t, o, t.TempDir(), upload)
	nc, js := connected(t, s.Server)
	defer nc.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	most, got := make(chan int, 1), make(chan report, 1)
	go func() { most <- mostStored(ctx, js, inputPrefix+s.id) }()
	go func() { got <- s.submit(t.Context()) }()
	wait.For(t, "parts that are uploaded ahead", func() bool { return storedIn(ctx, js, inputPrefix+s.id) >= maxUploaded/2 })
	for range 2 {
		s.workerBelow(t.Context(), t, 2, t.TempDir())
	}
	want.compare(t, <-got)
	cancel()
	if got := <-most; got > s.bound(t) {
		t.Errorf("up to %d parts are stored, bound %d", got, s.bound(t))
	}
	if _, err := js.ObjectStore(t.Context(), inputPrefix+s.id); !errors.Is(err, jetstream.ErrBucketNotFound) {
		t.Errorf("the uploads are not removed: %v", err)
	}
}

// bound returns how many parts may be stored: those of the largest file, or more.
func (s *site) bound(t *testing.T) int {
	t.Helper()
	most := maxUploaded
	for p := range s.segments(t.Context()) {
		most = max(most, partsOf(p.Segment, testPart))
	}
	return most
}

// mostStored returns how many objects were seen in an object store at a time, before ctx ended.
func mostStored(ctx context.Context, js jetstream.JetStream, bucket string) (most int) {
	for ctx.Err() == nil {
		most = max(most, storedIn(ctx, js, bucket))
	}
	return most
}

// storedIn returns how many objects are in an object store, 0 where there is none.
func storedIn(ctx context.Context, js jetstream.JetStream, bucket string) int {
	stream, err := js.Stream(ctx, "OBJ_"+bucket)
	if err != nil {
		return 0
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter("$O."+bucket+".M.>"))
	if err != nil {
		return 0
	}
	return len(info.State.Subjects)
}

// A job with uploaded segments that was stopped goes on.
func TestUploadResume(t *testing.T) { testResume(t, upload) }

// A file that changes before it is uploaded is named, the others are reported.
func TestUploadChangedFile(t *testing.T) {
	files := archive(t, 3000)
	s := newSite(t, optionsFor(files), t.TempDir(), upload)
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(files[0], later, later); err != nil {
		t.Fatal(err)
	}
	s.workerBelow(t.Context(), t, 2, t.TempDir())
	got := s.submit(t.Context())
	if want := files[0] + ": bytes 0 to "; !strings.HasPrefix(got.failure, want) || !strings.Contains(got.failure, "time of modification differs") {
		t.Errorf("error %q", got.failure)
	}
	if got.stdout == "" || strings.Contains(got.stdout, `"10.0.`) {
		t.Errorf("report:\n%.500s", got.stdout)
	}
}

// A part that is not what was uploaded is not read to its end without an error.
func TestUploadTampered(t *testing.T) {
	s := newSite(t, optionsFor(archive(t, 100)), t.TempDir(), upload)
	nc, js := connected(t, s.Server)
	defer nc.Close()
	bucket, err := makeBucket(t.Context(), js, inputPrefix+s.id, 1)
	if err != nil {
		t.Fatal(err)
	}
	for name, part := range map[string][]byte{
		"": packed(t, testPart), "short": packed(t, testPart/2), "long": packed(t, testPart+1), "bomb": packed(t, 64<<20),
		"not packed": make([]byte, testPart), "cut": packed(t, testPart)[:10], "empty": nil,
	} {
		if _, err := bucket.PutBytes(t.Context(), partName(0, 0), part); err != nil {
			t.Fatal(err)
		}
		u := &uploaded{ctx: t.Context(), objects: bucket, left: testPart, size: testPart}
		text, err := io.ReadAll(u)
		err = errors.Join(err, u.Close())
		if (err == nil) != (name == "") || len(text) > testPart {
			t.Errorf("%s: %d bytes, %v", name, len(text), err)
		}
	}
}

// packed returns so many zeros, packed.
func packed(t *testing.T, n int) []byte {
	t.Helper()
	u := uploads{s2: s2.NewWriter(nil)}
	b, err := u.pack(bytes.NewReader(make([]byte, n)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
