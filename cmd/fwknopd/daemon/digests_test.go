package daemon

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fwknopd/enforce/monitor"
	"fwknopd/policy/replay"
)

// A digestSite is the owner of a journal whose configuration the test changes.
type digestSite struct {
	*digests
	path    string
	options replay.Options
	said    []string
}

func newDigestSite(t *testing.T) *digestSite {
	s := new(digestSite)
	s.digests = &digests{ctx: t.Context(), budget: newDigestBudget(), warn: func(text string) { s.said = append(s.said, text) },
		current: func() (string, replay.Options) { return s.path, s.options }}
	t.Cleanup(s.close)
	return s
}

// worker returns the store of the next worker.
func (s *digestSite) worker(t *testing.T) *replay.Replica {
	t.Helper()
	f, err := s.open()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := replay.NewReplica(s.options, func(list []replay.Record) func() error {
		var digests []monitor.Digest
		for _, rec := range list {
			digests = append(digests, monitor.Digest(rec))
		}
		return func() error { return s.record(digests) }
	})
	if err := r.Load(f); err != nil {
		t.Fatal(err)
	}
	return r
}

// fresh adds message n and reports whether it was new and is on disk.
func fresh(t *testing.T, store *replay.Replica, n int) bool {
	t.Helper()
	now := time.Now()
	_, is, err := store.Add(&replay.Packet{Plaintext: fmt.Appendf(nil, "message %d", n), Time: now, Sent: now})
	if err := errors.Join(err, store.Sync()); err != nil {
		t.Fatal(err)
	}
	return is
}

// Changes of DIGEST_FILE and ENABLE_DIGEST_PERSISTENCE on a reload do not make old
// messages fresh, for the worker that was there and for later ones.
func TestDigestFileChanges(t *testing.T) {
	dir := t.TempDir()
	s := newDigestSite(t)
	known := 0
	for _, path := range []string{filepath.Join(dir, "a", "digests"), "", filepath.Join(dir, "b", "digests"), filepath.Join(dir, "a", "digests")} {
		s.path = path
		for life := range 2 {
			store := s.worker(t)
			for n := range known {
				if fresh(t, store, n) {
					t.Errorf("%q, life %d: message %d is fresh", path, life, n)
				}
			}
			if !fresh(t, store, known) {
				t.Errorf("%q, life %d: a new message is not fresh", path, life)
			}
			known++
		}
	}
	if len(s.said) > 0 {
		t.Errorf("said %q", s.said)
	}
}

// Digests that a worker sends between a reload and its next load are kept.
func TestDigestsBeforeTheWorkerReloads(t *testing.T) {
	dir := t.TempDir()
	s := newDigestSite(t)
	s.path = filepath.Join(dir, "a")
	old := s.worker(t)
	s.path = filepath.Join(dir, "b")
	if !fresh(t, old, 1) {
		t.Fatal("not fresh")
	}
	store := s.worker(t)
	if !fresh(t, old, 2) { // its load failed, it keeps the old store
		t.Fatal("not fresh")
	}
	if fresh(t, store, 1) || fresh(t, s.worker(t), 2) {
		t.Error("fresh again")
	}
}

// Digests of a worker that has not asked for the journal are refused.
func TestDigestsWithoutJournal(t *testing.T) {
	s := newDigestSite(t)
	if err := s.record([]monitor.Digest{{Key: sha256.Sum256(nil)}}); !errors.Is(err, errNoJournal) {
		t.Errorf("record = %v", err)
	}
}

// A worker that asks again and again and reads nothing keeps one pipe open, not many.
func TestPipesOfTheJournal(t *testing.T) {
	s := newDigestSite(t)
	s.path = filepath.Join(t.TempDir(), "digests")
	if err := os.WriteFile(s.path, bytes.Repeat([]byte("# no digest\n"), 1<<15), 0o600); err != nil { // more than a pipe holds
		t.Fatal(err)
	}
	first, err := s.open()
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	s.worker(t)
	if err := replay.NewReplica(s.options, nil).Load(first); err == nil {
		t.Error("the first pipe was filled to its end")
	}
}

// The reading of a long journal ends when the daemon does.
func TestJournalLoadIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := newDigestSite(t)
	s.ctx, s.path = ctx, filepath.Join(t.TempDir(), "digests")
	if err := os.WriteFile(s.path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := s.open(); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A disk that takes nothing is named once, and again when it has recovered in between.
func TestDigestsCannotBeRecorded(t *testing.T) {
	s := newDigestSite(t)
	s.path, s.options = filepath.Join(t.TempDir(), "digests"), replay.Options{MaxSize: 300}
	s.worker(t)
	one := []monitor.Digest{{Key: sha256.Sum256([]byte("1"))}}
	for range 4 {
		if err := s.record(one); err != nil && !errors.Is(err, replay.ErrTooLarge) {
			t.Fatal(err)
		}
	}
	if err := s.record(one); err == nil || len(s.said) != 1 {
		t.Errorf("%v, said %q", err, s.said)
	}
}
