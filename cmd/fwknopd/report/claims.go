package report

import (
	"errors"
	"slices"
	"time"
)

// ClaimBounds are the highest durations of the counts of [Claims]; a last count is for what takes longer.
var ClaimBounds = []time.Duration{
	500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second,
}

// Claims counts what became of the claims of a worker.
type Claims struct {
	First, Taken, Unavailable uint64
	Took                      []uint64 // by duration, see [ClaimBounds]; nil: there were none
	Sum                       uint64   // of the durations, in microseconds
}

// Count counts a claim that took so long, and is unavailable if neither first nor taken.
func (c *Claims) Count(took time.Duration, first, taken bool) {
	switch {
	case first:
		c.First++
	case taken:
		c.Taken++
	default:
		c.Unavailable++
	}
	if c.Took == nil {
		c.Took = make([]uint64, len(ClaimBounds)+1)
	}
	i, _ := slices.BinarySearch(ClaimBounds, took)
	c.Took[i]++
	c.Sum += uint64(max(took, 0) / time.Microsecond)
}

// Clone returns a copy that does not change.
func (c *Claims) Clone() Claims {
	own := *c
	own.Took = slices.Clone(c.Took)
	return own
}

// check returns an error if no honest worker reports this.
func (c *Claims) check() error {
	if len(c.Took) != 0 && len(c.Took) != len(ClaimBounds)+1 {
		return errors.New("durations of claims that cannot be")
	}
	return nil
}
