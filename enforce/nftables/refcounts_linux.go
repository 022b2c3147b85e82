package nftables

import (
	"net/netip"
	"slices"
	"time"

	"fwknopd/enforce"
)

// refcounts records which grants refer to which elements. Several may refer to one:
// two ports of ours that lead to the same port inside need the same element of
// the forward hook, and it must stay until the last of them ends.
type refcounts struct {
	refs   map[elemKey][]ref // oldest first
	grants map[string][]elemKey
	sweep  int // size of grants at which ended ones are dropped
	guard  enforce.Guard
}

// A ref is one grant's reference to an element.
type ref struct {
	grant   string
	target  netip.AddrPort
	end     time.Time
	comment string
}

// firstSweep is the size up to which ended grants are not looked for.
const firstSweep = 1024

func newRefcounts(guard enforce.Guard) refcounts {
	return refcounts{refs: make(map[elemKey][]ref), grants: make(map[string][]elemKey), sweep: firstSweep, guard: guard}
}

// add adds a grant of one port. The same grant with an earlier end changes nothing.
func (r *refcounts) add(part enforce.Grant, now time.Time) {
	grant := part.Key()
	if end, ok := r.end(grant); ok && !enforce.Outlives(part.Expires, end) {
		return
	}
	r.drop(grant)
	comment := part.Comment().String()
	for _, e := range elements(part, r.guard) {
		r.refs[e.elemKey] = append(r.refs[e.elemKey], ref{grant, e.target, part.Expires, comment})
		r.grants[grant] = append(r.grants[grant], e.elemKey)
	}
	if len(r.grants) >= r.sweep {
		r.dropEnded(now)
	}
}

// end returns when a grant ends; ok is false if there is no such grant.
func (r *refcounts) end(grant string) (end time.Time, ok bool) {
	keys := r.grants[grant]
	if len(keys) == 0 {
		return end, false
	}
	refs := r.refs[keys[0]]
	return refs[slices.IndexFunc(refs, func(f ref) bool { return f.grant == grant })].end, true
}

// drop removes a grant.
func (r *refcounts) drop(grant string) {
	for _, k := range r.grants[grant] {
		rest := slices.DeleteFunc(r.refs[k], func(f ref) bool { return f.grant == grant })
		if len(rest) == 0 {
			delete(r.refs, k)
		} else {
			r.refs[k] = rest
		}
	}
	delete(r.grants, grant)
}

// dropEnded removes the grants that have ended.
func (r *refcounts) dropEnded(now time.Time) {
	for grant := range r.grants {
		if end, _ := r.end(grant); !enforce.Outlives(end, now) {
			r.drop(grant)
		}
	}
	r.sweep = max(2*len(r.grants), firstSweep)
}

// current returns what the element should hold: the target of the grant that came
// last, for as long as any grant wants this target. ok is false if none wants one.
func (r *refcounts) current(k elemKey, now time.Time) (cur ref, ok bool) {
	for _, f := range slices.Backward(r.refs[k]) {
		if !enforce.Outlives(f.end, now) {
			continue
		}
		if !ok || f.target == cur.target && enforce.Outlives(f.end, cur.end) {
			cur, ok = f, true
		}
	}
	return cur, ok
}
