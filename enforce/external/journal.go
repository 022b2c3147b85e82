package external

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"fwknopd/enforce"
)

// A record is one line of the journal, in JSON: a grant whose close is pending, or
// the key of one that has been closed.
type record struct {
	Open   *enforce.Grant `json:"open,omitempty"`
	Closed string         `json:"closed,omitempty"`
}

// A journal is an append-only file that is synced after each record. It is compacted when
// most of it is obsolete. A nil journal stores nothing.
type journal struct {
	path  string
	f     *os.File
	lines int
	torn  bool // the last write failed, maybe half way
}

// compactLines is by how many lines a journal may exceed twice the number pending.
const compactLines = 1000

// ErrJournal refuses a journal that another user may write: it holds commands that are
// run with the privileges of this process.
var ErrJournal = errors.New("the journal belongs to another account, or others may write to it")

// openJournal locks and reads the file, and creates it if necessary. A last line that was
// cut off by a crash was never acted upon and is ignored; other unreadable lines are
// returned as notes.
func openJournal(path string) (*journal, map[string]enforce.Grant, []string, error) {
	f, err := openLocked(path)
	if err != nil {
		return nil, nil, nil, err
	}
	text, err := io.ReadAll(f)
	if err != nil {
		f.Close()
		return nil, nil, nil, err
	}
	pending, notes := replay(path, text)
	j := &journal{path: path, f: f}
	if err := j.compact(pending); err != nil {
		j.close()
		return nil, nil, nil, err
	}
	return j, pending, notes, nil
}

func openLocked(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	err = unix.Fstat(int(f.Fd()), &st)
	if err == nil && (st.Mode&unix.S_IFMT != unix.S_IFREG || int(st.Uid) != os.Geteuid() || st.Mode&0o022 != 0) {
		err = ErrJournal
	}
	if err == nil {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

func replay(path string, text []byte) (pending map[string]enforce.Grant, notes []string) {
	pending = make(map[string]enforce.Grant)
	for n := 1; len(text) > 0; n++ {
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		text = rest
		var r record
		err := json.Unmarshal(line, &r)
		switch {
		case !whole, len(line) == 0:
		case err == nil && r.Open != nil && r.Open.External != nil:
			pending[r.Open.Key()] = *r.Open
		case err == nil && r.Closed != "":
			delete(pending, r.Closed)
		default:
			notes = append(notes, fmt.Sprintf("%s:%d: unreadable; a command to close something may be lost", path, n))
		}
	}
	return pending, notes
}

// add appends a record. When it returns, the record survives a crash.
func (j *journal) add(r record, pending map[string]enforce.Grant) error {
	if j == nil {
		return nil
	}
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	if j.torn {
		line = append([]byte("\n"), line...)
	}
	if _, err := j.f.Write(line); err != nil {
		j.torn = true
		return err
	}
	j.torn = false
	if err := j.f.Sync(); err != nil {
		return err
	}
	j.lines++
	if j.lines <= 2*len(pending)+compactLines {
		return nil
	}
	if r.Open != nil { // not among the pending yet
		pending = withGrant(pending, *r.Open)
	}
	return j.compact(pending)
}

func withGrant(pending map[string]enforce.Grant, g enforce.Grant) map[string]enforce.Grant {
	more := map[string]enforce.Grant{g.Key(): g}
	for key, old := range pending {
		if key != g.Key() {
			more[key] = old
		}
	}
	return more
}

// compact writes what is pending to a new file that takes the place of the old.
func (j *journal) compact(pending map[string]enforce.Grant) error {
	var text []byte
	lines := 0
	for _, g := range pending {
		if len(g.External.Close) == 0 {
			continue
		}
		line, err := json.Marshal(record{Open: &g})
		if err != nil {
			return err
		}
		text = append(append(text, line...), '\n')
		lines++
	}
	next := j.path + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := openLocked(next)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync()); err == nil {
		err = os.Rename(next, j.path)
	}
	if err != nil {
		f.Close()
		return err
	}
	j.f.Close()
	j.f, j.lines = f, lines
	return syncDir(filepath.Dir(j.path))
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (j *journal) close() error {
	if j == nil {
		return nil
	}
	return j.f.Close()
}
