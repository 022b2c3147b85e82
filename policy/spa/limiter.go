package spa

import (
	"net/netip"
	"time"
)

const (
	// maxSources bounds what a Limiter remembers: sources can be forged, and the
	// oldest goes first.
	maxSources = 4096
	// sourceBits is how much of an IPv6 address makes a source: the rest is the
	// sender's to choose.
	sourceBits = 64
)

// A Rate is so many events a second, and so many at once after a rest. A PerSecond
// of 0 or less is no limit.
type Rate struct {
	PerSecond float64
	Burst     int
}

// interval is the time between two events at full rate.
func (r Rate) interval() time.Duration { return time.Duration(float64(time.Second) / r.PerSecond) }

// A Limiter says how much public-key work strangers may cause: so much for each
// source, and so much in total. It is for one goroutine at a time.
type Limiter struct {
	source, total Rate
	all           bucket
	buckets       map[netip.Addr]bucket
	order         []netip.Addr // by first appearance; a ring once it is full
	oldest        int
}

// NewLimiter returns a limiter with both buckets full.
func NewLimiter(source, total Rate) *Limiter {
	return &Limiter{source: source, total: total, buckets: make(map[netip.Addr]bucket)}
}

// Allow reports whether a packet of src may cause work at the time now, and takes
// its share if so. A refused packet takes nothing from anybody. A clock that was
// set back starts anew.
func (l *Limiter) Allow(src netip.Addr, now time.Time) bool {
	src = sourceOf(src)
	own, known := l.buckets[src]
	if !own.allows(l.source, now) || !l.all.allows(l.total, now) {
		return false
	}
	l.all.take(l.total, now)
	own.take(l.source, now)
	if !known {
		l.remember(src)
	}
	l.buckets[src] = own
	return true
}

// remember makes room for a new source.
func (l *Limiter) remember(src netip.Addr) {
	if len(l.order) < maxSources {
		l.order = append(l.order, src)
		return
	}
	delete(l.buckets, l.order[l.oldest])
	l.order[l.oldest] = src
	l.oldest = (l.oldest + 1) % maxSources
}

func sourceOf(a netip.Addr) netip.Addr {
	if a.Is4() || a.Is4In6() {
		return a.Unmap()
	}
	p, err := a.WithZone("").Prefix(sourceBits)
	if err != nil {
		return a
	}
	return p.Addr()
}

// bucket is a token bucket as one number: the time at which it will be full. The
// zero bucket is full.
type bucket struct{ full time.Time }

// allows reports that one token is left.
func (b *bucket) allows(r Rate, now time.Time) bool {
	if r.PerSecond <= 0 {
		return true
	}
	room := time.Duration(max(r.Burst, 1)) * r.interval()
	missing := b.full.Sub(now)
	return missing > room || missing <= room-r.interval()
}

// take removes one token. A bucket that lacks more than it can hold belongs to a
// clock that was set back.
func (b *bucket) take(r Rate, now time.Time) {
	if r.PerSecond <= 0 {
		return
	}
	room := time.Duration(max(r.Burst, 1)) * r.interval()
	if missing := b.full.Sub(now); missing < 0 || missing > room {
		b.full = now
	}
	b.full = b.full.Add(r.interval())
}
