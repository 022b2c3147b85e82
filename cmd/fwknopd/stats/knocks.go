package stats

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// maxKnocks bounds the knock sequences that are distinguished.
const maxKnocks = 4096

// A knockKey is what sequences have in common that are counted together.
type knockKey struct {
	src            netip.Addr
	stanza, reason string
}

type knockCount struct {
	n    uint64
	last time.Time
}

// knocks counts port-knock sequences. When there are too many kinds, the rarer half is forgotten.
type knocks struct {
	kinds     map[knockKey]knockCount
	forgotten int
}

func (t *knocks) add(k knockKey, n uint64, at time.Time) {
	if t.kinds == nil {
		t.kinds = make(map[knockKey]knockCount)
	}
	c, known := t.kinds[k]
	if !known && len(t.kinds) == maxKnocks {
		t.forget()
	}
	if c.n += n; at.After(c.last) {
		c.last = at
	}
	t.kinds[k] = c
}

// forget removes the rarer half.
func (t *knocks) forget() {
	var list []uint64
	for _, c := range t.kinds {
		list = append(list, c.n)
	}
	slices.Sort(list)
	limit := list[len(list)/2]
	equal := len(list) / 2
	for _, n := range list[:len(list)/2] {
		if n < limit {
			equal--
		}
	}
	for k, c := range t.kinds {
		switch {
		case c.n < limit:
		case c.n == limit && equal > 0:
			equal--
		default:
			continue
		}
		delete(t.kinds, k)
		t.forgotten++
	}
}

// merge adds o.
func (t *knocks) merge(o *knocks) {
	for k, c := range o.kinds {
		t.add(k, c.n, c.last)
	}
	t.forgotten += o.forgotten
}

// summary returns the most frequent ones, at most n.
func (t *knocks) summary(n int) List[Knock] {
	best := newTop(n, func(a, b Knock) int {
		return cmp.Or(cmp.Compare(b.N, a.N), b.Last.Compare(a.Last), cmp.Compare(a.Src, b.Src), cmp.Compare(a.Stanza, b.Stanza), cmp.Compare(a.Reason, b.Reason))
	})
	for k, c := range t.kinds {
		best.add(Knock{Src: k.src.String(), Stanza: k.stanza, Reason: k.reason, N: c.n, Last: c.last})
	}
	list := best.list()
	list.AtLeast = t.forgotten > 0
	return list
}
