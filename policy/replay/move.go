package replay

import (
	"context"
	"errors"
	"io"
)

// Move opens the journal at path, adds the records of j that it lacks, and closes j:
// messages stay known when the file is another one. On an error j is unchanged.
func (j *Journal) Move(ctx context.Context, path string, opts Options) (*Journal, error) {
	next, err := openWith(ctx, path, opts, func(*Journal) error { return nil })
	if err != nil {
		return nil, err
	}
	j.mu.Lock()
	err = next.absorb(ctx, j)
	if err == nil {
		next.state, j.state = j.state, nil
		next.saveState()
	}
	j.mu.Unlock()
	if err != nil {
		return nil, errors.Join(err, next.Close())
	}
	if err := j.Close(); err != nil {
		next.notice("%v", err)
	}
	return next, nil
}

// absorb adds the records and the horizon of from. from.mu must be held.
func (j *Journal) absorb(ctx context.Context, from *Journal) error {
	if from.horizon.After(j.horizon) {
		j.horizon = from.horizon
	}
	if from.begun.After(j.begun) {
		j.begun = from.begun
	}
	j.newest = max(j.newest, from.newest)
	known := make(map[id]bool)
	l := newLoader(&set{opts: j.opts})
	l.visit = func(_ []byte, r *record) error {
		known[r.id] = true
		return nil
	}
	for _, r := range j.sources() {
		if err := l.load(ctx, r); err != nil {
			return err
		}
	}
	return j.rewrite(ctx, j.opts.cutoff(j.opts.Now), func(c *copier) error {
		for _, r := range from.sources() {
			if err := c.copy(ctx, r, known); err != nil {
				return err
			}
		}
		return nil
	})
}

// sources returns the contents of the file and of md5sums.
func (j *Journal) sources() []io.Reader {
	list := []io.Reader{j.section()}
	if j.sums != nil {
		list = append(list, io.NewSectionReader(j.sums, 0, j.opts.MaxSize))
	}
	return list
}
