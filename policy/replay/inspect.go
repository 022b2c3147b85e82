package replay

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Content is what a journal, or a cache of 1.9 or 2.6, holds.
type Content struct {
	Size    int64     // in bytes
	Records int       // messages
	Horizon time.Time // messages sent before it are refused; zero: none are
	Skipped int       // lines that are no records
	First   int       // number of the first of them, from 1
	Reason  error     // why it is none
}

// Inspect reads the journal at path as [Open] does, with the same errors but that of a locked one. It
// changes nothing, and takes no lock.
func Inspect(ctx context.Context, path string, opts Options) (c Content, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return c, err
	}
	defer f.Close()
	if c.Size, err = checkFile(f); err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	if most := cmp.Or(opts.MaxSize, defaultMaxSize); c.Size > most {
		return c, fmt.Errorf("%s: %w: %d bytes, at most %d", path, ErrTooLarge, c.Size, most)
	}
	l := newLoader(&set{opts: opts})
	l.visit = func([]byte, *record) error {
		c.Records++
		return nil
	}
	err = l.load(ctx, f)
	c.Horizon, c.Skipped, c.First, c.Reason = l.set.horizon, l.skipped, l.firstSkipped, l.reason
	return c, err
}
