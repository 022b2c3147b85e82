package replay

import (
	"math"
	"slices"
	"strconv"
	"time"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
	"fwknopd/enforce/monitor"
)

// openGrants are the grants that would be open by the clock of the records. A
// repeated grant has the later expiry, as in a firewall.
type openGrants struct {
	table expiryTable
	kinds map[string]uint32 // grants with more to them than a port
	queue expiryHeap

	limits map[int]int // MAX_GRANTS by stanza
	quota  enforce.Quota

	records expiryRecords
	expired report.Entry  // returned by popExpired
	refusal monitor.Event // returned by enter
}

// grantKind returns a number for what g does apart from its ports and client:
// onlyPort if nothing.
func (o *openGrants) grantKind(g *enforce.Grant) uint32 {
	if portsOnly(g) {
		return onlyPort
	}
	key := g.Key()
	if rest := *g; g.Bits != 0 {
		if rest.Bits = 0; portsOnly(&rest) {
			key = strconv.Itoa(int(g.Bits)) // a prefix is told apart from its first address alone
		}
	}
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

// forEachPort calls visit for each port of a grant, or once if it is one unit, see
// [enforce.Grant.Split]; for each of its sources.
func (o *openGrants) forEachPort(g *enforce.Grant, visit func(enforce.Port, portKey)) {
	if g.Also.IsValid() {
		for _, one := range g.BySource() {
			o.forEachPort(&one, visit)
		}
		return
	}
	k := portKey{src: g.Src.As16(), kind: o.grantKind(g)}
	if isOneUnit(g) {
		visit(enforce.Port{}, k)
		return
	}
	for i, p := range g.Ports {
		if !slices.Contains(g.Ports[:i], p) {
			k.proto, k.number = uint16(p.Proto), p.Number
			visit(p, k)
		}
	}
}

func isOneUnit(g *enforce.Grant) bool { return len(g.Ports) == 0 || g.External != nil }

// enter adds what a decision grants. It returns the event of the monitor if that would
// not open it; the event is valid until the next call.
func (o *openGrants) enter(e *report.Entry, now time.Time) *monitor.Event {
	if e.Verdict != report.Granted {
		return nil
	}
	if err := o.admit(e.Grant, now); err != nil {
		o.refusal = monitor.Event{Time: now, Kind: monitor.Refused, Grant: *e.Grant, Err: monitor.Refusal(err)}
		return &o.refusal
	}
	o.add(e)
	return nil
}

// admit returns which limit of the monitor a grant exceeds at the time now, nil if none.
func (o *openGrants) admit(g *enforce.Grant, now time.Time) error {
	opening := enforce.Opening{Stanza: g.Stanza, Limit: o.limits[g.Stanza], OfStanza: o.table.stanzas[uint32(g.Stanza)], All: o.table.n}
	o.forEachPort(g, func(_ enforce.Port, k portKey) {
		if !o.table.has(k) {
			opening.New++
		}
	})
	return o.quota.Take(opening, now)
}

// noExpiry is the expiry of a permanent grant.
const noExpiry = math.MaxInt64

// add adds the grant of e.
func (o *openGrants) add(e *report.Entry) {
	end := int64(noExpiry)
	if !e.Grant.Expires.IsZero() {
		end = e.Grant.Expires.UnixNano()
	}
	o.forEachPort(e.Grant, func(_ enforce.Port, k portKey) { o.table.extend(k, end, uint32(e.Grant.Stanza)) })
	if end == noExpiry {
		return
	}
	o.queue.push(expiryItem{end, o.records.add(e)})
}

// popExpired removes and returns an entry that has expired by now, nil if there is
// none. Ports that were opened again meanwhile are left out. The entry is valid until
// the next call.
func (o *openGrants) popExpired(now time.Time) *report.Entry {
	for len(o.queue) > 0 && o.queue[0].at <= now.UnixNano() {
		next := o.queue.pop()
		o.records.remove(next.number, time.Unix(0, next.at), &o.expired)
		if o.expire(&o.expired, next.at) {
			return &o.expired
		}
	}
	return nil
}

// expire removes the expired ports of e from the table and drops all others from e.
// It reports whether any had expired.
func (o *openGrants) expire(e *report.Entry, at int64) bool {
	if e.Grant.Also.IsValid() {
		return o.expireSources(e, at)
	}
	ended := o.endPorts(e.Grant, at)
	if len(ended) == 0 {
		return false
	}
	if !isOneUnit(e.Grant) {
		e.Grant.Ports = ended
	}
	return true
}

// endPorts removes the expired ports of a grant of one source from the table and returns
// them.
func (o *openGrants) endPorts(g *enforce.Grant, at int64) (ended []enforce.Port) {
	o.forEachPort(g, func(p enforce.Port, k portKey) {
		if o.table.removeExpired(k, at) {
			ended = append(ended, p)
		}
	})
	return ended
}

// expireSources is expire for a grant of two sources. Where not all of both has expired, e
// is left with the first source of which something has.
func (o *openGrants) expireSources(e *report.Entry, at int64) bool {
	both := e.Grant.BySource()
	var ended [2][]enforce.Port
	for i := range both {
		ended[i] = o.endPorts(&both[i], at)
	}
	one := 0
	switch {
	case len(ended[0])+len(ended[1]) == 0:
		return false
	case len(ended[0]) == len(ended[1]):
		if !isOneUnit(e.Grant) {
			e.Grant.Ports = ended[0]
		}
		return true
	case len(ended[0]) == 0:
		one = 1
	}
	*e.Grant = both[one]
	if !isOneUnit(e.Grant) {
		e.Grant.Ports = ended[one]
	}
	return true
}

// count returns how many ports are open.
func (o *openGrants) count() int { return o.table.n }

// An expiryHeap is a binary heap, the earliest expiry first.
type expiryHeap []expiryItem

// An expiryItem is the expiry of a record, in Unix nanoseconds, and its number.
type expiryItem struct {
	at     int64
	number uint32
}

func (q *expiryHeap) push(e expiryItem) {
	h := *q
	if len(h) == cap(h) {
		h = slices.Grow(h, max(64, len(h))) // double it: append would grow by less and copy more often
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

func (q *expiryHeap) pop() expiryItem {
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
