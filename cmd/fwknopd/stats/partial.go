package stats

import (
	"errors"
	"fmt"
	"io"
	"math/bits"
	"time"

	"fwknopd/cmd/fwknopd/codec"
	"fwknopd/cmd/fwknopd/sources"
)

// A portion is what goes with a partial of the sources, see [sources.Counter.WritePartial], for [Stats] of
// packets alone.
type portion struct {
	About    string // what the caller of WritePartial gave
	Ports    []portCount
	Zeros    uint8 // see pairs
	Pairs    []uint64
	Width    int64 // of buckets
	From, To time.Time
	Untimed  uint64
	Buckets  []bucketCount
}

// A portCount is a port with records.
type portCount struct {
	Skip    uint32 // places since that of the last one
	Records uint64
}

// A bucketCount is a bucket of the timeline.
type bucketCount struct {
	Start        int64
	Events, SYNs uint64
}

var errNotPackets = errors.New("a partial result of what is no packet")

// UseSeed has pairs of source and port hashed with a seed, that of all [Stats] whose partials are merged.
// Nothing was counted yet.
func (s *Stats) UseSeed(seed [2]uint64) { s.ports.pairs.seed = seed }

// WritePartial writes what s has counted with [Stats.Event], after [Stats.Finish], for
// [Stats.MergePartial]; about goes with it.
func (s *Stats) WritePartial(w io.Writer, about []byte) error {
	if len(s.decisions.kinds) > 0 || s.grants.total > 0 || len(s.knocks.kinds) > 0 || s.lost > 0 || s.apart > 0 {
		return errNotPackets
	}
	text, err := codec.Encode(nil, s.portion(about))
	if err != nil {
		return err
	}
	return s.sources.WritePartial(w, text)
}

func (s *Stats) portion(about []byte) portion {
	p := portion{About: string(about), Zeros: uint8(s.ports.pairs.zeros)}
	last := 0
	for place, n := range s.ports.records {
		if n > 0 {
			p.Ports = append(p.Ports, portCount{uint32(place - last), n})
			last = place
		}
	}
	for _, key := range s.ports.pairs.keys {
		if key != 0 {
			p.Pairs = append(p.Pairs, key)
		}
	}
	t := &s.timeline
	p.Width, p.From, p.To, p.Untimed = t.width, t.from.UTC(), t.to.UTC(), t.untimed
	for _, b := range t.summary().Buckets {
		p.Buckets = append(p.Buckets, bucketCount{b.Start.Unix(), b.Events, b.SYNs})
	}
	return p
}

// MergePartial adds what a partial says, of records after those of s; accept gets what goes with it
// before anything is added, and may refuse it. r is read twice: if the error is [sources.ErrPartial], or
// that of accept, nothing was added. The signatures and the seed of both must be the same.
func (s *Stats) MergePartial(r io.ReadSeeker, accept func(about []byte) error) error {
	var p portion
	err := s.sources.MergePartial(r, func(text []byte) error {
		if err := p.decode(text); err != nil {
			return fmt.Errorf("%w: %w", sources.ErrPartial, err)
		}
		return accept([]byte(p.About))
	})
	if err == nil {
		s.add(&p)
	}
	return err
}

// add adds a portion that was checked.
func (s *Stats) add(p *portion) {
	place := 0
	for _, c := range p.Ports {
		place += int(c.Skip)
		s.ports.records[place] += c.Records
	}
	s.ports.pairs.merge(&pairs{keys: p.Pairs, zeros: uint(p.Zeros)})
	t := timeline{width: p.Width, buckets: make(map[int64]*counts), from: p.From, to: p.To, untimed: p.Untimed}
	for _, b := range p.Buckets {
		t.buckets[b.Start] = &counts{events: b.Events, syns: b.SYNs}
	}
	s.timeline.merge(&t)
}

// decode returns an error if a text is not what WritePartial writes.
func (p *portion) decode(text []byte) error {
	if err := codec.Decode(text, p); err != nil {
		return err
	}
	place := 0
	for i, c := range p.Ports {
		if c.Records == 0 || c.Skip == 0 && i > 0 || c.Skip >= uint32(portPlaces-place) {
			return errors.New("ports that are none")
		}
		place += int(c.Skip)
	}
	if len(p.Pairs) > maxPairs || p.Zeros > 64-placeBits {
		return errors.New("more pairs than are kept")
	}
	for _, key := range p.Pairs {
		if at := key & (1<<placeBits - 1); at == 0 || at > portPlaces || bits.LeadingZeros64(key) < int(p.Zeros) {
			return errors.New("pairs that are none")
		}
	}
	return p.checkTimes()
}

func (p *portion) checkTimes() error {
	width := widths[0]
	for width < p.Width && width < lastSecond {
		width = widerThan(width)
	}
	none := p.From.IsZero() && p.To.IsZero() && len(p.Buckets) == 0
	if width != p.Width || len(p.Buckets) > maxBuckets || !none && (named(p.From).IsZero() || named(p.To).IsZero() || p.To.Before(p.From)) {
		return errors.New("a timeline that is none")
	}
	return p.checkBuckets()
}

func (p *portion) checkBuckets() error {
	for i, b := range p.Buckets {
		if b.Start%p.Width != 0 || b.Start > lastSecond || i > 0 && b.Start <= p.Buckets[i-1].Start {
			return errors.New("buckets that are none")
		}
	}
	return nil
}
