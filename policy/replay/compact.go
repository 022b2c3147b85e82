package replay

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// older reports that drop(cutoff) would remove something.
func (t *table) older(cutoff time.Time) bool {
	if cutoff.IsZero() {
		return false
	}
	for i := range t.n {
		if r := t.unpack(t.at(i)); r.keep < cutoff.Unix() {
			return true
		}
	}
	return false
}

// compact rewrites the journal without the records older than cutoff. The other
// lines are copied as they stand. The old file counts until the new one is whole,
// durable and locked.
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

// copyTo writes the journal as it will be and returns its length.
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
	l.keep = func(line []byte, r *record) error {
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

// syncDir makes a change of names in the folder of path durable.
func syncDir(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
