package spa

import (
	"math"
	"net/netip"
	"time"

	"golang.org/x/time/rate"
)

const (
	// maxSources bounds the sources that a Limiter keeps, since sources can be forged.
	// The one that appeared first is dropped first.
	maxSources = 4096
	// sourceBits is the length of the IPv6 prefix that counts as one source: a sender
	// can choose the rest of its address.
	sourceBits = 64
	// setBack is how far the times of packets may run back before the clock counts as
	// set back. Packets of several inputs are out of order by less.
	setBack = 10 * time.Second
)

// A Rate is the refill and the size of a token bucket. A PerSecond of 0 or less is no
// limit.
type Rate struct {
	PerSecond float64
	Burst     int
}

// bucket returns a full bucket.
func (r Rate) bucket() *rate.Limiter {
	if r.PerSecond <= 0 {
		return rate.NewLimiter(rate.Inf, 0)
	}
	return rate.NewLimiter(rate.Limit(r.PerSecond), max(r.Burst, 1))
}

// A Limiter limits the rate of public-key operations, for each source and in total. It is
// not safe for concurrent use.
type Limiter struct {
	source, total Rate
	all           *rate.Limiter
	buckets       map[netip.Addr]*rate.Limiter
	order         []netip.Addr // by first appearance; a ring once it is full
	oldest        int
	last          time.Time // the latest time passed to Allow
}

// NewLimiter returns a limiter with all buckets full.
func NewLimiter(source, total Rate) *Limiter {
	l := &Limiter{source: source, total: total}
	l.fill()
	return l
}

// fill makes all buckets full.
func (l *Limiter) fill() {
	l.all, l.buckets = l.total.bucket(), make(map[netip.Addr]*rate.Limiter)
	l.order, l.oldest = nil, 0
}

// Allow reports whether a packet of src may cause work at the time now, and takes
// its share if so. A refused packet takes nothing from any bucket. The buckets of a
// clock that was set back are full; they do not wait until it is past the old time.
func (l *Limiter) Allow(src netip.Addr, now time.Time) bool {
	if l.last.Sub(now) > setBack {
		l.fill()
	} else if now.Before(l.last) {
		now = l.last
	}
	l.last = now
	src = SourceOf(src)
	own := l.buckets[src]
	if own == nil {
		if !l.all.AllowN(now, 1) {
			return false
		}
		own = l.source.bucket()
		l.remember(src, own)
		return own.AllowN(now, 1)
	}
	share := own.ReserveN(now, 1)
	if share.DelayFrom(now) > 0 || !l.all.AllowN(now, 1) {
		share.CancelAt(now)
		return false
	}
	return true
}

// Left returns how many packets of src may cause work at the time now, as [Limiter.Allow]
// would answer for one after the other. It takes nothing.
func (l *Limiter) Left(src netip.Addr, now time.Time) int {
	all, own := l.all, l.buckets[SourceOf(src)]
	if l.last.Sub(now) > setBack {
		all, own = l.total.bucket(), nil
	} else if now.Before(l.last) {
		now = l.last
	}
	if own == nil {
		own = l.source.bucket()
	}
	return min(left(all, now), left(own, now))
}

// left returns how many tokens a bucket has. What it lacks for one may be less than the
// nanosecond in which Allow counts.
func left(bucket *rate.Limiter, now time.Time) int {
	if bucket.Limit() == rate.Inf {
		return math.MaxInt
	}
	return int(bucket.TokensAt(now) + float64(bucket.Limit())*1e-9)
}

// remember adds the bucket of a new source, and drops another if there are too many.
func (l *Limiter) remember(src netip.Addr, own *rate.Limiter) {
	l.buckets[src] = own
	if len(l.order) < maxSources {
		l.order = append(l.order, src)
		return
	}
	delete(l.buckets, l.order[l.oldest])
	l.order[l.oldest] = src
	l.oldest = (l.oldest + 1) % maxSources
}

// SourceOf returns what counts as one source: an IPv4 address, or the network of an IPv6
// address.
func SourceOf(a netip.Addr) netip.Addr {
	if a.Is4() || a.Is4In6() {
		return a.Unmap()
	}
	p, err := a.WithZone("").Prefix(sourceBits)
	if err != nil {
		return a
	}
	return p.Addr()
}
