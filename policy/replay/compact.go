package replay

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// tryCompact drops the records past the age limit if there are any. A failure is only
// reported: the journal grows on.
func (j *Journal) tryCompact(now time.Time) {
	cutoff := j.opts.cutoff(now)
	if j.oldest >= cutoff.Unix() {
		j.floor = j.size
		return
	}
	if err := j.compact(context.Background(), cutoff); err != nil {
		j.floor = j.size
		j.notice("%s: could not be compacted: %v", j.path, err)
	}
}

// compact rewrites the journal without the records older than cutoff and copies the
// other lines verbatim. The new file replaces the old one once it is complete, synced
// and locked.
func (j *Journal) compact(ctx context.Context, cutoff time.Time) error {
	return j.rewrite(ctx, cutoff, func(*copier) error { return nil })
}

// rewrite is compact with what more adds.
func (j *Journal) rewrite(ctx context.Context, cutoff time.Time, more func(*copier) error) error {
	if j.path == "" {
		next, err := memoryFile()
		if err != nil {
			return err
		}
		return j.replace(ctx, next, cutoff, more, func() error { return nil })
	}
	tmp := j.path + ".new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(tmp, os.O_RDWR|os.O_APPEND|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	err = j.replace(ctx, diskFile{f}, cutoff, more, func() error {
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			return err
		}
		return os.Rename(tmp, j.path)
	})
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return j.syncDir()
}

// replace fills next and makes it the file of the journal, after put has put it in
// place. On an error next is closed and nothing has changed.
func (j *Journal) replace(ctx context.Context, next file, cutoff time.Time, more func(*copier) error, put func() error) error {
	c := copier{horizon: j.horizon, begun: j.begun, cutoff: cutoff, opts: j.opts, oldest: forever, newest: j.newest, out: bufio.NewWriterSize(next, 64<<10)}
	if cutoff.After(c.horizon) {
		c.horizon = cutoff
	}
	err := c.writeHeader()
	if err == nil {
		err = c.copy(ctx, j.section(), nil)
	}
	if err == nil {
		err = more(&c)
	}
	if err == nil {
		err = c.out.Flush()
	}
	if err == nil {
		err = next.Datasync()
	}
	if err == nil {
		err = j.announce(next, c.size)
	}
	if err == nil {
		err = put()
	}
	if err != nil {
		return errors.Join(err, next.Close())
	}
	old := j.file
	j.sum = sum{}
	j.file, j.size, j.floor, j.horizon, j.oldest, j.newest, j.broken = next, c.size, c.size, c.horizon, c.oldest, c.newest, nil
	j.saveState()
	return old.Close()
}

// section is the content of the file.
func (j *Journal) section() io.Reader { return io.NewSectionReader(j.file, 0, j.size) }

// A copier writes a journal of the records that are left.
type copier struct {
	horizon time.Time
	begun   time.Time // see [set.begun]
	cutoff  time.Time
	opts    Options
	out     *bufio.Writer
	size    int64 // written
	oldest  int64 // least keep value written
	newest  int64 // see [set.newest]
}

func (c *copier) writeHeader() error {
	head := []byte(header)
	if !c.horizon.IsZero() {
		head = appendMark(head, horizonMark, c.horizon)
	}
	if !c.begun.IsZero() {
		head = appendMark(head, begunMark, c.begun)
	}
	if c.newest != 0 {
		head = appendMark(head, newestMark, time.Unix(c.newest, 0))
	}
	return c.write(head)
}

// copy copies the lines of from but for records that are too old or in skip.
func (c *copier) copy(ctx context.Context, from io.Reader, skip map[id]bool) error {
	l := newLoader(&set{opts: c.opts})
	l.visit = func(line []byte, r *record) error {
		if r.keep < c.cutoff.Unix() || skip[r.id] {
			return nil
		}
		c.oldest, c.newest = min(c.oldest, r.keep), max(c.newest, r.accepted(c.opts.MaxAge))
		return errors.Join(c.write(line), c.write([]byte("\n")))
	}
	return l.load(ctx, from)
}

func (c *copier) write(text []byte) error {
	if c.size += int64(len(text)); c.size > c.opts.MaxSize {
		return ErrTooLarge
	}
	_, err := c.out.Write(text)
	return err
}
