package replay

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// ErrLocked reports that another process has the journal open.
var ErrLocked = errors.New("in use by another process")

// A Journal is a Store in an append-only text file: one line a message, one write a
// line.
//
// After a failed flush the journal refuses every message: the state of the file on
// disk is unknown then.
type Journal struct {
	set
	path   string
	file   *os.File
	size   int64 // of the complete lines in file
	dirty  bool  // written since the last Sync
	line   []byte
	broken error
	passed bool // opened by the parent process, which alone can replace it
}

// Open opens the journal at path, creating it if need be, and locks it. The file may be
// a cache of 1.9 or 2.6, to which is appended; a file md5sums in the same directory is
// read as well. An incomplete last line is cut off.
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

// OpenFile is Open of a file that the parent process has opened for reading and
// appending, after a first Open and Close. It locks the file and reads it, but never
// compacts it, since it cannot replace it; see [Journal.Due]. old, if not nil, is the
// file md5sums.
//
// OpenFile takes ownership of file.
func OpenFile(file *os.File, old io.Reader, opts Options) (*Journal, error) {
	j := &Journal{set: set{opts: opts}, path: file.Name(), file: file, passed: true}
	err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = fmt.Errorf("%s: %w", file.Name(), ErrLocked)
	}
	if err == nil {
		err = j.readPassed(old)
	}
	if err != nil {
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

// lock locks file and reports whether path still names it.
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

// read fills the set from the file and from md5sums, repairs the tail, and drops old
// records.
func (j *Journal) read() error {
	l := newLoader(&j.set)
	if err := l.load(j.file); err != nil {
		return err
	}
	l.notice(j.path)
	j.size = l.offset
	if err := j.repairTail(l); err != nil {
		return err
	}
	if j.size == 0 {
		if err := j.writeHeader(); err != nil {
			return err
		}
	}
	if err := j.readOld(filepath.Join(filepath.Dir(j.path), "md5sums")); err != nil {
		return err
	}
	if cutoff := j.opts.cutoff(j.opts.Now); j.table.older(cutoff.Unix()) {
		return j.compact(cutoff)
	}
	j.kept = j.table.len()
	return nil
}

func (j *Journal) readPassed(old io.Reader) error {
	l := newLoader(&j.set)
	if err := l.load(j.file); err != nil {
		return err
	}
	j.size = l.offset
	if err := j.repairTail(l); err != nil {
		return err
	}
	if old != nil {
		if err := newLoader(&j.set).load(old); err != nil {
			return err
		}
	}
	j.kept = j.table.len()
	return nil
}

// repairTail repairs what follows the last newline: a record without its newline gets
// one, an incomplete line is cut off. Nothing was granted on an incomplete line, since
// it was not synced.
func (j *Journal) repairTail(l *loader) error {
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

// writeHeader writes the header of a new journal and syncs its directory entry.
func (j *Journal) writeHeader() error {
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

// Add implements [Store]. A message that could not be written is kept in memory, so
// that it is not fresh later.
func (j *Journal) Add(p *Packet) (First, bool, error) {
	if j.broken != nil {
		return First{}, false, j.broken
	}
	sum := sha256.Sum256(p.Plaintext)
	key := idOf(sum[:])
	first, seen, err := j.seen(key, p)
	if seen || err != nil {
		return first, false, err
	}
	j.table.insert(newRecord(key, p))
	j.line = appendLine(j.line[:0], sum, p)
	if err := j.append(j.line); err != nil {
		return First{}, false, err
	}
	if !j.passed && j.dropDue() {
		j.tryCompact(p)
	}
	return First{}, true, nil
}

// append writes one line in one call. A partial write is truncated.
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

// tryCompact drops the records past the age limit. A failure is only reported: the
// journal grows on.
func (j *Journal) tryCompact(p *Packet) {
	cutoff := j.opts.cutoff(p.Time)
	j.kept = j.table.len()
	if !j.table.older(cutoff.Unix()) {
		return
	}
	if err := j.compact(cutoff); err != nil {
		j.notice(fmt.Sprintf("%s: could not be compacted: %v", j.path, err))
	}
}

// compact rewrites the journal without the records older than cutoff and copies the
// other lines verbatim. The new file replaces the old one once it is complete, synced
// and locked.
func (j *Journal) compact(cutoff time.Time) error {
	tmp := j.path + ".new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	file, err := os.OpenFile(tmp, os.O_RDWR|os.O_APPEND|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	size, err := j.copyTo(file, cutoff)
	if err == nil {
		err = file.Sync()
	}
	if err == nil {
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err == nil {
		err = os.Rename(tmp, j.path)
	}
	if err != nil {
		return errors.Join(err, file.Close(), os.Remove(tmp))
	}
	old := j.file
	j.file, j.size, j.dirty = file, size, false
	j.dropBefore(cutoff)
	return errors.Join(syncDir(j.path), old.Close())
}

// copyTo writes the compacted journal to file and returns its size.
func (j *Journal) copyTo(file *os.File, cutoff time.Time) (int64, error) {
	if cutoff.Before(j.horizon) {
		cutoff = j.horizon
	}
	out := bufio.NewWriterSize(file, 64<<10)
	head := appendHorizon([]byte(header), cutoff)
	size := int64(len(head))
	if _, err := out.Write(head); err != nil {
		return 0, err
	}
	l := newLoader(&set{opts: j.opts})
	l.visit = func(line []byte, r *record) error {
		if r.keep < cutoff.Unix() {
			return nil
		}
		size += int64(len(line)) + 1
		if _, err := out.Write(line); err != nil {
			return err
		}
		return out.WriteByte('\n')
	}
	if err := l.load(io.NewSectionReader(j.file, 0, j.size)); err != nil {
		return 0, err
	}
	return size, out.Flush()
}

// Due reports whether many records may be past the age limit. Close and another Open
// drop them.
func (j *Journal) Due() bool { return j.dropDue() }

// Close syncs and closes the journal.
func (j *Journal) Close() error {
	return errors.Join(j.Sync(), j.file.Close())
}

// Sync implements [Store]: one flush for all records added since the last one.
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

// syncDir syncs the directory of path.
func syncDir(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
