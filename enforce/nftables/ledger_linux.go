package nftables

import (
	"net/netip"
	"slices"
	"time"

	"fwknopd/enforce"
)

// A refcounts knows which grants stand behind which elements. Several may share one:
// two ports of ours that lead to the same port inside need the same element of
// the forward hook, and it must stay until the last of them ends.
type refcounts struct {
	refs   map[elemKey][]ref // oldest first
	grants map[string][]elemKey
	sweep  int // size of grants at which ended ones are dropped
}

// A elemKey is the place of an element: in a set there is one for each key.
type elemKey struct {
	set setID
	key key
}

// A ref is one grant's claim to a cell.
type ref struct {
	grant   string
	target  netip.AddrPort
	end     time.Time
	comment string
}

// firstSweep is the size up to which a ledger does not look for ended grants.
const firstSweep = 1024

func newRefcounts() refcounts {
	return refcounts{refs: make(map[elemKey][]ref), grants: make(map[string][]elemKey), sweep: firstSweep}
}

// add notes a grant of one port and returns its cells. The same grant with an
// earlier end changes nothing.
func (l *refcounts) add(part enforce.Grant, now time.Time) []elemKey {
	key := part.Key()
	if end, ok := l.end(key); ok && !enforce.Outlives(part.Expires, end) {
		return l.grants[key]
	}
	l.drop(key)
	comment := part.Comment().String()
	for _, e := range elements(part) {
		l.claim(elemKey{e.set, e.key}, ref{key, e.target, part.Expires, comment})
	}
	if len(l.grants) >= l.sweep {
		l.dropEnded(now)
	}
	return l.grants[key]
}

func (l *refcounts) claim(c elemKey, u ref) {
	l.refs[c] = append(l.refs[c], u)
	l.grants[u.grant] = append(l.grants[u.grant], c)
}

// end is when a grant ends that the ledger has.
func (l *refcounts) end(grant string) (end time.Time, ok bool) {
	cells := l.grants[grant]
	if len(cells) == 0 {
		return end, false
	}
	i := slices.IndexFunc(l.refs[cells[0]], func(u ref) bool { return u.grant == grant })
	return l.refs[cells[0]][i].end, true
}

// drop forgets a grant and returns the cells it had.
func (l *refcounts) drop(grant string) []elemKey {
	cells := l.grants[grant]
	for _, c := range cells {
		rest := slices.DeleteFunc(l.refs[c], func(u ref) bool { return u.grant == grant })
		if len(rest) == 0 {
			delete(l.refs, c)
		} else {
			l.refs[c] = rest
		}
	}
	delete(l.grants, grant)
	return cells
}

// current is what the cell should hold: the target of the grant that came last,
// for as long as any grant wants this target.
func (l *refcounts) current(c elemKey, now time.Time) (cur ref, ok bool) {
	for _, u := range slices.Backward(l.refs[c]) {
		if !enforce.Outlives(u.end, now) {
			continue
		}
		if !ok || u.target == cur.target && enforce.Outlives(u.end, cur.end) {
			cur, ok = u, true
		}
	}
	return cur, ok
}

// dropEnded drops what has ended.
func (l *refcounts) dropEnded(now time.Time) {
	for grant := range l.grants {
		if end, _ := l.end(grant); !enforce.Outlives(end, now) {
			l.drop(grant)
		}
	}
	l.sweep = max(2*len(l.grants), firstSweep)
}
