package offline

import (
	"container/heap"
	"net/netip"
	"time"

	"fwknopd/enforce"
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
	grant := *e.Grant
	kept := *e
	kept.Grant = &grant
	heap.Push(&o.queue, &kept)
}

// next returns an entry whose end came by now, nil if there is none. Ports that
// were opened again in the meantime are not in it.
func (o *openings) next(now time.Time) *Entry {
	for len(o.queue) > 0 && !o.queue[0].Grant.Expires.After(now) {
		e := heap.Pop(&o.queue).(*Entry)
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

// endings is a heap, the earliest end first.
type endings []*Entry

func (q endings) Len() int           { return len(q) }
func (q endings) Less(i, j int) bool { return q[i].Grant.Expires.Before(q[j].Grant.Expires) }
func (q endings) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *endings) Push(x any)        { *q = append(*q, x.(*Entry)) }
func (q *endings) Pop() any {
	old := *q
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return last
}
