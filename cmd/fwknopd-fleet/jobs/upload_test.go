package jobs

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
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
	most := make(chan int, 1)
	bucket, err := makeBucket(t.Context(), js, s.id, 1)
	if err != nil {
		t.Fatal(err)
	}
	watch, err := bucket.Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	go func() { most <- mostStored(watch) }()
	for range 2 {
		s.workerBelow(t.Context(), t, 2, t.TempDir())
	}
	want.compare(t, s.submit(t.Context()))
	watch.Stop()
	if got := <-most; got < maxUploaded/2 || got > s.bound(t) {
		t.Errorf("up to %d parts are stored, bound %d", got, s.bound(t))
	}
	if len(s.uploads) > 0 {
		t.Errorf("%d parts are not removed", len(s.uploads))
	}
}

// bound returns how many parts may be stored: those of the largest file, or more.
func (s *site) bound(t *testing.T) int {
	t.Helper()
	most := maxUploaded
	for p := range s.segments {
		most = max(most, partsOf(p.Segment, testPart))
	}
	return most
}

// mostStored returns how many parts of segments were in an object store at a time.
func mostStored(watch jetstream.ObjectWatcher) (most int) {
	stored := make(map[string]bool)
	for info := range watch.Updates() {
		switch {
		case info == nil || !strings.HasPrefix(info.Name, inputPrefix):
		case info.Deleted:
			delete(stored, info.Name)
		default:
			stored[info.Name] = true
			most = max(most, len(stored))
		}
	}
	return most
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

// A part that is not what was uploaded is not read: the segment is named.
func TestUploadTampered(t *testing.T) {
	for name, part := range map[string][]byte{
		"short": packed(t, testPart/2), "long": packed(t, testPart+1), "bomb": packed(t, 64<<20), "not packed": make([]byte, testPart), "cut": packed(t, testPart)[:10],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, optionsFor(archive(t, 3000)), t.TempDir(), upload)
			nc, js := connected(t, s.Server)
			defer nc.Close()
			bucket, err := makeBucket(t.Context(), js, s.id, 1)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := bucket.PutBytes(t.Context(), partName(0, 1), part); err != nil { // as if an earlier run had
				t.Fatal(err)
			}
			s.workerBelow(t.Context(), t, 2, t.TempDir())
			if got := s.submit(t.Context()); !strings.Contains(got.failure, "bytes 0 to ") || strings.Contains(got.failure, "panic") {
				t.Errorf("error %q", got.failure)
			}
		})
	}
}

// packed returns so many zeros, packed.
func packed(t *testing.T, n int) []byte {
	t.Helper()
	b, err := new(packer).pack(bytes.NewReader(make([]byte, n)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
