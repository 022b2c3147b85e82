package enforce

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/time/rate"
)

// maxOpen is how many grants may be open in all, each port counted.
const maxOpen = 1 << 16

// newGrantsTime is the time in which as many new grants of a stanza are allowed as may be
// open at a time; as many at once are.
const newGrantsTime = 16 * time.Second

// Errors of [Quota.Take].
var (
	// ErrTooMany refuses a grant that the stanza allows, as too many are open or new.
	ErrTooMany = errors.New("too many grants")
	// errFull refuses a grant as maxOpen are open.
	errFull = fmt.Errorf("%d grants are open, which is the most in all", maxOpen)
)

// A Quota decides whether more may be opened: of a stanza MAX_GRANTS at a time, at a
// limited rate, and maxOpen in all. The zero value is ready for use.
type Quota struct {
	rates map[int]*rate.Limiter // by stanza, as many as there have been stanzas
}

// An Opening is the part of a grant that is not open yet, and what is open already.
type Opening struct {
	Stanza, Limit int // Limit: [Limits.MaxGrants] of the stanza
	New           int // grants of one port each, see [Grant.Split]
	OfStanza, All int // that are open, of the stanza and in all
}

// Take admits o at the time now, or returns which limit it exceeds.
func (q *Quota) Take(o Opening, now time.Time) error {
	switch {
	case o.New == 0:
		return nil
	case o.All+o.New > maxOpen:
		return errFull
	case o.Limit == 0:
		return nil
	case o.OfStanza+o.New > o.Limit:
		return &tooManyOpen{o}
	case !q.rateOf(o.Stanza, o.Limit).AllowN(now, o.New):
		return fmt.Errorf("%w: the stanza opened %d (MAX_GRANTS) within %v", ErrTooMany, o.Limit, newGrantsTime)
	}
	return nil
}

// tooManyOpen is an [ErrTooMany] of a stanza. It is text only where it is printed: a replay
// may have very many.
type tooManyOpen struct{ Opening }

// Error implements error.
func (e *tooManyOpen) Error() string {
	b := append([]byte(ErrTooMany.Error()), ": the stanza has "...)
	b = append(strconv.AppendInt(b, int64(e.OfStanza), 10), " of "...)
	return string(append(strconv.AppendInt(b, int64(e.Limit), 10), " (MAX_GRANTS)"...))
}

// Unwrap makes it an ErrTooMany.
func (e *tooManyOpen) Unwrap() error { return ErrTooMany }

// rateOf returns the limiter of new grants of a stanza.
func (q *Quota) rateOf(stanza, limit int) *rate.Limiter {
	l := q.rates[stanza]
	if l == nil || l.Burst() != limit {
		if q.rates == nil {
			q.rates = make(map[int]*rate.Limiter)
		}
		l = rate.NewLimiter(rate.Limit(float64(limit)/newGrantsTime.Seconds()), limit)
		q.rates[stanza] = l
	}
	return l
}
