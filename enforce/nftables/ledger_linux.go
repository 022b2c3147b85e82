package nftables

import (
	"net/netip"
	"slices"
	"time"

	"fwknopd/enforce"
)

// A ledger knows which grants stand behind which elements. Several may share one:
// two ports of ours that lead to the same port inside need the same element of
// the forward hook, and it must stay until the last of them ends.
type ledger struct {
	uses   map[cell][]use // oldest first
	grants map[string][]cell
	sweep  int // size of grants at which ended ones are dropped
}

// A cell is the place of an element: in a set there is one for each key.
type cell struct {
	set setID
	key key
}

// A use is one grant's claim to a cell.
type use struct {
	grant   string
	target  netip.AddrPort
	end     time.Time
	comment string
}

// firstSweep is the size up to which a ledger does not look for ended grants.
const firstSweep = 1024

func newLedger() ledger {
	return ledger{uses: make(map[cell][]use), grants: make(map[string][]cell), sweep: firstSweep}
}

// put notes a grant of one port and returns its cells. The same grant with an
// earlier end changes nothing.
func (l *ledger) put(part enforce.Grant, now time.Time) []cell {
	key := part.Key()
	if end, ok := l.end(key); ok && !enforce.Outlives(part.Expires, end) {
		return l.grants[key]
	}
	l.drop(key)
	comment := part.Comment().String()
	for _, e := range elements(part) {
		l.claim(cell{e.set, e.key}, use{key, e.target, part.Expires, comment})
	}
	if len(l.grants) >= l.sweep {
		l.forget(now)
	}
	return l.grants[key]
}

func (l *ledger) claim(c cell, u use) {
	l.uses[c] = append(l.uses[c], u)
	l.grants[u.grant] = append(l.grants[u.grant], c)
}

// end is when a grant ends that the ledger has.
func (l *ledger) end(grant string) (end time.Time, ok bool) {
	cells := l.grants[grant]
	if len(cells) == 0 {
		return end, false
	}
	i := slices.IndexFunc(l.uses[cells[0]], func(u use) bool { return u.grant == grant })
	return l.uses[cells[0]][i].end, true
}

// drop forgets a grant and returns the cells it had.
func (l *ledger) drop(grant string) []cell {
	cells := l.grants[grant]
	for _, c := range cells {
		rest := slices.DeleteFunc(l.uses[c], func(u use) bool { return u.grant == grant })
		if len(rest) == 0 {
			delete(l.uses, c)
		} else {
			l.uses[c] = rest
		}
	}
	delete(l.grants, grant)
	return cells
}

// current is what the cell should hold: the target of the grant that came last,
// for as long as any grant wants this target.
func (l *ledger) current(c cell, now time.Time) (cur use, ok bool) {
	for _, u := range slices.Backward(l.uses[c]) {
		if !enforce.Outlives(u.end, now) {
			continue
		}
		if !ok || u.target == cur.target && enforce.Outlives(u.end, cur.end) {
			cur, ok = u, true
		}
	}
	return cur, ok
}

// forget drops what has ended.
func (l *ledger) forget(now time.Time) {
	for grant := range l.grants {
		if end, _ := l.end(grant); !enforce.Outlives(end, now) {
			l.drop(grant)
		}
	}
	l.sweep = max(2*len(l.grants), firstSweep)
}
