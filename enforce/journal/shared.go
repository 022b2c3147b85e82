package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"fwknopd/enforce"
)

// A Shared is a journal of several processes, each of which has it from Lock to Unlock.
// Its methods must not be called at the same time.
type Shared struct {
	path  string
	rules Rules
	j     *Journal // from Lock to Unlock
	open  map[string]enforce.Grant

	last  os.FileInfo // as we left the file
	lines int
	stale bool // open may lack what is in the file
}

// lockPause is between two attempts to get the lock.
const lockPause = 2 * time.Millisecond

// Share returns the journal at path. It does no I/O.
func Share(path string, rules Rules) *Shared { return &Shared{path: path, rules: rules} }

// Lock waits until no other process has the journal, and returns what is open by its keys.
// The caller must not change the map. Unreadable lines are left out.
func (s *Shared) Lock(ctx context.Context) (map[string]enforce.Grant, error) {
	f, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	s.j = &Journal{path: s.path, rules: s.rules, f: f, lines: s.lines}
	if !s.untouched() {
		err = s.load()
	}
	if err != nil {
		s.Unlock()
		return nil, err
	}
	return s.open, nil
}

// load reads what is open.
func (s *Shared) load() (err error) {
	s.open, _, err = s.j.read()
	s.stale = err != nil
	return err
}

// lock opens and locks the file that is at the path when the lock is granted: a compaction
// of another process replaces it.
func (s *Shared) lock(ctx context.Context) (*os.File, error) {
	for {
		f, err := openLocked(s.path)
		switch {
		case err == nil && s.isCurrent(f):
			return f, nil
		case err == nil:
			f.Close()
		case !errors.Is(err, unix.EWOULDBLOCK):
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%s: another process has it: %w", s.path, ctx.Err())
		case <-time.After(lockPause):
		}
	}
}

func (s *Shared) isCurrent(f *os.File) bool {
	have, err := f.Stat()
	if err != nil {
		return false
	}
	now, err := os.Stat(s.path)
	return err == nil && os.SameFile(have, now)
}

// untouched reports whether the file is as we left it.
func (s *Shared) untouched() bool {
	now, err := s.j.f.Stat()
	return err == nil && s.last != nil && os.SameFile(now, s.last) && now.Size() == s.last.Size() && now.ModTime().Equal(s.last.ModTime())
}

// Add appends records and enters them into the map that Lock returned, so that one record costs the
// same beside many grants as beside few. The journal must be locked.
func (s *Shared) Add(records ...Record) error {
	if err := s.j.Add(s.open, records...); err != nil {
		s.stale = true
		return err
	}
	enter(s.open, records)
	return nil
}

// Grants returns what is open by its keys: the map that Lock returned, which Add changes.
func (s *Shared) Grants() map[string]enforce.Grant { return s.open }

// Unlock leaves the journal to other processes.
func (s *Shared) Unlock() {
	if s.last, s.lines = nil, s.j.lines; !s.j.torn && !s.stale {
		s.last, _ = s.j.f.Stat()
	}
	s.j.Close()
	s.j = nil
}
