package replay

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// A state is what is known of the journal apart from it. It distinguishes a journal that is
// missing, shorter than it was, or an older copy, from one that is complete.
type state struct {
	Path   string `json:"path"` // "": in memory
	mark          // of the journal when it was last written to
	Next   *mark  `json:"next,omitempty"` // of the file that is about to replace it
	Newest int64  `json:"newest"`         // see [set.newest]
	Open   bool   `json:"open"`           // it was written to and not closed
	Boot   string `json:"boot"`           // identifies the boot of the machine; "": unknown
}

// A mark identifies the content of a file up to a size.
type mark struct {
	Size int64  `json:"size"`
	Sum  string `json:"sum"` // SHA-256 of the bytes before Size
}

// bootIDOnce returns bootID.
var bootIDOnce = sync.OnceValue(bootID)

// A stateFile keeps a state. Only what no crash of the daemon loses is needed after one,
// so that writes are not flushed but when the journal is opened and closed.
type stateFile struct {
	state
	file    *os.File
	length  int        // of the text in file
	failed  bool       // the last write failed
	flushed chan error // the result of the flush of begin; nil: it has ended
}

// maxState bounds the text of a state: a path of 4096 bytes may be escaped.
const maxState = 64 << 10

// openState opens or creates the state file at path. known is nil if there was none, and
// damaged reports that it cannot be read.
func openState(path string) (s *stateFile, known *state, damaged bool, err error) {
	s = new(stateFile)
	s.file, err = os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	created := errors.Is(err, os.ErrNotExist)
	if created {
		s.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	}
	if err != nil {
		return nil, nil, false, err
	}
	if _, err := checkFile(s.file); err != nil {
		return nil, nil, false, errors.Join(fmt.Errorf("%s: %w", path, err), s.file.Close())
	}
	if created {
		return s, nil, false, nil
	}
	text, err := io.ReadAll(io.LimitReader(s.file, maxState))
	if err != nil {
		return nil, nil, false, errors.Join(err, s.file.Close())
	}
	s.length = len(text)
	known = new(state)
	if json.Unmarshal(text, known) != nil {
		return s, nil, true, nil
	}
	return s, known, false, nil
}

// save writes the state, over the old one.
func (s *stateFile) save() error {
	text, err := json.Marshal(&s.state)
	if err != nil {
		return err
	}
	if short := s.length - len(text); short > 0 {
		text = append(text, bytes.Repeat([]byte(" "), short)...)
	}
	n, err := s.file.WriteAt(text, 0)
	s.length = max(s.length, n)
	return err
}

// lost returns why the journal f at path cannot have all messages that it had when the state
// was saved, "" if it can.
func (s *state) lost(f file, path string, size int64) string {
	switch {
	case s.Path == "":
		return "digests were kept in memory before"
	case s.Path != path:
		return fmt.Sprintf("digests were kept in %s before", s.Path)
	case size == 0:
		return "it is missing or empty"
	case s.crashed() && s.Boot == "":
		return "it was in use, and the system does not tell whether the machine stopped"
	case s.crashed():
		return "the machine stopped while it was in use"
	}
	return s.incomplete(f, size)
}

// incomplete returns why f does not begin with what is marked, "" if it does.
func (s *state) incomplete(f io.ReaderAt, size int64) string {
	switch {
	case s.mark.of(f, size), s.Next != nil && s.Next.of(f, size):
		return ""
	case size < s.Size:
		return fmt.Sprintf("it is cut from %d to %d bytes", s.Size, size)
	}
	return "it is another file than the one that was written"
}

// Incomplete returns why the copy of a journal cannot have all messages that the journal had when
// the state of which there is a copy was saved, "" if it can. It changes nothing. Where the
// journal was, and how the machine stopped, does not count.
func Incomplete(statePath, path string) (why string, err error) {
	known, err := readState(statePath)
	if err != nil {
		return "", err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	size, err := checkFile(f)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s: %w", path, err)
	case known.Path == "" || filepath.Base(known.Path) != filepath.Base(path):
		return known.lost(diskFile{f}, path, size), nil
	}
	return known.incomplete(f, size), nil
}

// readState reads a state file.
func readState(path string) (*state, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if _, err := checkFile(f); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	known := new(state)
	if err := json.NewDecoder(io.LimitReader(f, maxState)).Decode(known); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return known, nil
}

// crashed reports whether the machine stopped while the journal was in use, or may have:
// where boots cannot be distinguished, any end but an orderly one counts.
func (s *state) crashed() bool { return s.Open && (s.Boot == "" || s.Boot != bootIDOnce()) }

// of reports whether f, of the given size, begins with what is marked.
func (m mark) of(f io.ReaderAt, size int64) bool {
	if m.Size < 0 || m.Size > size {
		return false
	}
	now, err := markOf(f, m.Size)
	return err == nil && now == m
}

// markOf reads the first size bytes of f.
func markOf(f io.ReaderAt, size int64) (mark, error) {
	return new(sum).extend(f, size)
}

// A sum is the mark of a file that grows: what was read once is not read again.
type sum struct {
	hash hash.Hash // nil: of nothing
	size int64     // bytes in hash
}

// extend reads up to size.
func (s *sum) extend(f io.ReaderAt, size int64) (mark, error) {
	if s.hash == nil || s.size > size {
		*s = sum{hash: sha256.New()}
	}
	n, err := io.Copy(s.hash, io.NewSectionReader(f, s.size, size-s.size))
	s.size += n
	if err == nil && s.size < size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		*s = sum{}
		return mark{}, err
	}
	return mark{size, hex.EncodeToString(s.hash.Sum(nil))}, nil
}
