package offline

import (
	"math"
	"slices"
	"time"

	"fwknopd/enforce"
)

// openings are the grants that would be open by the clock of the records. A grant
// that is repeated has the later end, as in a firewall.
type openings struct {
	ends  ends
	kinds map[string]uint32 // grants with more to them than a port
	queue endings

	lasting lastings
	ended   Entry // what next returns
}

// plain reports a grant that lets a client in to some ports and does nothing else.
func plain(g *enforce.Grant) bool {
	return g.NAT == nil && g.External == nil && !g.All && !g.Output && !g.Dst.IsValid()
}

// kind tells grants apart that open more than a port, or otherwise.
func (o *openings) kind(g *enforce.Grant) uint32 {
	if plain(g) {
		return onlyPort
	}
	key := g.Key()
	n, known := o.kinds[key]
	if !known {
		if o.kinds == nil {
			o.kinds = make(map[string]uint32)
		}
		n = uint32(len(o.kinds)) + onlyPort + 1
		o.kinds[key] = n
	}
	return n
}

// each visits the units of a grant: its ports, or one for all.
func (o *openings) each(g *enforce.Grant, visit func(enforce.Port, opening)) {
	k := opening{src: g.Src.As16(), kind: o.kind(g)}
	for _, p := range g.Ports {
		k.proto, k.number = uint16(p.Proto), p.Number
		visit(p, k)
	}
	if len(g.Ports) == 0 {
		visit(enforce.Port{}, k)
	}
}

// never is the end of what has none.
const never = math.MaxInt64

// add takes in what e opens.
func (o *openings) add(e *Entry) {
	end := int64(never)
	if !e.Grant.Expires.IsZero() {
		end = e.Grant.Expires.UnixNano()
	}
	o.each(e.Grant, func(_ enforce.Port, k opening) { o.ends.extend(k, end) })
	if end == never {
		return
	}
	o.queue.push(ending{end, o.lasting.add(e)})
}

// next returns an entry whose end came by now, nil if there is none. Ports that
// were opened again in the meantime are not in it. It is valid until the next call.
func (o *openings) next(now time.Time) *Entry {
	for len(o.queue) > 0 && o.queue[0].at <= now.UnixNano() {
		next := o.queue.pop()
		o.lasting.take(next.number, time.Unix(0, next.at), &o.ended)
		if o.end(&o.ended, next.at) {
			return &o.ended
		}
	}
	return nil
}

// end takes out of e what lasts longer and forgets the rest; false if nothing is
// left.
func (o *openings) end(e *Entry, at int64) bool {
	var ended []enforce.Port
	o.each(e.Grant, func(p enforce.Port, k opening) {
		if o.ends.drop(k, at) {
			ended = append(ended, p)
		}
	})
	if len(ended) == 0 {
		return false
	}
	if len(e.Grant.Ports) > 0 {
		e.Grant.Ports = ended
	}
	return true
}

// open is how many openings have not ended.
func (o *openings) open() int { return o.ends.n }

// endings is a binary heap, the earliest end first.
type endings []ending

// An ending is when an entry ends, in Unix nanoseconds, and its number.
type ending struct {
	at     int64
	number uint32
}

func (q *endings) push(e ending) {
	h := *q
	if len(h) == cap(h) {
		h = slices.Grow(h, max(64, len(h))) // twice as many: append would copy more often
	}
	h = append(h, e)
	*q = h
	for i := len(h) - 1; i > 0; {
		up := (i - 1) / 2
		if h[up].at <= h[i].at {
			return
		}
		h[up], h[i] = h[i], h[up]
		i = up
	}
}

func (q *endings) pop() ending {
	h := *q
	first, last := h[0], len(h)-1
	h[0] = h[last]
	h = h[:last]
	*q = h
	for i := 0; ; {
		down := 2*i + 1
		if down >= len(h) {
			return first
		}
		if down+1 < len(h) && h[down+1].at < h[down].at {
			down++
		}
		if h[i].at <= h[down].at {
			return first
		}
		h[i], h[down] = h[down], h[i]
		i = down
	}
}
