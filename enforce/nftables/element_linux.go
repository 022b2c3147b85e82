package nftables

import (
	"net/netip"
	"time"

	nft "github.com/google/nftables"

	"fwknopd/enforce"
)

// An elemKey is the place of an element: in a set there is one for each key.
type elemKey struct {
	set setID
	key key
}

// An element is one entry of a set or map, in every table with a chain of the role.
type element struct {
	elemKey
	target netip.AddrPort // value of a map
}

// elements returns what a grant of one port (see [enforce.Grant.Split]) needs.
func elements(g enforce.Grant, guard enforce.Guard) (els []element) {
	for _, r := range guard.Rules(g) {
		e := element{elemKey{setID{role: r.Role, v6: r.Src.Is6(), bits: r.Bits}, key{peer: r.Src}}, r.To}
		if r.Role == enforce.Masquerade {
			e.set.role, e.set.masquerade = enforce.SNAT, true
		}
		if r.Dst.IsValid() {
			e.set.shape |= withLocal
			e.key.local = r.Dst
		}
		if len(r.Ports) == 1 {
			e.set.shape |= withProto
			e.key.proto = uint8(r.Ports[0].Proto)
			if r.Ports[0].HasNumber() {
				e.set.shape |= withPort
				e.key.port = r.Ports[0].Number
			}
		}
		els = append(els, e)
	}
	return els
}

// rule is the inverse of elements.
func (e element) rule() enforce.Rule {
	r := enforce.Rule{Role: e.set.role, Src: e.key.peer, Bits: e.set.bits, Dst: e.key.local, To: e.target}
	if e.set.masquerade {
		r.Role = enforce.Masquerade
	}
	if e.set.shape&withProto != 0 {
		r.Ports = []enforce.Port{{Proto: enforce.Proto(e.key.proto), Number: e.key.port}}
	}
	return r
}

// encode gives the element its end and its comment.
func (e element) encode(left time.Duration, comment string) nft.SetElement {
	el := nft.SetElement{Key: e.set.marshal(e.key), Timeout: left, Comment: comment}
	if e.set.isMap() {
		el.Val = e.set.marshalTarget(e.target)
	}
	return el
}

// A listedElem is an element that the kernel has.
type listedElem struct {
	element
	place   Place // family, table and set
	comment enforce.Comment
	expires time.Time // zero: no end
}

// assemble makes grants of listed elements. Those with the same tag in the comment
// belong together; one without a tag is a grant of its own.
func assemble(all []listedElem) (gs []enforce.Grant) {
	type tagged struct {
		client netip.Addr
		bits   uint8
		tag    uint32
	}
	byKey := make(map[elemKey]listedElem, len(all))
	var ours []listedElem
	for _, e := range all {
		byKey[e.elemKey] = e
		if e.comment.Tag == 0 {
			gs = append(gs, join([]listedElem{e}))
		} else {
			ours = append(ours, e)
		}
	}
	for _, group := range enforce.GroupBy(ours, func(e listedElem) tagged { return tagged{e.key.peer, e.set.bits, e.comment.Tag} }) {
		gs = append(gs, join(addSharedElems(group, byKey)))
	}
	return gs
}

// addSharedElems completes a translation whose further elements bear the comment of
// another grant, with which it shares them: those that match what comes out of it.
func addSharedElems(group []listedElem, byKey map[elemKey]listedElem) []listedElem {
	var has [roles]bool
	var dnat listedElem
	for _, e := range group {
		has[e.set.role] = true
		if e.set.role == enforce.DNAT {
			dnat = e
		}
	}
	if !has[enforce.DNAT] || has[enforce.Input] || has[enforce.Forward] {
		return group
	}
	for _, k := range keysBehind(dnat) {
		e, ok := byKey[k]
		if !ok || has[k.set.role] || k.set.role == enforce.Input && has[enforce.Forward] || k.set.role == enforce.Output && !has[enforce.Input] {
			continue
		}
		has[k.set.role] = true
		e.comment, e.expires = dnat.comment, dnat.expires
		group = append(group, e)
	}
	return group
}

// keysBehind returns where the further elements of a translation may be.
func keysBehind(dnat listedElem) (keys []elemKey) {
	k := dnat.elemKey
	k.set.shape |= withLocal
	k.key.local, k.key.port = dnat.target.Addr(), dnat.target.Port()
	for _, k.set.role = range []enforce.Role{enforce.Forward, enforce.Input, enforce.Output, enforce.SNAT} {
		keys = append(keys, k)
	}
	k.set.masquerade = true
	return append(keys, k)
}

// join makes a grant of its elements.
func join(group []listedElem) enforce.Grant {
	rules := make([]enforce.Rule, len(group))
	for i, e := range group {
		rules[i] = e.rule()
	}
	g := enforce.JoinRules(rules)
	for _, e := range group {
		g.Stanza = e.comment.Stanza
		if g.Expires.IsZero() || enforce.Outlives(g.Expires, e.expires) {
			g.Expires = e.expires
		}
	}
	return g
}

// decode reads an element; ok is false if its key is none of this set's.
func (id setID) decode(el nft.SetElement, now time.Time) (e listedElem, ok bool) {
	e.set = id
	if e.key, ok = id.unmarshal(el.Key); !ok || !id.isMasked(e.key.peer) {
		return listedElem{}, false
	}
	if id.isMap() {
		if e.target, ok = id.unmarshalTarget(el.Val); !ok {
			return listedElem{}, false
		}
	}
	e.comment, _ = enforce.ParseComment(el.Comment)
	if el.Timeout == 0 {
		return e, true
	}
	e.expires = now.Add(el.Expires)
	if d := e.expires.Sub(e.comment.Expires); d.Abs() < endTolerance {
		e.expires = e.comment.Expires
	}
	return e, true
}

// endTolerance is how much the end by the kernel's remaining time may differ from the
// end in the comment: the time that reading takes, and the kernel's rounding.
const endTolerance = 500 * time.Millisecond
