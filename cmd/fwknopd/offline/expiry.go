package offline

import (
	"net/netip"
	"time"

	"fwknopd/enforce"
	"fwknopd/policy"
)

// openings are the grants that would be open by the clock of the records. A grant
// that is repeated has the later end, as in a firewall.
type openings struct {
	ends  map[opening]int64 // Unix nanoseconds
	queue endings
}

// An opening is the unit that a repetition extends: one port for one client.
type opening struct {
	src, dst netip.Addr
	port     enforce.Port
	output   bool
	rest     string // all of a grant with NAT or commands
}

func openingOf(g *enforce.Grant, p enforce.Port) opening {
	o := opening{src: g.Src, dst: g.Dst, port: p, output: g.Output}
	if g.NAT != nil || g.External != nil || g.All {
		o.rest = g.Key()
	}
	return o
}

// portsOf are the units of a grant: its ports, or one for all.
func portsOf(g *enforce.Grant) []enforce.Port {
	if len(g.Ports) == 0 {
		return []enforce.Port{{}}
	}
	return g.Ports
}

// add takes in what e opens, unless it has no end.
func (o *openings) add(e *Entry) {
	if e.Grant.Expires.IsZero() {
		return
	}
	if o.ends == nil {
		o.ends = make(map[opening]int64)
	}
	end := e.Grant.Expires.UnixNano()
	for _, p := range portsOf(e.Grant) {
		k := openingOf(e.Grant, p)
		o.ends[k] = max(o.ends[k], end)
	}
	l := &lasting{*e, *e.Grant}
	l.Grant, l.Detail = &l.grant, &noDetail
	o.queue.push(ending{end, l})
}

var noDetail policy.Detail

// A lasting entry has a copy of the grant.
type lasting struct {
	Entry
	grant enforce.Grant
}

// next returns an entry whose end came by now, nil if there is none. Ports that
// were opened again in the meantime are not in it.
func (o *openings) next(now time.Time) *Entry {
	for len(o.queue) > 0 && o.queue[0].at <= now.UnixNano() {
		e := &o.queue.pop().Entry
		if o.end(e) {
			e.Time, e.Verdict = e.Grant.Expires, verdictExpired
			return e
		}
	}
	return nil
}

// end takes out of e what lasts longer and forgets the rest; false if nothing is
// left.
func (o *openings) end(e *Entry) bool {
	at := e.Grant.Expires.UnixNano()
	var ended []enforce.Port
	for _, p := range portsOf(e.Grant) {
		k := openingOf(e.Grant, p)
		if end, open := o.ends[k]; open && end <= at {
			delete(o.ends, k)
			ended = append(ended, p)
		}
	}
	if len(ended) == 0 {
		return false
	}
	if len(e.Grant.Ports) > 0 {
		e.Grant.Ports = ended
	}
	return true
}

// open is how many openings have not ended.
func (o *openings) open() int { return len(o.ends) }

// endings is a binary heap, the earliest end first.
type endings []ending

// An ending is when an entry ends, in Unix nanoseconds, and the entry.
type ending struct {
	at int64
	*lasting
}

func (q *endings) push(e ending) {
	h := append(*q, e)
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

func (q *endings) pop() *lasting {
	h := *q
	first, last := h[0].lasting, len(h)-1
	h[0], h[last] = h[last], ending{}
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
