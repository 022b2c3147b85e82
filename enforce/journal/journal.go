// Package journal keeps on disk the grants that a firewall cannot describe by itself: what
// has to be closed, and when. It is an append-only file of JSON lines.
//
// Entry points: [Open] for a file of one process, [Share] for one of several.
package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"fwknopd/enforce"
)

// A Record is one line of a journal, in JSON: a grant whose close is pending, or
// the key of one that has been closed.
type Record struct {
	Open   *enforce.Grant `json:"open,omitempty"`
	Closed string         `json:"closed,omitempty"`
}

// A Journal is a file that is synced after each call of Add. It is compacted when most of
// it is obsolete. A nil Journal stores nothing. Its methods must not be called at the same
// time.
type Journal struct {
	path  string
	rules Rules
	f     *os.File
	lines int
	torn  bool // the last write failed, maybe half way
}

// Rules are what a journal is for.
type Rules struct {
	// Holds reports whether a grant belongs into such a journal.
	Holds func(enforce.Grant) bool
	// Lasts reports whether a grant that is open is worth a line.
	Lasts func(enforce.Grant) bool
	// Lost is what an unreadable line may mean, for the notes.
	Lost string
}

// compactLines is by how many lines a journal may exceed twice the number pending.
const compactLines = 1000

// ErrForeign refuses a journal that another user may write: it holds what this process is
// to do with its privileges.
var ErrForeign = errors.New("the journal belongs to another account, or others may write to it")

// Open locks and reads the file, and creates it if necessary. pending are the grants that
// are open, by their keys. A last line that was cut off by a crash was never acted upon and
// is ignored; other unreadable lines are returned as notes.
func Open(path string, rules Rules) (j *Journal, pending map[string]enforce.Grant, notes []string, err error) {
	f, err := openLocked(path)
	if err != nil {
		return nil, nil, nil, err
	}
	j = &Journal{path: path, rules: rules, f: f}
	if pending, notes, err = j.read(); err == nil {
		err = j.compact(pending)
	}
	if err != nil {
		j.Close()
		return nil, nil, nil, err
	}
	return j, pending, notes, nil
}

// read reads the whole file.
func (j *Journal) read() (pending map[string]enforce.Grant, notes []string, err error) {
	text, err := io.ReadAll(j.f)
	if err != nil {
		return nil, nil, err
	}
	pending, notes = j.replay(text)
	j.lines = bytes.Count(text, []byte("\n"))
	j.torn = len(text) > 0 && text[len(text)-1] != '\n'
	return pending, notes, nil
}

func openLocked(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	err = unix.Fstat(int(f.Fd()), &st)
	if err == nil && (st.Mode&unix.S_IFMT != unix.S_IFREG || int(st.Uid) != os.Geteuid() || st.Mode&0o022 != 0) {
		err = ErrForeign
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

func (j *Journal) replay(text []byte) (pending map[string]enforce.Grant, notes []string) {
	pending = make(map[string]enforce.Grant)
	for n := 1; len(text) > 0; n++ {
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		text = rest
		var r Record
		err := json.Unmarshal(line, &r)
		switch {
		case !whole, len(line) == 0:
		case err == nil && r.Open != nil && j.rules.Holds(*r.Open):
			pending[r.Open.Key()] = *r.Open
		case err == nil && r.Closed != "":
			delete(pending, r.Closed)
		default:
			notes = append(notes, fmt.Sprintf("%s:%d: unreadable; %s", j.path, n, j.rules.Lost))
		}
	}
	return pending, notes
}

// Add appends records. When it returns, they survive a crash. pending are the grants that
// are open without them.
func (j *Journal) Add(pending map[string]enforce.Grant, records ...Record) error {
	if j == nil || len(records) == 0 {
		return nil
	}
	text, err := encode(records)
	if err != nil {
		return err
	}
	if j.torn {
		text = append([]byte("\n"), text...)
	}
	if _, err := j.f.Write(text); err != nil {
		j.torn = true
		return err
	}
	j.torn = false
	if err := j.f.Sync(); err != nil {
		return err
	}
	j.lines += len(records)
	if j.lines <= 2*len(pending)+compactLines {
		return nil
	}
	return j.compact(after(pending, records))
}

func encode(records []Record) (text []byte, err error) {
	for _, r := range records {
		line, err := json.Marshal(r)
		if err != nil {
			return nil, err
		}
		text = append(append(text, line...), '\n')
	}
	return text, nil
}

// after returns what is open after the records.
func after(pending map[string]enforce.Grant, records []Record) map[string]enforce.Grant {
	next := maps.Clone(pending)
	if next == nil {
		next = make(map[string]enforce.Grant)
	}
	enter(next, records)
	return next
}

// enter makes of pending what is open after the records.
func enter(pending map[string]enforce.Grant, records []Record) {
	for _, r := range records {
		if r.Open != nil {
			pending[r.Open.Key()] = *r.Open
		} else {
			delete(pending, r.Closed)
		}
	}
}

// compact writes what is pending to a new file that takes the place of the old.
func (j *Journal) compact(pending map[string]enforce.Grant) error {
	var records []Record
	for _, g := range pending {
		if j.rules.Lasts(g) {
			records = append(records, Record{Open: &g})
		}
	}
	text, err := encode(records)
	if err != nil {
		return err
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
	j.f, j.lines, j.torn = f, len(records), false
	return SyncDir(filepath.Dir(j.path))
}

// SyncDir returns when the names in a directory are on disk.
func SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Close closes the file and with it gives up the lock; what is pending stays in it.
func (j *Journal) Close() error {
	if j == nil {
		return nil
	}
	return j.f.Close()
}
