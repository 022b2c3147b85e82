package replay

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ErrLocked reports that another process has the journal open.
var ErrLocked = errors.New("in use by another process")

// A Journal is a Store in a text file that only grows: one line a message, one
// write a line. It can be read with any pager while it is in use.
//
// Once the disk refused to make a record durable, the journal refuses everything:
// what the kernel then holds of the file is unknown.
type Journal struct {
	set
	path   string
	file   *os.File
	size   int64 // of the whole lines in file
	dirty  bool  // written since the last Sync
	line   []byte
	broken error
	handed bool // opened by somebody else, who alone may replace it
}

// Open opens the journal at path, or makes it, for this process alone. It may be
// a cache that a daemon of 1.9 or 2.6 left behind, which is continued; a file
// md5sums beside it is read as well. A damaged tail is cut off.
func Open(path string, opts Options) (*Journal, error) {
	file, err := openLocked(path)
	if err != nil {
		return nil, err
	}
	j := &Journal{set: set{opts: opts}, path: path, file: file}
	if err := j.read(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return j, nil
}

// openLocked opens the file at path and locks it. A compaction of another process
// may replace the file between the two; then the new one is tried.
func openLocked(path string) (*os.File, error) {
	for {
		file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, err
		}
		same, err := lock(file, path)
		if err == nil && same {
			return file, nil
		}
		if closed := file.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return nil, err
		}
	}
}

// lock takes the lock and reports whether path still names file.
func lock(file *os.File, path string) (bool, error) {
	err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, fmt.Errorf("%s: %w", path, ErrLocked)
	}
	if err != nil {
		return false, &fs.PathError{Op: "flock", Path: path, Err: err}
	}
	opened, err := file.Stat()
	if err != nil {
		return false, err
	}
	if !opened.Mode().IsRegular() {
		return false, fmt.Errorf("%s: not a regular file", path)
	}
	named, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(opened, named), err
}

// read fills the set from the file and its old companion, mends the tail, and
// drops what is too old.
func (j *Journal) read() error {
	l := newLoader(&j.set)
	if err := l.load(j.file); err != nil {
		return err
	}
	l.notice(j.path)
	j.size = l.offset
	if err := j.mend(l); err != nil {
		return err
	}
	if j.size == 0 {
		if err := j.start(); err != nil {
			return err
		}
	}
	if err := j.readOld(filepath.Join(filepath.Dir(j.path), "md5sums")); err != nil {
		return err
	}
	if cutoff := j.opts.cutoff(j.opts.Now); j.table.older(cutoff) {
		return j.compact(cutoff)
	}
	j.floor = j.table.n
	return nil
}

// mend deals with what stands behind the last newline: the newline alone is
// missing, or the line was never finished, so that nobody relied on it.
func (j *Journal) mend(l *loader) error {
	switch {
	case l.tail == 0:
		return nil
	case l.whole:
		j.notice(fmt.Sprintf("%s: added the missing newline of the last line", j.path))
		_, err := j.file.WriteString("\n")
		j.size += l.tail + 1
		return errors.Join(err, j.fdatasync())
	}
	j.notice(fmt.Sprintf("%s: cut off a damaged tail of %d bytes at offset %d", j.path, l.tail, l.offset))
	return errors.Join(j.file.Truncate(l.offset), j.fdatasync())
}

// start writes the header of a new journal and makes its name durable.
func (j *Journal) start() error {
	n, err := j.file.WriteString(header)
	if err != nil {
		return err
	}
	j.size = int64(n)
	return errors.Join(j.fdatasync(), syncDir(j.path))
}

func (j *Journal) readOld(path string) error {
	old, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer old.Close()
	l := newLoader(&j.set)
	if err := l.load(old); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	l.notice(path)
	return nil
}

// Add implements [Store]. Of a message that could not be written it remembers
// that it came, so that it is not fresh later.
func (j *Journal) Add(p *Packet) (First, bool, error) {
	if j.broken != nil {
		return First{}, false, j.broken
	}
	sum := KeyOf(p.Plaintext)
	first, seen, err := j.seen(idOf(sum), p)
	if seen || err != nil {
		return first, false, err
	}
	j.table.insert(recordOf(idOf(sum), p))
	j.line = appendLine(j.line[:0], sum, p)
	if err := j.append(j.line); err != nil {
		return First{}, false, err
	}
	if !j.handed && j.due() {
		j.tryCompact(p)
	}
	return First{}, true, nil
}

// append writes one line in one call. Half a line is taken back.
func (j *Journal) append(line []byte) error {
	n, err := j.file.Write(line)
	if err == nil {
		j.size += int64(n)
		j.dirty = true
		return nil
	}
	if n > 0 {
		if undo := j.file.Truncate(j.size); undo != nil {
			j.broken = fmt.Errorf("half a line could not be taken back: %w", undo)
		}
	}
	return err
}

// Sync implements [Store]: one flush for all that was added since the last.
func (j *Journal) Sync() error {
	if j.broken != nil || !j.dirty {
		return j.broken
	}
	if err := j.fdatasync(); err != nil {
		j.broken = err
		return err
	}
	j.dirty = false
	return nil
}

func (j *Journal) fdatasync() error {
	for {
		err := fdatasync(int(j.file.Fd()))
		if err == nil {
			return nil
		}
		if err != unix.EINTR {
			return &fs.PathError{Op: "fdatasync", Path: j.path, Err: err}
		}
	}
}

// Close makes everything durable and lets go of the file.
func (j *Journal) Close() error {
	return errors.Join(j.Sync(), j.file.Close())
}

// tryCompact drops what is past the age limit. That it fails is no reason to
// refuse anybody: the journal goes on growing, and says so.
func (j *Journal) tryCompact(p *Packet) {
	cutoff := j.opts.cutoff(p.Time)
	j.floor = j.table.n
	if !j.table.older(cutoff) {
		return
	}
	if err := j.compact(cutoff); err != nil {
		j.notice(fmt.Sprintf("%s: could not be compacted: %v", j.path, err))
	}
}
