package nftables

import (
	"net/netip"
	"time"

	nft "github.com/google/nftables"

	"fwknopd/enforce"
)

// An element is one entry of a set or map, in every table where the role lives.
type element struct {
	set    setID
	key    key
	target netip.AddrPort // value of a map
}

// elements are what a grant of one port (see [enforce.Grant.Split]) needs.
func elements(g enforce.Grant) []element {
	if g.NAT == nil {
		els := []element{accept(Input, g, g.Dst)}
		if g.Output {
			els = append(els, accept(Output, g, g.Dst))
		}
		return els
	}
	var els []element
	if g.NAT.Target.IsValid() {
		e := accept(DNAT, g, g.Dst)
		e.target = g.NAT.Target
		els = append(els, e)
	}
	role, beyond := Forward, g.BehindDNAT()
	if g.NAT.Local {
		role = Input
	}
	els = append(els, accept(role, beyond, beyond.Dst))
	if g.Output {
		els = append(els, accept(Output, beyond, beyond.Dst))
	}
	return append(els, sourceNAT(beyond)...)
}

func sourceNAT(g enforce.Grant) []element {
	e := accept(SNAT, g, g.Dst)
	switch {
	case g.NAT.Masquerade:
		e.set.masquerade = true
	case g.NAT.SNAT.IsValid():
		e.target = netip.AddrPortFrom(g.NAT.SNAT, 0)
	default:
		return nil
	}
	return []element{e}
}

// accept is the element of a role for the grant's client and port.
func accept(role Role, g enforce.Grant, local netip.Addr) element {
	e := element{set: setID{role: role, v6: g.Src.Is6()}, key: key{peer: g.Src}}
	if local.IsValid() {
		e.set.shape |= withLocal
		e.key.local = local
	}
	if len(g.Ports) == 1 {
		e.set.shape |= withProto
		e.key.proto = g.Ports[0].Proto
		if g.Ports[0].HasNumber() {
			e.set.shape |= withPort
			e.key.port = g.Ports[0].Number
		}
	}
	return e
}

// encode gives the element its end and its comment.
func (e element) encode(left time.Duration, comment string) nft.SetElement {
	el := nft.SetElement{Key: e.set.marshal(e.key), Timeout: left, Comment: comment}
	if e.set.isMap() {
		el.Val = e.set.marshalTarget(e.target)
	}
	return el
}

// A listedElem element is one that the kernel lists.
type listedElem struct {
	element
	place   Place // family, table and set
	comment enforce.Comment
	expires time.Time // zero: no end
}

// decode reads an element; ok is false if its key is none of this set's.
func (id setID) decode(el nft.SetElement, now time.Time) (f listedElem, ok bool) {
	f.set = id
	if f.key, ok = id.unmarshal(el.Key); !ok {
		return listedElem{}, false
	}
	if id.isMap() {
		if f.target, ok = id.unmarshalTarget(el.Val); !ok {
			return listedElem{}, false
		}
	}
	f.comment, _ = enforce.ParseComment(el.Comment)
	if el.Timeout == 0 {
		return f, true
	}
	f.expires = now.Add(el.Expires)
	if d := f.expires.Sub(f.comment.Expires); d.Abs() < endTolerance {
		f.expires = f.comment.Expires
	}
	return f, true
}

// endTolerance is how far the kernel's remaining time may be from the end in the comment
// to be the same: what it takes to read, and the kernel's rounding.
const endTolerance = 500 * time.Millisecond

// assemble makes grants of listed elements: the tag in the comment says which
// belong together; what has none stands alone.
func assemble(all []listedElem) []enforce.Grant {
	type groupKey struct {
		peer netip.Addr
		tag  uint32
	}
	groups := make(map[groupKey][]listedElem)
	cells := make(map[elemKey]listedElem, len(all))
	var order []groupKey
	var gs []enforce.Grant
	for _, f := range all {
		cells[elemKey{f.set, f.key}] = f
		k := groupKey{f.key.peer, f.comment.Tag}
		if k.tag == 0 {
			gs = append(gs, join([]listedElem{f}))
			continue
		}
		if _, ok := groups[k]; !ok {
			order = append(order, k)
		}
		groups[k] = append(groups[k], f)
	}
	for _, k := range order {
		gs = append(gs, join(addSharedElems(groups[k], cells)))
	}
	return gs
}

// addSharedElems completes a translation whose further elements bear the comment of
// another grant, with which it shares them: those that match what comes out of it.
func addSharedElems(group []listedElem, cells map[elemKey]listedElem) []listedElem {
	var has [roles]bool
	var dnat listedElem
	for _, f := range group {
		has[f.set.role] = true
		if f.set.role == DNAT {
			dnat = f
		}
	}
	if !has[DNAT] || has[Input] || has[Forward] {
		return group
	}
	for _, c := range keysBehind(dnat) {
		f, ok := cells[c]
		if !ok || has[c.set.role] || c.set.role == Input && has[Forward] || c.set.role == Output && !has[Input] {
			continue
		}
		has[c.set.role] = true
		f.comment, f.expires = dnat.comment, dnat.expires
		group = append(group, f)
	}
	return group
}

// keysBehind are the cells in which a translation's further elements may be.
func keysBehind(dnat listedElem) (cells []elemKey) {
	c := elemKey{dnat.set, dnat.key}
	c.set.shape |= withLocal
	c.key.local, c.key.port = dnat.target.Addr(), dnat.target.Port()
	for _, c.set.role = range []Role{Forward, Input, Output, SNAT} {
		cells = append(cells, c)
	}
	c.set.masquerade = true
	return append(cells, c)
}

// join is the inverse of elements. An incomplete group gives the grant of which
// it is the most likely rest.
func join(group []listedElem) enforce.Grant {
	var by [roles]*listedElem
	for i := range group {
		by[group[i].set.role] = &group[i]
	}
	g := base(by)
	if by[DNAT] != nil || by[Forward] != nil || by[SNAT] != nil {
		g.NAT = joinNAT(by)
	}
	g.Output = by[Output] != nil
	for _, f := range group {
		g.Stanza = f.comment.Stanza
		if g.Expires.IsZero() || enforce.Outlives(g.Expires, f.expires) {
			g.Expires = f.expires
		}
	}
	return g
}

// base takes address and port from the element that has them as the client sees
// them.
func base(by [roles]*listedElem) enforce.Grant {
	for _, role := range []Role{DNAT, Output, Input, Forward, SNAT} {
		f := by[role]
		if f == nil {
			continue
		}
		g := enforce.Grant{Src: f.key.peer, All: f.set.shape&withProto == 0}
		if !g.All {
			g.Ports = []enforce.Port{{Proto: f.key.proto, Number: f.key.port}}
		}
		g.Dst = f.key.local
		return g
	}
	return enforce.Grant{}
}

func joinNAT(by [roles]*listedElem) *enforce.NAT {
	n := &enforce.NAT{Local: by[Input] != nil}
	if d := by[DNAT]; d != nil {
		n.Target = d.target
	}
	if s := by[SNAT]; s != nil {
		n.Masquerade = s.set.masquerade
		n.SNAT = s.target.Addr()
	}
	return n
}
