package sources

import (
	"cmp"
	"slices"

	"fwknopd/parse"
)

const (
	// MaxWithPorts is how many sources have their ports counted for sure. Further ones compete
	// for these places, and those with most records win.
	MaxWithPorts = 1 << 13
	// portSample is of how many SYNs one is counted by port once there are more sources: those
	// with many SYNs, whose ports are asked for, have them all the same.
	portSample = 4
	// portsOfSource is how many ports of a source are distinguished.
	portsOfSource = 7
)

// A portTable counts the destination ports of each source, in as many places as there are
// sources, up to MaxWithPorts. Several sources that share a place vote for it (Boyer and Moore):
// a record of the owner adds one vote, a record of another takes one, and a place without votes
// changes hands.
type portTable struct {
	votes  [MaxWithPorts]vote
	chunks [MaxWithPorts / chunk]*[chunk]portCounts
}

// A vote is who owns a place. It is apart from the counts, which are not loaded into the cache for
// the records of others.
type vote struct {
	owner uint32 // 1 + number of the source, 0: none
	votes uint32
}

// A portCounts counts the ports of one source. It fills one cache line.
type portCounts struct {
	rest  uint32 // records of ports that have no place, or lost it
	n     uint32
	port  [portsOfSource]portKey
	count [portsOfSource]uint32 // records since it got its place, less those of others that wanted it
}

// A portKey is a port in one word.
type portKey uint32

func keyOf(p parse.Port) portKey { return portKey(p.Proto)<<16 | portKey(p.Number) }

func (k portKey) named() parse.Port {
	return parse.Port{Proto: parse.Proto(k >> 16), Number: uint16(k)}
}

// counts returns the counts at the place of source number i.
func (t *portTable) counts(i int) *portCounts {
	i %= MaxWithPorts
	if t.chunks[i/chunk] == nil {
		t.chunks[i/chunk] = new([chunk]portCounts)
	}
	return &t.chunks[i/chunk][i%chunk]
}

// of returns the counts of source number i and its votes; nil if it has none.
func (t *portTable) of(i int) (*portCounts, uint32) {
	if t == nil || t.votes[i%MaxWithPorts].owner != uint32(i)+1 {
		return nil, 0
	}
	return t.counts(i), t.votes[i%MaxWithPorts].votes
}

// add counts a record of source number i.
func (t *portTable) add(i int, p parse.Port) {
	if t.vote(i, 1) {
		t.counts(i).add(keyOf(p), 1)
	}
}

// vote counts votes for source number i and reports whether it is the owner then.
func (t *portTable) vote(i int, votes uint32) bool {
	v := &t.votes[i%MaxWithPorts]
	switch owner := uint32(i) + 1; {
	case v.owner == owner:
		v.votes += votes
	case v.votes >= votes:
		v.votes -= votes
		return false
	default:
		*v = vote{owner, votes - v.votes}
		*t.counts(i) = portCounts{}
	}
	return true
}

// add counts n records to a port. One that has no place takes from the records of another until
// that has none left, so that scans pass over and ports that are used stay (Misra and Gries).
func (c *portCounts) add(p portKey, n uint32) {
	for i := range c.port {
		if c.port[i] == p {
			c.count[i] += n
			return
		}
	}
	used := int(c.n)
	if used < portsOfSource {
		c.n++
	} else {
		used = int(c.rest % portsOfSource)
		c.rest += n
		if c.count[used] > n {
			c.count[used] -= n
			return
		}
		n -= c.count[used] - 1
	}
	c.port[used], c.count[used] = p, n
}

// merge adds the counts of the same source in another table with its votes. i is its number here.
func (t *portTable) merge(i int, from *portCounts, votes uint32) {
	if !t.vote(i, votes) {
		return
	}
	c := t.counts(i)
	c.rest += from.rest
	for k := range from.n {
		c.add(from.port[k], from.count[k])
	}
}

// list returns the ports, most records first; more reports that there are others.
func (t *portTable) list(i int) (ports []parse.Port, more bool) {
	c, _ := t.of(i)
	if c == nil {
		return nil, false
	}
	order := make([]int, c.n)
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(c.count[b], c.count[a]), cmp.Compare(c.port[a], c.port[b]))
	})
	for _, i := range order {
		ports = append(ports, c.port[i].named())
	}
	return ports, c.rest > 0
}
