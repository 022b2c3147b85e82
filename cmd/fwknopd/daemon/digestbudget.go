package daemon

import (
	"errors"
	"time"

	"golang.org/x/time/rate"

	"fwknopd/policy/replay"
)

// What workers may add to the journal of digests. Valid packets are far fewer; a worker
// that is taken over must not fill the journal, because then nothing is granted.
const (
	digestsBurst  = 20000
	digestsPerSec = 500 // at most
	// digestsKept is how many of the some five million records of a journal may come at
	// that rate in the time that they are kept. A journal is compacted at twice its size.
	digestsKept = 2_000_000
	// Messages that no age limit accepts yet, because of a client whose clock is wrong,
	// are kept until their time has passed: one a minute for long, 300 KB a day.
	earlyBurst = 1000
	earlyEvery = time.Minute
)

// errDigestRate refuses digests.
var errDigestRate = errors.New("the worker sends more digests than there can be valid packets")

// A digestBudget limits what workers add to the journal. It outlives them.
type digestBudget struct {
	all, early *rate.Limiter
}

func newDigestBudget() *digestBudget {
	return &digestBudget{rate.NewLimiter(digestsPerSec, digestsBurst), rate.NewLimiter(rate.Every(earlyEvery), earlyBurst)}
}

// take admits all records or none. With ageing, those whose time is unknown or too far in
// the future, and that are more than there can be clients with a wrong clock, get the
// earliest time that the age limit refuses, so that they expire.
func (b *digestBudget) take(now time.Time, list []replay.Record, o *replay.Options) error {
	b.all.SetLimitAt(now, digestsRate(o))
	if !b.all.AllowN(now, len(list)) {
		return errDigestRate
	}
	if !o.Aging {
		return nil
	}
	last := now.Add(o.MaxAge).Unix() + 1
	for i := range list {
		r := &list[i]
		if (r.Sent == 0 || r.Sent > last) && !b.early.AllowN(now, 1) {
			r.Sent = last
		}
	}
	return nil
}

// digestsRate returns how many digests a second a journal takes for ever. Without ageing,
// no rate is low enough.
func digestsRate(o *replay.Options) rate.Limit {
	if !o.Aging {
		return digestsPerSec
	}
	kept := 2*o.MaxAge + time.Hour // with what the journal adds for clocks that are set
	return min(digestsPerSec, rate.Limit(digestsKept/kept.Seconds()))
}
